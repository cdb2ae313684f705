#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# A job that is killed leaves its lock. The next one, on another node, takes it over at once,
# because Slurm says that the job is gone.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 2
endless

# begin NAME: a job on n1, $job, which makes steps.
begin() {
    srun --nodelist=n1 --job-name="$1" "$TEMPER" train recipe.yaml "output.folder=runs/$1" \
        >"$1.out" 2>"$1.err" </dev/null &
    launcher=$!
    slurm_await 60 test -s "runs/$1/metrics.jsonl" || fail "$1 does not start: $(cat "$1.err")"
    job=$(squeue -h -n "$1" -o %i)
}

# killed NAME: so is the job that began.
killed() {
    scancel --signal=KILL "$job.0" # the job's number alone would ask it to stop first
    wait $launcher && fail "$1 ends well"
    grep -q "^host n1 .* job $job " "runs/$1/lock" || fail "$1: no lock of job $job"
}

# next NAME CODE [OPTION ...]: a job on n2 in the same folder; $seconds is how long it takes.
next() {
    local name=$1 code=$2 begun=$SECONDS
    shift 2
    expect_exit "$code" srun --nodelist=n2 --mpi=pmix --ntasks=2 "$@" "$TEMPER" train recipe.yaml \
        "output.folder=runs/$name" "train.max_steps=$(($(steps "$name") + 3))"
    seconds=$((SECONDS - begun))
}

begin gone
killed gone
next gone 0
! grep -q waiting "$work/err" || fail "waits for a job that is gone: $(cat "$work/err")"
same_as_undisturbed gone

# one that runs is waited for, and refused by name
begin runs
next runs 1
expect_text err "temper: runs/runs is in use by process "
expect_text err " on n1 (job $job)"
[ $seconds -ge 29 ] || fail "refused after $seconds s"
# the same folder, once it is gone
killed runs
next runs 0

# a job that Slurm starts again keeps its number, and is not who held the lock in its life before
cat >twice <<'END'
#!/bin/bash
echo "restarts ${SLURM_RESTART_COUNT:-0}"
srun --nodelist="n$((1 + ${SLURM_RESTART_COUNT:-0}))" --nodes=1 --ntasks=1 "$TEMPER" train \
    recipe.yaml output.folder=runs/twice train.eval_steps=1 && exit
scontrol requeue "$SLURM_JOB_ID"
sleep 60
END
job=$(sbatch --parsable --nodes=2 --requeue --open-mode=append --output=twice.log twice)
slurm_await 60 test -s runs/twice/metrics.jsonl || fail "twice does not start: $(cat twice.log)"
scancel --signal=KILL "$job.0"
slurm_await 40 bash -c 'sed "1,/^restarts 1/d" twice.log | grep -q "^resumed from"' ||
    fail "twice does not go on: $(cat twice.log)"
sed -n '/^restarts 1/,$p' twice.log >life
grep -q "^resumed from" life && ! grep -q waiting life || fail "$(cat life)"
scancel "$job"

# the control: where Slurm does not answer, the word of a killed job counts until it is old
begin mute
killed mute
mkdir mute
printf '#!/bin/sh\necho "slurm_load_jobs error: Unable to contact slurm controller"\nexit 1\n' \
    >mute/squeue
chmod +x mute/squeue
next mute 1 env PATH="$work/mute:$PATH"
[ $seconds -ge 29 ] || fail "took over without Slurm's word after $seconds s"
