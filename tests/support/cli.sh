# Sourced by tests of the command line: exact exit codes and texts. $TEMPER is the program, $work a
# folder that goes away. The script fails at its end if a check failed.
: "${TEMPER:?names the program}"
work=$(mktemp -d)
read -ra launch <<<"${MPIEXEC:-mpirun --quiet}" # without remarks on exit codes
failures=0

finish() {
    local status=$?
    [ "$failures" = 0 ] && [ ! -e "$work.unknown" ] || status=1
    rm -rf "$work" "$work.unknown"
    exit $status
}
trap finish EXIT

fail() {
    echo "FAILED ${BASH_SOURCE[-1]##*/}:${BASH_LINENO[-2]}: $*" >&2
    failures=$((failures + 1))
}

# For a command that does not exist, which might be a check; bash calls it in a process of its own.
command_not_found_handle() {
    echo "FAILED ${BASH_SOURCE[-1]##*/}: no command $1" >&2
    : >"$work.unknown"
    return 127
}

# expect_failure COMMAND...: the checks of the command fail: a test that cannot fail is no test.
expect_failure() {
    (failures=0; "$@" 2>/dev/null; [ "$failures" != 0 ]) || fail "passes, and must not: $*"
}

# skip REASON: the rest of the script.
skip() {
    echo "SKIPPED ${BASH_SOURCE[1]##*/}: $*" >&2
    exit 77
}

# expect_exit CODE COMMAND...: its standard output goes to $work/out, its errors to $work/err.
expect_exit() {
    local code=$1 status
    shift
    "$@" >"$work/out" 2>"$work/err"
    status=$?
    [ "$status" = "$code" ] || fail "exit code $status, expected $code: $*
$(tail -n 20 "$work/out" "$work/err")"
}

# expect_text out|err TEXT: the last command printed that somewhere.
expect_text() {
    grep -qF -- "$2" "$work/$1" || fail "no '$2' in:
$(cat "$work/$1")"
}

# no_text out|err TEXT: it did not.
no_text() {
    ! grep -qF -- "$2" "$work/$1" || fail "'$2' in $1"
}

# expect_lines out|err LINE...: the last command printed just these lines.
expect_lines() {
    local file=$1
    shift
    [ "$(cat "$work/$file")" = "$(printf '%s\n' "$@")" ] || fail "expected
$(printf '%s\n' "$@")
but got
$(cat "$work/$file")"
}

# expect_nothing out|err
expect_nothing() {
    [ ! -s "$work/$1" ] || fail "expected nothing, got
$(cat "$work/$1")"
}

# ranks N COMMAND...: under the launcher.
ranks() {
    local count=$1
    shift
    "${launch[@]}" -n "$count" "$@"
}

# ranks_of LAUNCHER: the processes it started, in their order; MPICH's by a proxy.
ranks_of() {
    local proxy
    proxy=$(pgrep -P "$1" hydra_pmi)
    pgrep -P "${proxy:-$1}"
}

# interrupted PID CODE FILE: the launcher, which got a signal, ends with that code; its ranks wrote
# that file. MPICH's mpiexec answers 0 after some of its signals, whatever its ranks end with.
interrupted() {
    local status
    wait "$1"
    status=$?
    [ "$status ${TEMPER_TEST_MPI:-}" = "0 mpich" ] || [ $status = "$2" ] ||
        fail "exit code $status after USR1, expected $2: $(tail -n 3 "$3")"
}
