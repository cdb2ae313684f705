#!/usr/bin/env bash
# TEST labels=named timeout=60
# Every test that a document names is there, and every test of faults is named in docs/FAULTS.md.
source "$(dirname "$0")/support.bash"

check() {
    local document name status=0
    for document in "$1"/docs/*.md "$1"/README.md; do
        [ -e "$document" ] || continue
        while read -r name; do
            [ -e "$1/$name" ] && continue
            echo "${document#"$1"/}: $name is not there"
            status=1
        done < <(grep -ohE 'tests/[a-z]+/[A-Za-z0-9_]+\.(sh|c)\b' "$document" | sort -u)
    done
    for name in "$1"/tests/fault/*.sh "$1"/tests/fault/*.c; do
        name=${name#"$1"/}
        [ ! -e "$1/$name" ] || grep -qF "\`$name\`" "$1/docs/FAULTS.md" && continue
        echo "docs/FAULTS.md: $name is not named"
        status=1
    done
    return $status
}

plant docs/FAULTS.md <<<'see `tests/fault/a.sh` and `tests/unit/test_b.c`'
plant tests/fault/a.sh <<<''
expect_caught "a test that is gone" 'docs/FAULTS.md: tests/unit/test_b.c is not there'
plant docs/FAULTS.md <<<'see `tests/fault/a.sh`'
plant tests/fault/a.sh <<<''
plant tests/fault/c.sh <<<''
expect_caught "a test that is not named" 'docs/FAULTS.md: tests/fault/c.sh is not named'
plant docs/FAULTS.md <<<'see `tests/fault/a.sh`'
plant tests/fault/a.sh <<<''
expect_clean "a page that is right"

lint_tree
