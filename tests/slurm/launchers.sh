#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# How the program may be started in a job, and how not: tasks that MPI does not join are refused.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 2
settings=(train.max_steps=2 train.eval_steps=1000)
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/alone "${settings[@]}"

# job FOLDER LAUNCHER...: trains there in a batch script of two tasks.
job() {
    local folder=$1
    shift
    {
        echo '#!/bin/bash'
        echo "$* $TEMPER train recipe.yaml output.folder=runs/$folder ${settings[*]}"
    } >script
    sbatch --wait --ntasks=2 --output="$folder.log" script >"$work/out" 2>"$work/err"
    status=$?
}

# trains FOLDER RANKS: the last job did.
trains() {
    [ $status = 0 ] || fail "$1: exit code $status: $(cat "$1.log")"
    grep -q "; leaves 16, ranks $2, " "$1.log" || fail "not $2 ranks: $(cat "$1.log")"
    same_run alone "$1"
}

# refused FOLDER: the last job was, and left nothing.
refused() {
    [ $status != 0 ] || fail "$1: trains"
    [ ! -e "runs/$1" ] || fail "$1: $(ls "runs/$1")"
}

job pmix srun --mpi=pmix
trains pmix 2
job default srun
trains default 2
job across srun --mpi=pmix --nodes=1 --ntasks=1
trains across 1
job mpirun mpirun
trains mpirun 2
job batch # no launcher: the task of the script is no rank of anything
trains batch 1
job none srun --mpi=none
refused none
job pmi2 srun --mpi=pmi2
refused pmi2
# an MPI that does not see the launcher: every task would be rank 0 of 1
hidden=(env -u SLURM_JOBID -u SLURM_JOB_ID -u SLURM_NODELIST -u SLURM_STEPID -u SLURM_STEP_ID)
job singletons srun --mpi=none "${hidden[@]}" OMPI_MCA_ess_singleton_isolated=1
refused singletons
grep -q "temper: the launcher started 2 tasks but MPI sees only one" singletons.log ||
    fail "$(cat singletons.log)"

# what needs no MPI answers once, however it is started
expect_exit 0 srun --mpi=none --ntasks=2 "$TEMPER" validate recipe.yaml
[ "$(grep -c '^rows 199' "$work/out")" = 1 ] || fail "$(cat "$work/out")"

# the control: without the launcher's word the tasks train, each for itself
job many srun --mpi=none "${hidden[@]}" -u SLURM_STEP_NUM_TASKS -u SLURM_PROCID \
    OMPI_MCA_ess_singleton_isolated=1
expect_failure refused many
