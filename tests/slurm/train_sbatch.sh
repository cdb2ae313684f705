#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# slurm/train.sbatch as it is: min(cores, leaves) ranks, threads for the rest, each rank on CPUs of
# its own, and the bits of a run without Slurm.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 2
script=$TEMPER_SOURCE/slurm/train.sbatch

# The program, which notes where its ranks are.
export PLACES=$work/places PROGRAM=$TEMPER
cat >temper <<'END'
#!/bin/sh
cpus=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)
[ "$1" != train ] ||
    echo "$SLURM_NODEID $OMP_NUM_THREADS $(env -u OMP_NUM_THREADS nproc) $cpus" >>"$PLACES"
exec "$PROGRAM" "$@"
END
chmod +x temper
export PATH=$work:$PATH
unset TEMPER

# batch NAME NODES LEAVES: a job of the script; returns at its end.
batch() {
    rm -f places
    expect_exit 0 sbatch --wait --job-name="$1" --nodes="$2" "$script" recipe.yaml \
        "output.folder=runs/$1" "train.leaves=$3"
    log=$(ls "$1"-*.log)
}

# placed RANKS NODES THREADS: where the ranks were: so many, on so many nodes, each with so many
# threads and as many CPUs, which no other rank of its node has.
placed() {
    [ "$(wc -l <places)" = "$1" ] || fail "$(wc -l <places) ranks, not $1"
    [ "$(cut -d ' ' -f 1 places | sort -u | wc -l)" = "$2" ] || fail "not $2 nodes: $(cat places)"
    [ "$(cut -d ' ' -f 2,3 places | sort -u)" = "$3 $3" ] || fail "not $3 threads: $(cat places)"
    [ -z "$(cut -d ' ' -f 1,4 places | sort | uniq -d)" ] || fail "shared CPUs: $(cat places)"
    grep -q "^recipe.yaml: nodes $2, ranks $1, threads a rank $3$" "$log" || fail "$(cat "$log")"
}

# run NAME NODES LEAVES RANKS NODES THREADS: such a job, and what comes of it.
run() {
    batch "$1" "$2" "$3"
    placed "$4" "$5" "$6"
    grep -q "^test (runs/$1/checkpoints/" "$log" || fail "no results in $(cat "$log")"
    grep -q "; leaves $3, ranks $4, threads a rank $6$" "$log" || fail "not its plan: $(cat "$log")"
    if [ "$5" = 1 ]; then # several virtual nodes have their CPUs in common, and are told as one
        grep -q "^nodes 1, ranks on each $4, CPUs of a rank $6, threads of a rank $6$" "$log" ||
            fail "not where it is: $(cat "$log")"
        ! grep -q "^warning: rank" "$log" || fail "what is wrong? $(cat "$log")"
    fi
    expect_exit 0 "$PROGRAM" train recipe.yaml "output.folder=runs/$1-alone" "train.leaves=$3"
    TEMPER=$PROGRAM same_run "$1-alone" "$1"
}
run one 1 1 1 1 2
run two 1 2 2 1 1
run wide 2 2 2 2 2
run four 2 4 4 2 1

# ranks follow one another on a node where the cluster would deal them
in_runs() {
    ! grep -q "^warning: ranks are dealt around the nodes" "$log" || fail "dealt: $(cat "$log")"
}
export SLURM_DISTRIBUTION=cyclic
run runs 2 4 4 2 1
in_runs
sed 's/ --distribution=block//' "$script" >dealing
script=dealing
run dealing 2 4 4 2 1
expect_failure in_runs
unset SLURM_DISTRIBUTION
script=$TEMPER_SOURCE/slurm/train.sbatch

# what validate finds ends the job at once
expect_exit 2 sbatch --wait --job-name=bad "$script" recipe.yaml train.epoch=3
grep -q "train.epoch" bad-*.log || fail "$(cat bad-*.log)"

# the controls: a script that takes all cores, and one that binds all threads of a rank to one
sed 's/^    local ranks=.*/    local ranks=$most/' "$script" >greedy
sed 's/--cpus-per-task="[^"]*"/--cpus-per-task=1/' "$script" >narrow
script=greedy
expect_failure run greedy 1 1 1 1 2
script=narrow
expect_failure run narrow 1 1 1 1 2
text="rank 0 has 2 threads but may use 1 of the CPUs of n1: give --cpus-per-task to srun"
grep -q "^warning: $text" narrow-*.log || fail "no '$text' in $(cat narrow-*.log)"
