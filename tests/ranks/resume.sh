#!/usr/bin/env bash
# TEST labels=train timeout=300
# A run stopped at any step and resumed on another number of ranks ends in the same bits.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(train.eval_steps=2 output.save_steps=2 output.save_total_limit=2)

expect_exit 0 train 1 whole "${settings[@]}"
for stop in 1 2 3 5; do
    expect_exit 0 train 2 "cut$stop" "${settings[@]}" "train.max_steps=$stop"
    expect_exit 0 train 3 "cut$stop" "${settings[@]}"
    expect_text err "resumed from runs/cut$stop/checkpoints/step-000000000$stop.h5"
done
for stop in 1 2 3 5; do same_run whole "cut$stop"; done

# a finished run prints its results again
expect_exit 0 train 2 whole "${settings[@]}"
expect_text out "test (runs/whole"

# USR1 to the launcher: one checkpoint, exit code 85, and the same end
expect_exit 0 train 2 long train.epochs=60
"${MPIEXEC:-mpirun}" --quiet -n 2 "$TEMPER" train recipe.yaml output.folder=runs/asked \
    train.epochs=60 >asked.out 2>asked.err &
launcher=$!
for _ in $(seq 100); do
    [ -e runs/asked/metrics.jsonl ] && [ "$(wc -l <runs/asked/metrics.jsonl)" -ge 10 ] && break
    sleep 0.05
done
kill -USR1 $launcher
wait $launcher
status=$?
[ "$status" = 85 ] || fail "exit code $status after USR1, expected 85: $(tail -n 3 asked.err)"
[ "$(ls runs/asked/checkpoints | wc -l)" -ge 1 ] || fail "no checkpoint after USR1"
expect_exit 0 train 4 asked train.epochs=60
same_run long asked

# what may not change is named
expect_exit 2 train 1 whole "${settings[@]}" train.learning_rate=2e-2
expect_text err "train.learning_rate"
cp sms.tsv kept.tsv
tail -n 20 "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >>sms.tsv
expect_exit 2 train 1 whole "${settings[@]}"
expect_text err "other data"
cp kept.tsv sms.tsv

# metrics.jsonl is cut at the resumed step
expect_exit 0 train 1 torn train.max_steps=3
echo '{"step": 4, "loss": 9' >>runs/torn/metrics.jsonl
expect_exit 0 train 1 torn
[ "$(grep -c '"step": 4,.*grad_norm' runs/torn/metrics.jsonl)" = 1 ] ||
    fail "step 4 is not there once"
! grep -q '"loss": 9' runs/torn/metrics.jsonl || fail "a torn line was kept"
