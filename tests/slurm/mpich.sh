#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# How a program of MPICH may be started in a job (launchers.sh: of Open MPI): by srun with PMI-2
# or by its mpiexec, on one node and on two. Of the build with MPICH alone.
if [ "${TEMPER_TEST_MPI:-}" != mpich ]; then
    echo "SKIPPED mpich.sh: this build is not of MPICH (./tests/run full makes one)" >&2
    exit 77
fi
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 2
settings=(train.max_steps=2 train.eval_steps=1000)
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/alone "${settings[@]}"

# job FOLDER NODES LAUNCHER...: trains there in a batch script of two tasks.
job() {
    local folder=$1 nodes=$2
    shift 2
    printf '#!/bin/bash\n%s\n' \
        "$* $TEMPER train recipe.yaml output.folder=runs/$folder ${settings[*]}" >script
    sbatch --wait --ntasks=2 --nodes="$nodes" --output="$folder.log" script >"$work/out" \
        2>"$work/err"
    status=$?
}

for nodes in 1 2; do
    for launcher in "srun --mpi=pmi2" "$MPIEXEC"; do
        folder=${launcher##*[=/]}-$nodes
        # shellcheck disable=SC2086 # the launcher is words
        job "$folder" $nodes $launcher
        [ $status = 0 ] || fail "$launcher: exit code $status: $(cat "$folder.log")"
        grep -q "; leaves 16, ranks 2, " "$folder.log" || fail "not 2 ranks: $(cat "$folder.log")"
        same_run alone "$folder"
    done
done
for mpi in pmix none; do
    job $mpi 1 srun --mpi=$mpi
    [ $status != 0 ] && [ ! -e runs/$mpi ] || fail "srun --mpi=$mpi trains: $(cat $mpi.log)"
    grep -q "temper: the launcher started 2 tasks but MPI sees only one" $mpi.log ||
        fail "$(cat $mpi.log)"
done
