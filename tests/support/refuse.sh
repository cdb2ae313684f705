# Sourced by tests of bad input, after support/train.sh.
alone=
messages=1

# files: every file and folder here with its contents, but for what the tests themselves write and
# logs.
files() {
    find . -mindepth 1 ! -name out ! -name err ! -name run.log ! -name 'prepared-*.h5' \
        -printf '%y %p ' \( -type f -exec sha256sum {} \; -o -printf '\n' \) | sort
}

# refused CODE TEXT ARGUMENT...: the program with these arguments, on one rank and on three (on one
# alone where $alone is set): within seconds it exits with the code, says one sentence with the
# text, and leaves every file as it was.
refused() {
    local code=$1 text=$2 launcher before
    local launchers=("")
    [ -n "$alone" ] || launchers+=("${launch[*]} -n 3")
    shift 2
    before=$(files)
    for launcher in "${launchers[@]}"; do
        # shellcheck disable=SC2086 # the launcher is words
        expect_exit "$code" timeout 30 $launcher "$TEMPER" "$@" </dev/null
        expect_text err "$text"
        [ "$(grep -c '^temper: ' "$work/err")" = "$messages" ] ||
            fail "not $messages message(s) of $*:
$(cat "$work/err")"
        [ "$(files)" = "$before" ] || fail "files differ after $*:
$(diff <(echo "$before") <(files))"
    done
}
