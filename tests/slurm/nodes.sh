#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# A node of a job fails. With --no-kill the job goes on with the others, or is queued again if it
# was the first; without it Slurm queues the job again. The run has the bits of an undisturbed one.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 3
endless
sed -i 's/leaves: 2/leaves: 6/' recipe.yaml
script=$TEMPER_SOURCE/slurm/train.sbatch

# two of them are at one switch
srun --mpi=pmix --nodes=3 --ntasks-per-node=1 "$TEMPER" doctor --folder "$work" --megabytes 1 \
    >doctor.out 2>&1
grep -q "in 2 islands of Slurm's topology" doctor.out || fail "no islands: $(cat doctor.out)"

# begin NAME [OPTION ...]: $job makes steps on three nodes and has a checkpoint.
begin() {
    local name=$1
    shift
    job=$(sbatch --parsable --job-name="$name" --nodes=3 "$@" "$script" recipe.yaml \
        "output.folder=runs/$name" output.save_steps=5)
    log=$name-$job.log
    slurm_await 60 test -s "runs/$name/checkpoints/step-0000000010.h5" || fail "$name: $(cat $log)"
}

# resumed RANKS: with so many.
resumed() {
    sed '1,/^resumed from runs/d' "$log" | grep -q "^steps .*; leaves 6, ranks $1, "
}

# goes_on NAME RANKS: and ends when it is asked to.
goes_on() {
    slurm_await 90 resumed "$2" || fail "$1: not on $2 ranks: $(cat "$log")"
    touch "runs/$1/STOP"
    slurm_await 60 slurm_in "$job" FAILED || fail "$1: $(slurm_field "$job" JobState)"
    [ "$(slurm_field "$job" ExitCode)" = 85:0 ] || fail "exit code $(slurm_field "$job" ExitCode)"
    same_as_undisturbed "$1"
}

begin left --no-kill
slurm_fail_node 2
goes_on left 4
grep -q "^1 of 3 nodes failed: going on with 2" "$log" || fail "$(cat "$log")"
grep -q "^recipe.yaml: nodes 2, ranks 4, threads a rank 1" "$log" || fail "$(cat "$log")"
! grep -q ", restarts 1, " "$log" || fail "queued again: $(cat "$log")"
[ "$(slurm_field "$job" NodeList)" = "n[1,3]" ] || fail "$(slurm_field "$job" NodeList)"

# it comes back, and fails a job without --no-kill, which waits for it
slurm_start_node 2
slurm_await 60 slurm_idle 3 || fail "n2 does not come back: $(sinfo -N)"
begin again
slurm_fail_node 2
scontrol update nodename=n2 state=down reason=test # else Slurm takes half a minute to find out
slurm_await 60 slurm_in "$job" PENDING || fail "again: $(slurm_field "$job" JobState)"
slurm_start_node 2
goes_on again 6
grep -q ", restarts 1, " "$log" || fail "not queued again: $(cat "$log")"
! grep -q "nodes failed" "$log" || fail "$(cat "$log")"

# the first one, on which the script runs: Slurm lets such a job stand with --no-kill
# fail_first NAME: of a job of that name.
fail_first() {
    slurm_await 60 slurm_idle 3 || fail "$1: $(sinfo -N)"
    script=$1 begin "$1" --no-kill
    slurm_fail_node 1
    scontrol update nodename=n1 state=down reason=test
}
sed 's/while sleep 60/while sleep 2/' "$script" >first
cmp -s "$script" first && fail "it looks once a minute"
fail_first first
slurm_await 60 slurm_in "$job" PENDING || fail "first: $(slurm_field "$job" JobState)"
slurm_start_node 1
goes_on first 6
grep -q ", restarts 1, " "$log" || fail "not queued again: $(cat "$log")"
# the control: one that nobody watches
sed '/|| watch_first$/d' first >alone
cmp -s first alone && fail "the control is not one"
fail_first alone
slurm_await 20 slurm_in "$job" PENDING && fail "alone: Slurm itself queues it again"
slurm_in "$job" RUNNING || fail "alone: $(slurm_field "$job" JobState)"
scancel "$job"
slurm_start_node 1

# the control: a script that takes the end of its first step for that of its job
slurm_await 60 slurm_idle 3 || fail "$(sinfo -N)"
sed 's/^    had=\$left$/&; [ -z "${status:-}" ] || break/' "$script" >once
cmp -s "$script" once && fail "the control is not one"
script=once begin once --no-kill
slurm_fail_node 3
scontrol update nodename=n3 state=down reason=test
slurm_await 60 slurm_in "$job" FAILED || fail "once: $(slurm_field "$job" JobState)"
! resumed 4 || fail "once: $(cat "$log")"
