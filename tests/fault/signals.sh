#!/usr/bin/env bash
# TEST labels=train timeout=120
# Asked to stop twice, by both signals, and in the middle of a save: one checkpoint more, exit code
# 85, and the same end.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(train.epochs=20 output.save_total_limit=100 data.split.validation=0)

# begin NAME [key=value ...]: 2 ranks in the background, $launcher and $job.
begin() {
    local name=$1
    shift
    "${launch[@]}" -n 2 "$TEMPER" train recipe.yaml "output.folder=runs/$name" \
        "${settings[@]}" "$@" >"$name.out" 2>"$name.err" </dev/null &
    launcher=$!
}

# await COMMAND...: until it succeeds, or the job ends.
await() {
    until "$@" 2>/dev/null; do
        kill -0 $launcher 2>/dev/null || break
        sleep 0.02
    done
}

# stopped NAME: the job stopped in a step that it saved, and goes on to the same end.
stopped() {
    local code step
    wait $launcher
    code=$?
    [ $code = 85 ] || fail "$1: exit code $code: $(tail -n 3 "$1.err")"
    step=$(sed -nE 's/^asked to stop: step ([0-9]+) is saved.*/\1/p' "$1.err")
    [ "$(newest "$1")" = "runs/$1/checkpoints/step-$(printf %010d "$step").h5" ] ||
        fail "$1: step $step, checkpoints $(ls "runs/$1/checkpoints")"
    sound "$1"
    expect_exit 0 train 3 "$1" "${settings[@]}"
    same_run whole "$1"
}

expect_exit 0 train 1 whole "${settings[@]}"
begin twice train.epochs=20
await test -s runs/twice/metrics.jsonl
# shellcheck disable=SC2046 # words
kill -TERM $(ranks_of $launcher)
# shellcheck disable=SC2046 # words
kill -USR1 $(ranks_of $launcher) $launcher
stopped twice
[ "$(ls runs/twice/checkpoints | wc -l)" = 2 ] || fail "twice: $(ls runs/twice/checkpoints)"

# a save that takes three seconds goes to its end; the step after it is the last
TEMPER_FAULT=save-slow:-1:1 begin save output.save_steps=4
await grep -q '"step": 4,' runs/save/metrics.jsonl
sleep 0.5
[ ! -e runs/save/checkpoints/step-0000000004.h5 ] || fail "save: too late to ask within it"
kill -USR1 $launcher
stopped save
[ -e runs/save/checkpoints/step-0000000004.h5 ] || fail "save: $(ls runs/save/checkpoints)"
[ -e runs/save/checkpoints/step-0000000005.h5 ] || fail "save: $(ls runs/save/checkpoints)"
# the control: who is not asked does not stop
begin never
wait $launcher || fail "never: $(tail -n 3 never.err)"
