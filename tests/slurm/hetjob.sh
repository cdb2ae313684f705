#!/usr/bin/env bash
# TEST labels=long,train timeout=300
# A heterogeneous job: one MPI job over two groups of nodes that have other numbers of ranks and
# threads, with the bits of a plain one; slurm/train.sbatch refuses to be one.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 3
endless
sed -i 's/leaves: 2/leaves: 6/' recipe.yaml

# begin FOLDER GROUPS: trains in a job of two groups, $job, in the background, until it makes steps.
begin() {
    cat >script <<END
#!/bin/bash
#SBATCH --nodes=1 --ntasks=2 --output=$1.log --open-mode=append
#SBATCH hetjob
#SBATCH --nodes=2 --ntasks=2 --cpus-per-task=2
train="$TEMPER train recipe.yaml output.folder=runs/$1"
srun --mpi=pmix --het-group=0 --cpus-per-task=1 env OMP_NUM_THREADS=1 \$train : \\
    --het-group=1 --cpus-per-task=2 env OMP_NUM_THREADS=2 \$train
echo "srun ends with \$?"
END
    [ "$2" = 2 ] || sed -i '/^srun/,/^ /c srun --mpi=pmix --het-group=0 $train' script
    job=$(sbatch --parsable script)
    slurm_await 60 test -s "runs/$1/metrics.jsonl" || fail "$1: $(cat "$1.log")"
}

# ended FOLDER CODE: so srun said.
ended() {
    slurm_await 60 grep -q "^srun ends with " "$1.log"
    grep -q "^srun ends with $2$" "$1.log" || fail "$1: $(cat "$1.log")"
}

# places FOLDER: what the program says of itself is so.
places() {
    grep -q "; leaves 6, ranks 4, threads a rank 1$" "$1.log" &&
        grep -q "^nodes .*, CPUs of a rank 1 to 2, threads of a rank 1 to 2$" "$1.log" ||
        fail "$1: $(cat "$1.log")"
}

begin both 2
scancel --signal=USR1 "$job"
ended both 85
places both
grep -q "^asked to stop: step " both.log || fail "$(cat both.log)"
[ "$(grep -c "^efficiency: " both.log)" = 1 ] || fail "$(cat both.log)"
same_as_undisturbed both
# goes on from there, and is stopped by a file
slurm_await 60 slurm_idle 3 || fail "$(squeue)"
: >both.log
begin both 2
slurm_await 60 grep -q "^resumed from runs/both/" both.log || fail "$(cat both.log)"
touch runs/both/STOP
ended both 85
same_as_undisturbed both

# the control: a step of the first group alone
slurm_await 60 slurm_idle 3 || fail "$(squeue)"
begin first 1
touch runs/first/STOP
ended first 85
expect_failure places first

# the script would leave all groups but the first idle
slurm_await 60 slurm_idle 3 || fail "$(squeue)"
expect_exit 2 sbatch --wait --output=refused.log --nodes=1 : --nodes=1 \
    "$TEMPER_SOURCE/slurm/train.sbatch" recipe.yaml output.folder=runs/refused
grep -q "^a heterogeneous job: " refused.log || fail "$(cat refused.log)"
[ ! -e runs/refused ] || fail "trains all the same"
