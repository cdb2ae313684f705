#!/usr/bin/env bash
# TEST labels=cli timeout=60
# What is wrong with a command line is said in a sentence, once, with exit code 2.
source tests/support/cli.sh

expect_exit 2 "$TEMPER"
expect_lines err "temper: which command? 'temper --help' lists them"
expect_nothing out

expect_exit 2 "$TEMPER" inport
expect_lines err "temper: unknown command 'inport'; did you mean 'import'?"
expect_exit 2 "$TEMPER" zzz
expect_lines err "temper: unknown command 'zzz'; 'temper --help' lists them"
expect_exit 2 "$TEMPER" help inport
expect_lines err "temper: unknown command 'inport'; did you mean 'import'?"

expect_exit 2 "$TEMPER" import a --outputt b
expect_lines err "temper: unknown flag '--outputt' of 'import'; did you mean '--output'?"
usage="temper: usage: temper import SRC -o OUTPUT [flags]"
expect_exit 2 "$TEMPER" import a -o b --zzzzzzzz=1
expect_lines err "temper: unknown flag '--zzzzzzzz=1'" "$usage"
expect_exit 2 "$TEMPER" import a -x
expect_text err "temper: unknown flag '-x'"

expect_exit 2 "$TEMPER" import
expect_lines err "temper: missing argument 'SRC'" "$usage"
expect_exit 2 "$TEMPER" import a
expect_lines err "temper: missing flag '--output'" "$usage"
expect_exit 2 "$TEMPER" import a -o
expect_lines err "temper: a value must follow '-o'" "$usage"
expect_exit 2 "$TEMPER" import a b -o c
expect_lines err "temper: one argument too many: 'b'" "$usage"
expect_exit 2 "$TEMPER" inspect a key=value
expect_text err "one argument too many: 'key=value'"

expect_exit 2 "$TEMPER" tokenize a --max-length=many
expect_lines err "temper: --max-length: 'many' is not a whole number (1 to 1e+09)"
expect_exit 2 "$TEMPER" tokenize a --max-length 0
expect_lines err "temper: --max-length: '0' is not a number in range (1 to 1e+09)"

# after -- a word with - is an argument, and - always is: these fail later, for what they name
expect_exit 2 "$TEMPER" inspect -- --validate
expect_text err "--validate"
expect_exit 2 "$TEMPER" inspect -
expect_text err "temper: -"

# a command that needs MPI is refused before MPI starts; with ranks, once
expect_exit 2 ranks 3 "$TEMPER" prepare
expect_lines err "temper: missing argument 'RECIPE'" \
    "temper: usage: temper prepare RECIPE [key=value ...]"
expect_exit 2 ranks 3 "$TEMPER" prepare "$work/none.yaml" data.max_length=64
[ "$(grep -c 'temper: .*none.yaml' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"

# results that could not be written are a failure
if [ -w /dev/full ]; then
    expect_exit 1 bash -c '"$TEMPER" --version >/dev/full'
    expect_lines err "temper: standard output: No space left on device"
fi
