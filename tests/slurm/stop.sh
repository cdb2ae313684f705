#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# Slurm asks a step to stop: one checkpoint, exit code 85, and whoever goes on ends in the bits of a
# run that nobody stopped.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 2
endless

# begin NAME NODES: a job of two ranks in the background, $job, which makes steps.
begin() {
    srun --mpi=pmix --nodes="$2" --ntasks=2 --job-name="$1" "$TEMPER" train recipe.yaml \
        "output.folder=runs/$1" >"$1.out" 2>"$1.err" </dev/null &
    launcher=$!
    slurm_await 60 test -s "runs/$1/metrics.jsonl" || fail "$1 does not start: $(cat "$1.err")"
    job=$(squeue -h -n "$1" -o %i)
}

# ended NAME CODE
ended() {
    local status
    wait $launcher
    status=$?
    [ $status = "$2" ] || fail "$1: exit code $status, expected $2: $(cat "$1.err")"
}

# stopped NAME: it was asked to.
stopped() {
    ended "$1" 85
    [ "$(ls "runs/$1/checkpoints" | wc -l)" = 1 ] || fail "$1: $(ls "runs/$1/checkpoints")"
    [ "$(grep -c '^asked to stop: step [0-9]* is saved' "$1.err")" = 1 ] || fail "$(cat "$1.err")"
    [ ! -e "runs/$1/lock" ] || fail "$1: the lock was left"
    sound "$1"
    saved=$(newest "$1")
}

# goes_on NAME RANKS: three steps more, from the checkpoint $saved if that is set.
goes_on() {
    expect_exit 0 srun --mpi=pmix --ntasks="$2" "$TEMPER" train recipe.yaml \
        "output.folder=runs/$1" "train.max_steps=$(($(steps "$1") + 3))"
    [ -z "$saved" ] || expect_text err "resumed from $saved"
    saved=
    same_as_undisturbed "$1"
}
saved=

for signal in USR1 TERM; do
    begin "one-$signal" 1
    scancel --signal=$signal "$job"
    stopped "one-$signal"
    goes_on "one-$signal" 1
    begin "two-$signal" 2
    scancel --signal=$signal "$job"
    stopped "two-$signal"
    goes_on "two-$signal" 2
done

# srun passes USR1 on
begin srun 1
kill -USR1 $launcher
stopped srun
goes_on srun 1

# but kills its ranks at once when it gets TERM itself
begin terminated 1
kill -TERM $launcher
ended terminated 137
sound terminated
goes_on terminated 1

# one that is cancelled saves too, and is over; with KILL Slurm still asks first
for signal in TERM KILL; do
    begin "cancelled-$signal" 2
    [ $signal = TERM ] && scancel "$job" || scancel --signal=KILL "$job"
    stopped "cancelled-$signal"
done

# the controls: a signal that nobody asks for a stop with, and another seed
begin other 1
scancel --signal=USR2 "$job"
expect_failure stopped other
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/seed train.max_steps=2 train.seed=8
expect_failure same_as_undisturbed seed
