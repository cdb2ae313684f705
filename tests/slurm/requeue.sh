#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# A job of slurm/train.sbatch that is stopped by its time limit, by another job or by hand queues
# itself again and goes on; one that is cancelled is over.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 1
endless
script=$TEMPER_SOURCE/slurm/train.sbatch

# begin NAME [OPTION ...]: $job makes steps.
begin() {
    local name=$1
    shift
    job=$(sbatch --parsable --job-name="$name" "$@" "$script" recipe.yaml \
        "output.folder=runs/$name")
    slurm_await 60 test -s "runs/$name/metrics.jsonl" || fail "$name: $(cat "$name-$job.log")"
}

# went_on NAME COUNT: it was stopped and went on that often, or more.
went_on() {
    [ "$(grep -c "^asked to stop: step [0-9]* is saved" "$1-$job.log")" -ge "$2" ] &&
        [ "$(grep -c "^resumed from" "$1-$job.log")" -ge "$2" ]
}

# restarted NAME COUNT: by and by.
restarted() {
    slurm_await 90 went_on "$@" || fail "$1: no restart $2: $(cat "$1-$job.log")"
}

# went_on_in_time NAME: it stopped by itself, before Slurm asked, and went on.
went_on_in_time() {
    grep -q "^stopping: .* before the job's end, a checkpoint takes " "$1-$job.log" &&
        ! grep -q "^asked to stop" "$1-$job.log" && grep -q "^resumed from" "$1-$job.log"
}

# cancelled NAME: the user ends it: it saves, and never comes back.
cancelled() {
    scancel "$job"
    slurm_await 30 slurm_in "$job" CANCELLED
    sleep 7 # what is queued again may start after 5 s
    slurm_in "$job" CANCELLED || fail "$1 lives on: $(slurm_field "$job" JobState)"
    grep -q "^asked to stop" <(tail -n 15 "$1-$job.log") || fail "$1: $(cat "$1-$job.log")"
    [ ! -e "runs/$1/lock" ] || fail "$1: the lock was left"
    same_as_undisturbed "$1"
}

# the signal comes five minutes before the end of one minute: as soon as Slurm looks
begin limit --time=1
restarted limit 1
cancelled limit
grep -q "^job $job on n1, restarts 1, " "limit-$job.log" || fail "$(cat "limit-$job.log")"

# another job takes the node
begin preempted
expect_exit 0 srun --partition=urgent --exclusive --mpi=none hostname
restarted preempted 1
# to the script, to the ranks, to both
scancel --batch --signal=USR1 "$job"
restarted preempted 2
scancel --signal=TERM "$job"
restarted preempted 3
scancel --full --signal=USR1 "$job"
restarted preempted 4
cancelled preempted

# not for ever
TEMPER_RESTARTS=0 begin limited
scancel --batch --signal=TERM "$job"
slurm_await 60 slurm_in "$job" FAILED || fail "$(slurm_field "$job" JobState)"
[ "$(slurm_field "$job" ExitCode)" = 85:0 ] || fail "exit code $(slurm_field "$job" ExitCode)"
grep -q "^stopped 1 times: not queued again (TEMPER_RESTARTS=0)" "limited-$job.log" ||
    fail "$(cat "limited-$job.log")"

# a file STOP ends the job for good; its end is known, though this Slurm does not tell it
begin file --time=60
touch runs/file/STOP
slurm_await 60 slurm_in "$job" FAILED || fail "$(slurm_field "$job" JobState)"
[ "$(slurm_field "$job" ExitCode)" = 85:0 ] || fail "exit code $(slurm_field "$job" ExitCode)"
grep -q "^stopped by runs/file/STOP: not queued again" "file-$job.log" ||
    fail "$(cat "file-$job.log")"
[ ! -e runs/file/STOP ] || fail "STOP stays"
grep -q "\"job\": \"$job\"" runs/file/state.json || fail "$(cat runs/file/state.json)"

# no signal comes that anybody minds (Slurm may send one a minute early): the deadline counts
begin deadline --time=2 --signal=B:CONT@1
slurm_await 150 went_on_in_time deadline || fail "$(cat "deadline-$job.log")"
scancel "$job" # two minutes of steps are too many to repeat for their bits

# srun returns another code than its ranks: state.json counts
mkdir liar
srun=$(command -v srun)
printf '#!/bin/sh\n%s "$@"\ncode=$?\n[ $code != 85 ] || exit 143\nexit $code\n' "$srun" >liar/srun
chmod +x liar/srun
PATH=$work/liar:$PATH begin liar
scancel --signal=USR1 "$job"
restarted liar 1
scancel "$job"

# the control: a script that does not look whether the job runs revives one that is cancelled
sed 's/ && \[ "$(squeue .*)" = RUNNING \]//' "$script" >blind
script=blind begin blind
expect_failure cancelled blind
scancel "$job"
