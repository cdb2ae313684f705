#!/usr/bin/env bash
# TEST labels=train timeout=300
# Faults during a run: kills at named points, full folders, damaged files, two jobs in one folder.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(output.save_steps=2 output.save_total_limit=2)

expect_exit 0 train 1 whole "${settings[@]}"

# killed at every named point of a save: what is there is whole, and the run ends in the same bits
points=(kill-after-create kill-payload kill-after-close kill-before-rename kill-after-rename)
for point in "${points[@]}"; do
    for nth in 1 2; do
        TEMPER_FAULT=$point:0:$nth train 2 "$point$nth" "${settings[@]}" >"$work/out" 2>"$work/err"
        [ $? != 0 ] || fail "$point did not kill"
        for file in "runs/$point$nth"/checkpoints/step-*.h5; do
            [ -e "$file" ] || continue
            expect_exit 0 "$TEMPER" inspect "$file" --validate
        done
        expect_exit 0 train 3 "$point$nth" "${settings[@]}"
        same_run whole "$point$nth"
    done
done

# a periodic save that fails warns and training goes on; the last one fails the run
TEMPER_FAULT=write-payload:0:1 expect_exit 0 train 2 once "${settings[@]}"
expect_text err "training goes on"
same_run whole once
TEMPER_FAULT=write-payload:0:0 expect_exit 1 train 2 last
[ -z "$(ls runs/last/checkpoints)" ] || fail "a failed save left files: $(ls runs/last/checkpoints)"

# a damaged newest checkpoint stops the run and is named
expect_exit 0 train 1 damaged "${settings[@]}"
file=$(newest damaged)
size=$(stat -c %s "$file")
printf '\x55' | dd of="$file" bs=1 seek=$((size / 2)) conv=notrunc status=none
expect_exit 1 train 2 damaged "${settings[@]}"
expect_text err "$file"
truncate -s $((size / 2)) "$file"
expect_exit 1 train 2 damaged "${settings[@]}"
expect_text err "$file"

# two jobs: the second waits, then names the first; a dead holder is taken over
mkdir -p runs/busy
sleep 100 &
holder=$!
start=$(cut -d ' ' -f 22 "/proc/$holder/stat")
echo "host $(hostname) pid $holder start $start job -" >runs/busy/lock
expect_exit 1 timeout 60 "$TEMPER" train recipe.yaml output.folder=runs/busy
expect_text err "in use by process $holder"
kill $holder
wait $holder 2>/dev/null
expect_exit 0 train 1 busy
[ ! -e runs/busy/lock ] || fail "the lock was left"

# folders
expect_exit 1 "$TEMPER" train recipe.yaml output.folder=sms.tsv/run
expect_text err "sms.tsv/run"
expect_exit 1 train 2 never-there train.resume=missing.h5
expect_text err "missing.h5"

# a loss that is not finite stops the run with the step and the last good checkpoint
TEMPER_FAULT=loss-nan:1:6 expect_exit 1 train 2 diverged "${settings[@]}" train.leaves=2
expect_text err "step 6: loss nan"
expect_text err "runs/diverged/checkpoints/step-0000000004.h5"
