#!/usr/bin/env bash
# TEST labels=train timeout=400
# Checkpoints that a thread writes while training goes on: the same bits as written at once; there
# with their rename and not before; a failure is told as that of any save.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
: "${TEMPER_FAULTY_IO:?the library to preload}"
settings=(output.save_steps=2 output.save_total_limit=4 data.split.validation=0)
later=("${settings[@]}" output.checkpoint_async=true)
widen

expect_exit 0 train 1 whole "${settings[@]}" output.checkpoint_async=false
expect_exit 0 train 1 other "${later[@]}" train.seed=8
for count in 1 2 3; do
    expect_exit 0 train $count ranks$count "${later[@]}"
    same_run whole ranks$count
    for file in runs/whole/checkpoints/*.h5; do
        expect_exit 0 "$TEMPER" compare "$file" "runs/ranks$count/checkpoints/${file##*/}"
    done
    [ "$(ls runs/whole/checkpoints)" = "$(ls runs/ranks$count/checkpoints)" ] ||
        fail "$count ranks: $(ls runs/ranks$count/checkpoints)"
done
expect_failure same_run whole other

# ranks that have parts of the model
grid=(grid.cols=2)
expect_exit 0 train 2 columns "${settings[@]}" "${grid[@]}" output.checkpoint_async=false
expect_exit 0 train 2 columns-later "${later[@]}" "${grid[@]}"
same_run columns columns-later

# killed in the thread and at each point after it: what was committed stays
for point in payload:1:1 payload:0:30 before-rename:0:2 after-rename:0:1; do
    TEMPER_FAULT=kill-$point train 2 "$point" "${later[@]}" >"$work/out" 2>"$work/err"
    [ $? != 0 ] || fail "$point did not kill"
    sound "$point"
    partials=$(find "runs/$point" -name '*.partial-*' | wc -l)
    wanted=$([[ $point = after-rename* ]] && echo 0 || echo 1)
    [ "$partials" = "$wanted" ] || fail "$point left $partials partial files"
    expect_exit 0 train 3 "$point" "${later[@]}"
    same_run whole "$point"
    [ -z "$(find "runs/$point" -name '*partial*')" ] || fail "$point: a partial file was left"
done

# while it is written there is no checkpoint, steps go on, and a stop waits for it
TEMPER_FAULT=save-slow:0:1 "${launch[@]}" -n 1 "$TEMPER" train recipe.yaml \
    output.folder=runs/slow "${later[@]}" train.epochs=200 >"$work/out" 2>"$work/err" </dev/null &
job=$!
until compgen -G "runs/slow/checkpoints/*.partial-*" >/dev/null; do
    kill -0 $job 2>/dev/null || break
    sleep 0.02
done
sleep 1
[ -z "$(ls runs/slow/checkpoints | grep 'h5$')" ] || fail "a checkpoint before its commit"
[ "$(wc -l <runs/slow/metrics.jsonl)" -ge 3 ] || fail "no step while the first save is written"
kill -USR1 "$(ranks_of $job)"
wait $job
[ $? = 85 ] || fail "not stopped: $(cat "$work/err")"
ls runs/slow/checkpoints | grep -q "^step-0000000002.h5$" || fail "the save was not waited for"
sound slow

# fails FAULT RANKS MESSAGE: the first save fails and is named, the others are made.
fails() {
    expect_exit 0 train "$2" "failed-$1" "${later[@]}"
    expect_text err "warning: runs/failed-$1/checkpoints/step-0000000002.h5: $3; training goes on"
    [ "$(grep -c "training goes on" "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
    [ ! -e "runs/failed-$1/checkpoints/step-0000000002.h5" ] || fail "$1: the save is there"
    same_run whole "failed-$1"
    sound "failed-$1"
    [ -z "$(find "runs/failed-$1" -name '*partial*')" ] || fail "$1 left a partial file"
}
for point in write-payload:2:1 write-fsync:1:1 write-close:0:1; do
    TEMPER_FAULT=$point fails "$point" 3 "Input/output error"
done
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0
FAULTY_IO=write:28:20 LD_PRELOAD=$TEMPER_FAULTY_IO fails write:28:20 1 "No space left on device"
