#!/usr/bin/env bash
# TEST labels=train timeout=120
# A save that fails: a periodic one warns and the next tries again, the last one and one that was
# asked for fail the run. A loss that is not finite stops it.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(output.save_steps=2 output.save_total_limit=2)

expect_exit 0 train 1 whole "${settings[@]}"
expect_exit 0 "$TEMPER" prepare recipe.yaml data.split.validation=0 # its save is no checkpoint's
for point in write-create write-payload write-fsync write-close write-rename; do
    TEMPER_FAULT=$point:0:1 expect_exit 0 train 3 "once-$point" "${settings[@]}"
    expect_text err "warning: runs/once-$point/checkpoints/step-0000000002.h5: "
    expect_text err "Input/output error; training goes on"
    [ "$(grep -c "training goes on" "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
    same_run whole "once-$point"
    TEMPER_FAULT=$point:0:1 expect_exit 1 train 3 "last-$point" data.split.validation=0
    expect_text err "temper: runs/last-$point/checkpoints/step-0000000008.h5: Input/output error"
    [ "$(grep -c '^temper: ' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
    left=$(ls "runs/last-$point/checkpoints")
    [ -z "$left" ] || fail "left: $left"
done
# of a rank other than the first
TEMPER_FAULT=write-payload:2:1 expect_exit 1 train 3 last data.split.validation=0
[ -z "$(ls runs/last/checkpoints)" ] || fail "a failed save left files: $(ls runs/last/checkpoints)"

# value FOLDER NAME: of its newest checkpoint.
value() {
    "$TEMPER" inspect "$(newest "$1")" | sed -nE "s/^ *$2 +//p"
}

# the best one that is there is kept where a better one could not be saved
sparse=(train.eval_steps=1 output.save_total_limit=1)
expect_exit 0 train 1 best "${sparse[@]}"
for nth in 1 2 3; do
    TEMPER_FAULT=write-payload:0:$nth expect_exit 0 train 2 "best$nth" "${sparse[@]}"
    expect_text err "training goes on"
    best=$(value "best$nth" best_step)
    [ "$best" != 0 ] && [ -e "runs/best$nth/checkpoints/$(printf 'step-%010d.h5' "$best")" ] ||
        fail "save $nth fails: the best is of step $best: $(ls "runs/best$nth/checkpoints")"
    [ "$(value "best$nth" judged_step)" = "$(value best best_step)" ] ||
        fail "save $nth fails: the best of all is of step $(value "best$nth" judged_step)"
done
# of equal ones the first that could be saved; the failed one still counts for early stopping
TEMPER_FAULT=write-payload:0:1 expect_exit 0 train 1 equal "${sparse[@]}" train.learning_rate=0 \
    train.early_stopping_patience=4
[ "$(ls runs/equal/checkpoints | xargs)" = "step-0000000002.h5 step-0000000005.h5" ] ||
    fail "$(ls runs/equal/checkpoints)"
expect_text out "runs/equal/checkpoints/step-0000000002.h5"
# of the last step nothing goes on
TEMPER_FAULT=write-payload:0:1 expect_exit 1 train 1 again train.epochs=1
expect_text err "temper: runs/again/checkpoints/step-0000000004.h5: Input/output error"
! grep -q "goes on" "$work/err" || fail "what goes on? $(cat "$work/err")"
expect_exit 0 train 1 again train.epochs=1
[ "$(value again best_step)" = 4 ] || fail "the best of the last step is not the best"

# a loss that is not finite stops the run with the step and the last good checkpoint
TEMPER_FAULT=loss-nan:1:6 expect_exit 1 train 2 diverged "${settings[@]}" train.leaves=2
expect_text err "temper: step 6: loss nan"
expect_text err "the last good checkpoint is runs/diverged/checkpoints/step-0000000004.h5"
[ "$(ls runs/diverged/checkpoints)" = "$(printf 'step-000000000%d.h5\n' 2 4)" ] ||
    fail "$(ls runs/diverged/checkpoints)"
# where one rank of a tensor group finds it, on all of them
for rank in 0 3; do
    TEMPER_FAULT=loss-nan:$rank:3 expect_exit 1 on 212 columns train.leaves=2 output.save_steps=0
    expect_text err "temper: step 3: loss nan"
done
# and without the fault it goes on from there
expect_exit 0 train 1 diverged "${settings[@]}" train.leaves=2
expect_text err "resumed from runs/diverged/checkpoints/step-0000000004.h5"
# the log tells both
for text in "temper: step 6: loss nan" "resumed from runs/diverged/checkpoints/"; do
    grep -qF "$text" runs/diverged/run.log || fail "not in run.log: $text"
done
