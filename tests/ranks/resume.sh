#!/usr/bin/env bash
# TEST labels=train timeout=300
# A run stopped at any step and resumed on another number of ranks ends in the same bits.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(train.eval_steps=2 output.save_steps=2 output.save_total_limit=2)

widen
expect_exit 0 train 1 whole "${settings[@]}"
while read -r stop before after; do
    expect_exit 0 train "$before" "cut$stop" "${settings[@]}" "train.max_steps=$stop" </dev/null
    expect_exit 0 train "$after" "cut$stop" "${settings[@]}" </dev/null
    expect_text err "resumed from runs/cut$stop/checkpoints/step-000000000$stop.h5"
    same_run whole "cut$stop"
done <<'END'
1 2 3
2 3 1
3 1 2
5 4 8
6 5 4
7 16 5
END

# a finished run prints its results again
expect_exit 0 train 2 whole "${settings[@]}"
expect_text out "test (runs/whole"
expect_text out "checkpoint runs/whole/checkpoints/step-"
! grep -q "starts at random" "$work/err" || fail "the head of a checkpoint starts at random"

# USR1 to the launcher: one checkpoint, exit code 85, and the same end
long=(train.epochs=60 model.path=tiny.h5)
expect_exit 0 train 2 long "${long[@]}"
"${launch[@]}" -n 2 "$TEMPER" train recipe.yaml output.folder=runs/asked \
    "${long[@]}" >asked.out 2>asked.err &
launcher=$!
for _ in $(seq 100); do
    [ -e runs/asked/metrics.jsonl ] && [ "$(wc -l <runs/asked/metrics.jsonl)" -ge 10 ] && break
    sleep 0.05
done
kill -USR1 $launcher
interrupted $launcher 85 asked.err
[ "$(ls runs/asked/checkpoints | wc -l)" -ge 1 ] || fail "no checkpoint after USR1"
expect_exit 0 train 4 asked "${long[@]}"
same_run long asked

# what may not change is named, all of it, by validate too
expect_exit 0 "$TEMPER" validate recipe.yaml output.folder=runs/whole "${settings[@]}"
expect_text out "resumes from runs/whole/checkpoints/step-0000000008.h5"
for command in "train 1 whole" "$TEMPER validate recipe.yaml output.folder=runs/whole"; do
    # shellcheck disable=SC2086 # the command is words
    expect_exit 2 $command "${settings[@]}" train.learning_rate=2e-2 train.seed=8
    expect_text err "made with train.learning_rate = '0.01' (the recipe says '0.02'), train.seed"
    ! grep -q "resumes from" "$work/out" || fail "and goes on all the same"
    # shellcheck disable=SC2086
    expect_exit 2 $command "${settings[@]}" train.resume=nofile.h5
    expect_text err "train.resume nofile.h5: No such file"
done
cp sms.tsv kept.tsv
tail -n 20 "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >>sms.tsv
expect_exit 2 train 1 whole "${settings[@]}"
expect_text err "other data"
expect_exit 2 "$TEMPER" validate recipe.yaml output.folder=runs/whole "${settings[@]}"
expect_text err "other data"
cp kept.tsv sms.tsv
cp -r wide other
size=$(stat -c %s other/model.safetensors)
printf '\001' | dd of=other/model.safetensors bs=1 seek=$((size - 2)) conv=notrunc status=none
mv wide.h5 kept.h5
expect_exit 0 "$TEMPER" import other -o wide.h5
expect_exit 2 train 1 whole "${settings[@]}"
expect_text err "another model (imported from wide) than wide.h5"
expect_text err "(imported from other)"
mv kept.h5 wide.h5

# metrics.jsonl is cut at the resumed step
expect_exit 0 train 1 torn train.max_steps=3
echo '{"step": 4, "loss": 9' >>runs/torn/metrics.jsonl
expect_exit 0 train 1 torn
[ "$(grep -c '"step": 4,.*grad_norm' runs/torn/metrics.jsonl)" = 1 ] ||
    fail "step 4 is not there once"
! grep -q '"loss": 9' runs/torn/metrics.jsonl || fail "a torn line was kept"

# a finished run goes on in another folder: its checkpoint is written there, what lies there is kept
expect_exit 0 train 1 other "${settings[@]}" train.learning_rate=2e-2
for folder in moved other; do
    expect_exit 0 train 2 $folder "${settings[@]}" "train.resume=$(newest whole)"
    expect_exit 0 "$TEMPER" compare "$(newest whole)" "$(newest $folder)"
    expect_text out "equal"
done
[ "$(ls runs/moved/checkpoints)" = step-0000000008.h5 ] || fail "$(ls runs/moved/checkpoints)"
[ -e runs/other/checkpoints/step-0000000008.h5.old ] || fail "another run's checkpoint is gone"
# from one before the best: what is best is not in that folder
expect_exit 0 train 1 partway "${settings[@]}" train.max_steps=4 \
    "train.resume=runs/cut3/checkpoints/step-0000000006.h5"
expect_exit 0 "$TEMPER" evaluate runs/partway

# without epochs max_steps is the horizon
sed -i 's/epochs: 2/max_steps: 3/' recipe.yaml
expect_exit 0 train 1 horizon
expect_exit 0 train 1 horizon train.max_steps=5
expect_text err "was made with train.max_steps=3, the horizon of its schedule; the recipe says 5"
grep -q "the horizon of its schedule" runs/horizon/run.log || fail "not in run.log"
expect_exit 0 train 1 horizon train.max_steps=5
! grep -q "the horizon of its schedule" "$work/err" || fail "a warning of nothing"
