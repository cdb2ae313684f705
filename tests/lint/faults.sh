#!/usr/bin/env bash
# TEST labels=faults timeout=60
# The table of fault points (src/base/fault.c) and the points in the program are the same, and tests
# name no other.
source "$(dirname "$0")/support.bash"

# of PATTERN: what stands in its group, once each.
of() {
    sed -nE "s/.*$1.*/\1/p" | sort -u
}

check() {
    (
        cd "$1" || exit
        table=$(of '^    \{ "([a-z-]+)", FAULT_' <src/base/fault.c)
        used=$(grep -rhoE '(fault|fail)_[a-z_]*at\("[a-z-]+"' src | of '"([a-z-]+)"')
        # what comes after TEMPER_FAULT= in scripts, as far as it is no variable
        named=$(grep -rhoE 'TEMPER_FAULT=[a-z][a-z-]*[a-z]' tests --include=*.sh \
            --exclude-dir=lint | of '=([a-z-]+)')
        comm -13 <(echo "$table") <(echo "$used") | sed '/./s/$/: not in src\/base\/fault.c/'
        comm -23 <(echo "$table") <(echo "$used") | sed '/./s/$/: in the table and nowhere else/'
        comm -13 <(echo "$table") <(echo "$named") | grep -vx 'kill' |
            sed '/./s/$/: a test names it and the table does not/'
    ) >"$scratch/found"
    cat "$scratch/found"
    [ ! -s "$scratch/found" ]
}

row='    { "write-x", FAULT_ERROR, EIO, "x" },'
mkdir -p "$scratch/tree/tests"
plant src/base/fault.c <<<"$row"
expect_caught "a row that is not used" '^write-x: in the table and nowhere else'
mkdir -p "$scratch/tree/tests"
plant src/base/fault.c <<<"$row"
plant src/a.c <<<'if (fault_at("write-x")) fault_kill_at("kill-y");'
expect_caught "a point without a row" '^kill-y: not in src/base/fault.c'
plant src/base/fault.c <<<"$row"
plant src/a.c <<<'TRY(fail_at("write-x", path));'
plant tests/a.sh <<<'TEMPER_FAULT=write-z:0 train 1'
expect_caught "a test of no point" '^write-z: a test names it'
plant src/base/fault.c <<<"$row"
plant src/a.c <<<'TRY(fail_at("write-x", path));'
plant tests/a.sh <<<'TEMPER_FAULT=write-x:0 train 1'
expect_clean "a table that is right"

lint_tree
