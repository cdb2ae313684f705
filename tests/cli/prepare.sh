#!/usr/bin/env bash
# TEST labels=frame timeout=120
# cmake/prepare on machines that are not there: a folder of programs without CMake, and apt-get,
# sudo and id that are ours.
set -u
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
failures=0

fake() {
    rm -f "$programs/bin/$1"
    printf '#!/bin/bash\n%s\n' "$2" >"$programs/bin/$1"
    chmod +x "$programs/bin/$1"
}

# machine USER: an ordinary machine without CMake, apt-get and sudo, used by that user id.
machine() {
    rm -rf "$programs/bin" "$programs/log"
    cp -rs /usr/bin "$programs/bin"
    rm -f "$programs"/bin/{cmake,apt-get,sudo}
    fake id "echo $1"
}

with_apt() {
    fake apt-get "echo \"apt-get \$DEBIAN_FRONTEND \$*\" >>'$programs/log'
        case \"\$*\" in *install*) ln -s '$(command -v cmake)' '$programs/bin/cmake' ;; esac"
}

# expect CODE PATTERN...: what cmake/prepare exits with and says (and what apt-get was asked).
expect() {
    local code=$1 pattern status
    shift
    PATH=$programs/bin bash cmake/prepare >"$programs/said" 2>&1
    status=$?
    cat "$programs/log" >>"$programs/said" 2>/dev/null
    for pattern in "exit $code" "$@"; do
        if ! (echo "exit $status" && cat "$programs/said") | grep -qE -- "$pattern"; then
            echo "FAILED $case: no '$pattern' in:" >&2
            (echo "exit $status" && cat "$programs/said") >&2
            failures=$((failures + 1))
        fi
    done
}

case="a cluster without apt-get"
machine 1000
expect 2 'Missing: CMake 3.25 or later\.$' '^    spack install .cmake. && spack load' 'modules'

case="an ordinary user of Debian"
machine 1000
with_apt
expect 2 '^    apt-get update && apt-get install -y --no-install-recommends cmake$' 'as root'
if [ -e "$programs/log" ]; then
    echo "FAILED $case: apt-get was started" >&2
    failures=1
fi

case="a user whose sudo asks for a password"
machine 1000
with_apt
fake sudo 'exit 1'
expect 2 '^    apt-get update && apt-get install'

case="a user whose sudo asks nothing"
machine 1000
with_apt
fake sudo '[ "$1" = -n ] && shift && exec "$@"'
expect 0 'apt-get noninteractive -o DPkg::Lock::Timeout=600 -q install .* cmake$'

case="root"
machine 0
with_apt
expect 0 '^apt-get noninteractive .*-q update$' '^apt-get noninteractive .* install -y .* cmake$'
if [ "$(grep -c update "$programs/log")" != 1 ]; then
    echo "FAILED $case: the lists must be updated once" >&2
    failures=1
fi

case="root, where apt-get has only an old CMake"
machine 0
with_apt
fake cmake 'echo cmake version 3.22.1'
expect 2 'Missing: CMake 3.25'

case="all there"
machine 0
with_apt
ln -s "$(command -v cmake)" "$programs/bin/cmake"
expect 0
if [ -s "$programs/said" ]; then
    echo "FAILED $case: it says something" >&2
    failures=1
fi

exit $((failures > 0))
