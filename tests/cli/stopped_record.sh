#!/usr/bin/env bash
# TEST labels=train,long timeout=180
# What a stopped run has written so far is in its record: verify finds every changed byte of it.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen
expect_exit 85 train 2 one output.save_steps=1 output.save_total_limit=2 train.max_seconds=0.01
expect_exit 85 train 2 one output.save_steps=1 output.save_total_limit=2 train.max_seconds=0.01
expect_exit 0 "$TEMPER" verify runs/one
expect_lines out "7 files of runs/one are what they were when it was stopped"
expect_nothing err
newest=$(newest one)
grep -q "\"path\": \"${newest#runs/one/}\"" runs/one/record.json || fail "no digest of $newest"

# flip FILE BYTE: one bit of it.
flip() {
    python3 -c '
import sys
file = open(sys.argv[1], "r+b")
file.seek(int(sys.argv[2]))
byte = file.read(1)[0]
file.seek(int(sys.argv[2]))
file.write(bytes([byte ^ 1]))' "$@"
}

# found FILE BYTE: verify names it; else it says that all is as it was.
found() {
    flip "$@"
    "$TEMPER" verify runs/one >out 2>err
    local status=$?
    flip "$@"
    [ $status = 1 ] && grep -qF "$1" out
}

# bytes of the whole file: of its structure, its values, its checksums, its elements
size=$(stat -c %s "$newest")
for at in $(seq 5 $((size / 3)) $((size - 1))) $((size - 1)); do
    found "$newest" "$at" || fail "byte $at of $newest: $(cat out err)"
done
# bytes between data sets, of which the file itself knows nothing
gaps=0
for at in $(python3 -c '
import sys
data = open(sys.argv[1], "rb").read()
zero = [at for at in range(4096, len(data), 4096) if not any(data[at - 32:at])]
print(*(at - 1 for at in zero[::len(zero) // 8]))' "$newest"); do
    flip "$newest" "$at"
    "$TEMPER" inspect "$newest" --validate >out 2>err
    status=$?
    flip "$newest" "$at"
    [ $status = 0 ] || continue
    gaps=$((gaps + 1))
    found "$newest" "$at" || fail "byte $at of $newest: $(cat out err)"
done
[ $gaps != 0 ] || fail "the file has no such bytes"
for file in runs/one/run.log runs/one/metrics.jsonl runs/one/recipe.yaml sms.tsv; do
    found $file 100 || fail "$file: $(cat out err)"
done
found wide.h5 $(($(stat -c %s wide.h5) - 9)) || fail "wide.h5: $(cat out err)"
expect_exit 0 "$TEMPER" verify runs/one
mv "$newest" kept
expect_exit 1 "$TEMPER" verify runs/one
expect_text out "$newest is missing: it was written; its SHA-256 was "
mv kept "$newest"

# the same steps once more; an evaluation that was left is no difference
expect_exit 0 ranks 1 "$TEMPER" verify runs/one --rerun 1
expect_text out "weights and state: equal in every bit"
# what is of a run that is done stays so
expect_exit 1 "$TEMPER" report runs/one
expect_text err "runs/one: the last part of the run, from step 1, is stopped, and files are hashed"
expect_exit 0 train 1 one
expect_exit 0 "$TEMPER" verify runs/one
! grep -q frame_sha256 <(tail -n 40 runs/one/record.json) || fail "in haste, with all time"

# the control: a sound checkpoint of another run, in which the file's own checksums find nothing
expect_exit 0 train 1 other train.seed=8 train.max_steps=2
expect_exit 85 train 1 two train.max_seconds=0.01
cp "$(newest other)" "$(newest two)"
expect_exit 0 "$TEMPER" inspect "$(newest two)" --validate
expect_exit 1 "$TEMPER" verify runs/two
expect_text out "$(newest two) has changed since it was written: "
