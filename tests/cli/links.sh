#!/usr/bin/env bash
# TEST labels=cli,train timeout=120
# Nothing is written through a link in a run folder or an export, and files have the rights that the
# umask leaves.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(train.max_steps=2 output.save_steps=1)
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/sound "${settings[@]}"
echo "mine" >mine

# intact WHAT: so is the file that all links lead to.
intact() {
    [ "$(cat mine)" = mine ] || { fail "$1 was written through a link"; echo "mine" >mine; }
}

# link_all FOLDER FILE...: links instead of these, and of the names that they are first written to.
link_all() {
    local folder=$1 file
    shift
    for file in "$@"; do
        ln -sf "$work/mine" "$folder/$file"
        ln -sf "$work/mine" "$folder/$file.partial"
    done
}

# a run that begins where every name is taken
names=$(cd runs/sound && find . -maxdepth 1 -type f ! -name run.log -printf '%f ')
[ "$(wc -w <<<"$names")" -ge 8 ] || fail "only $names"
mkdir -p runs/linked/checkpoints
# shellcheck disable=SC2086 # names without spaces
link_all runs/linked $names
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/linked "${settings[@]}"
intact "a run"
same_run sound linked
[ -z "$(find runs/linked -maxdepth 1 -type l ! -name '*.partial')" ] || fail "$(ls -l runs/linked)"
# one that goes on, and one that stops
rm -f runs/linked/checkpoints/step-0000000002.h5
link_all runs/linked state.json record.json metrics.jsonl recipe.yaml
ln -s "$work/mine" runs/linked/checkpoints/step-0000000002.h5.partial-elsewhere-1
expect_exit 85 "$TEMPER" train recipe.yaml output.folder=runs/linked train.max_seconds=0.01 \
    train.max_steps=8
intact "a run that goes on"

# lines are added to a file, not to what it leads to
for name in run.log checkpoints; do
    rm -rf "runs/$name"
    mkdir -p "runs/$name" elsewhere
    [ $name = run.log ] && target=$work/mine || target=$work/elsewhere
    ln -s "$target" "runs/$name/$name"
    expect_exit 1 "$TEMPER" train recipe.yaml "output.folder=runs/$name" "${settings[@]}"
    expect_text err "temper: runs/$name/$name is a link"
    intact "$name"
    [ -z "$(ls elsewhere)" ] || fail "$(ls elsewhere)"
done

# what is no lock is neither waited for nor removed
mkdir runs/locked
for kind in pipe folder; do
    [ $kind = pipe ] && mkfifo runs/locked/lock || mkdir runs/locked/lock
    expect_exit 1 timeout 10 "$TEMPER" train recipe.yaml output.folder=runs/locked
    expect_text err "temper: runs/locked/lock is no lock of temper's: move it away"
    rm -r runs/locked/lock
done

# exports
expect_exit 0 "$TEMPER" export runs/sound -o sound
mkdir linked
# shellcheck disable=SC2046
link_all linked $(ls sound)
link_all . a.gguf
expect_exit 0 "$TEMPER" export runs/sound -o linked
expect_exit 0 diff -r --exclude='*.partial' sound linked
intact "an export"

# the rights
for mask in 022 077 027; do
    umask $mask
    expect_exit 0 "$TEMPER" train recipe.yaml "output.folder=runs/$mask" "${settings[@]}"
    wanted=$(printf '%o' $((0666 & ~0$mask)))
    other=$(find "runs/$mask" -type f ! -perm "$wanted")
    [ -z "$other" ] || fail "not $wanted: $(ls -l $other)"
done

# the control: a program that writes through links is seen
ln -s "$work/mine" through
echo "other" >through
expect_failure intact "the control"
