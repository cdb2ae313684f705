#!/usr/bin/env bash
# TEST labels=cli timeout=60
# One verdict line a check, and what to do where something is not well.
source tests/support/cli.sh
unset OMP_NUM_THREADS
one_cpu="taskset -c $(python3 -c 'import os; print(min(os.sched_getaffinity(0)))')"

# verdict WORD WHAT: that check gave that verdict, with advice unless all is well.
verdict() {
    local line
    line=$(grep -E "^[a-z]+ +$2  " "$work/out")
    [[ $line == "$1 "* ]] || fail "'$2' is not $1: $line"
    if [ "$1" != ok ] && [[ $line != *" -> "* ]]; then fail "no advice: $line"; fi
}

expect_exit 0 ranks 2 "$TEMPER" doctor --folder "$work" --megabytes 3
for check in launcher nodes "HDF5 file"; do verdict ok "$check"; done
expect_text out "2 ranks, all seen by MPI"
grep -qE '^[a-z]+ +sgemm +[1-9][0-9]* GFLOP/s' "$work/out" || fail "no rate of sgemm"
grep -qE '^[a-z]+ +memory +[0-9.]+ GB left on a node' "$work/out" || fail "no memory"
grep -qE '^[a-z]+ +link in a node +[0-9.]+ us, [0-9.]+ GB/s' "$work/out" || fail "no link"
grep -qvE '^(ok|warn|fail) ' "$work/out" && fail "a line without verdict"
compgen -G "$work/temper-doctor*" && fail "a file stayed behind"

# ranks without CPUs of their own, and more threads than CPUs
expect_exit 0 env OMP_NUM_THREADS=3 "${launch[@]}" --bind-to none -n 2 $one_cpu \
    "$TEMPER" doctor --folder "$work" --megabytes 1
verdict warn cpus
verdict warn threads
expect_text out "3 a rank, 5 more than CPUs on a node"
expect_exit 0 env OMP_NUM_THREADS=1 $one_cpu "$TEMPER" doctor --folder "$work" --megabytes 1
verdict ok threads
threads=ok # by default one a CPU, of which a core may have several
siblings=/sys/devices/system/cpu/cpu0/topology/thread_siblings_list
! grep -qs '[,-]' $siblings || threads=warn
if [ "$(nproc)" -gt 1 ]; then
    verdict warn cpus
    expect_exit 0 "$TEMPER" doctor --folder "$work" --megabytes 1
    verdict ok cpus
    expect_text out "$(nproc) a rank"
    expect_exit 0 env OMP_PROC_BIND=true "$TEMPER" doctor --folder "$work" --megabytes 1
    verdict ok cpus
    expect_text out "$(nproc) a rank"
    # ranks that share a mask share its CPUs
    expect_exit 0 ranks 2 --bind-to none "$TEMPER" doctor --folder "$work" --megabytes 1
    verdict $threads threads
    expect_text out "$(($(nproc) / 2)) a rank"
    # hardware threads of one core
    pair=$(python3 -c 'import os; a = os.sched_getaffinity(0)
print(*["%d,%d" % (c, c + 1) for c in a if c % 2 == 0 and c + 1 in a][:1])')
fi
if [ -n "${pair:-}" ]; then
    export TEMPER_FAULT=cores-of-two:-1:0
    expect_exit 0 env OMP_NUM_THREADS=2 taskset -c $pair "$TEMPER" doctor --folder "$work" \
        --megabytes 1
    verdict warn threads
    expect_text out "2 a rank, 1 more than cores on a node"
    expect_exit 0 env OMP_NUM_THREADS=1 taskset -c $pair "$TEMPER" doctor --folder "$work" \
        --megabytes 1
    verdict ok threads
    unset TEMPER_FAULT
fi

# ranks that the launcher deals around nodes
expect_exit 0 env TEMPER_RANKS_PER_NODE=-2 "${launch[@]}" -n 3 "$TEMPER" doctor --folder "$work" \
    --megabytes 1
verdict warn nodes
expect_text out "dealt around them: none shares memory with another"

# the memory of the job, on the rank that has least of it
TEMPER_FAULT=memory-none:1 expect_exit 0 ranks 2 "$TEMPER" doctor --folder "$work" --megabytes 1
verdict warn memory
expect_text out "0.00 GB left on a node"

expect_exit 0 env SLURM_NTASKS=4 "$TEMPER" doctor --folder "$work" --megabytes 1
verdict warn launcher

# a launcher that MPI does not see
expect_exit 2 env SLURM_STEP_NUM_TASKS=4 "$TEMPER" doctor
expect_text err "the launcher started 4 tasks but MPI sees only one"
expect_nothing out

expect_exit 1 ranks 2 "$TEMPER" doctor --folder "$work/none" --megabytes 1
verdict fail "HDF5 file"
expect_nothing err
