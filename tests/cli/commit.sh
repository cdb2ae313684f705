#!/usr/bin/env bash
# TEST labels=cli timeout=60
# The commit that a build says is of its own sources, not of a repository that they lie in.
source tests/support/cli.sh
script=$PWD/cmake/commit.cmake
git=$(command -v git) || skip "git is not installed"
cd "$work" || exit 1

# says COMMIT DIFF FOLDER: extended regular expressions.
says() {
    expect_exit 0 cmake -D "HEADER=$work/header.h" -D "SOURCE=$3" -D "GIT=$git" -P "$script"
    grep -qxE "#define TEMPER_COMMIT \"$1\"" header.h &&
        grep -qxE "#define TEMPER_DIFF_SHA256 \"$2\"" header.h || fail "$3: $(cat header.h)"
}

mkdir -p outer/temper
"$git" -C outer init -q
touch outer/file
"$git" -C outer add file
"$git" -C outer -c user.name=a -c user.email=a@b.c commit -qm first
says "[0-9a-f]{12}" "" outer
says unknown "" outer/temper
ln -s "$work/outer" link
says "[0-9a-f]{12}" "" link
echo changed >outer/file
says "[0-9a-f]{12}-dirty" "[0-9a-f]{64}" outer
says unknown "" outer/temper
says unknown "" "$work"
