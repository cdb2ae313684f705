#!/usr/bin/env bash
# TEST labels=cli timeout=60
# Every command explains itself with an example; man pages and completion name all of them.
source tests/support/cli.sh

expect_exit 0 "$TEMPER" --help
cp "$work/out" "$work/overview"
expect_nothing err
mapfile -t names < <(sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$work/overview")
[ "${#names[@]}" -ge 9 ] || fail "only ${#names[@]} commands: ${names[*]}"

for name in "${names[@]}"; do
    expect_exit 0 "$TEMPER" "$name" --help
    expect_text out "usage: temper $name"
    sed -n '/^example:/,$p' "$work/out" | grep -q temper || fail "no example in temper $name --help"
    cp "$work/out" "$work/help"
    expect_exit 0 "$TEMPER" help "$name"
    cmp -s "$work/help" "$work/out" || fail "help $name is not $name --help"
    awk 'length > 100' "$work/help" | grep . && fail "long lines in temper $name --help"
done
for name in evaluate predict; do
    expect_exit 0 "$TEMPER" "$name" --help
    expect_text out "data.max_length"
    ! grep -q "train\.\|output\." "$work/out" || fail "$name lists keys that it refuses"
done
expect_exit 0 "$TEMPER" help
cmp -s "$work/overview" "$work/out" || fail "help is not --help"

mkdir "$work/man"
expect_exit 0 "$TEMPER" help --man "$work/man"
for name in "${names[@]}"; do
    grep -q "^.SH EXAMPLE" "$work/man/temper-$name.1" || fail "no man page of $name"
    grep -q "temper.-$name" "$work/man/temper.1" || fail "temper.1 does not name $name"
done
if command -v man >/dev/null; then
    for page in "$work"/man/*.1; do
        LC_ALL=C man --warnings -l "$page" 2>&1 >/dev/null | grep . && fail "roff of $page"
    done
fi
expect_exit 2 "$TEMPER" help --man "$work/none"
expect_text err "$work/none"

# completion offers commands, flags and keys of the recipe
expect_exit 0 "$TEMPER" help --completion
source "$work/out"
complete_words() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    compopt() { :; }
    _temper
    echo "${COMPREPLY[*]}"
}
[ "$(complete_words temper imp)" = import ] || fail "temper imp: $(complete_words temper imp)"
[ "$(complete_words temper tokenize --max)" = --max-length ] || fail "no flags"
[ "$(complete_words temper prepare a.yaml data.max)" = data.max_length= ] || fail "no keys"
[ -z "$(complete_words temper inspect data.max)" ] || fail "inspect takes no keys"
