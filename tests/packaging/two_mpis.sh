#!/usr/bin/env bash
# TEST labels=long,comm timeout=120
# With Open MPI and MPICH side by side: the other one's launcher is refused, and so is a build that
# would mix them.
source tests/support/cli.sh
source tests/support/mpis.sh

library=$(find /usr/lib -name "libscalapack-$other.so" | head -n 1)
{ [ -n "$library" ] && command -v "mpiexec.$other" && command -v "mpicc.$mpi"; } >/dev/null ||
    skip "Debian's $other is not installed beside $mpi"

# the control of tests/cli/one_mpi.sh
expect_failure of_one_mpi "$library"
expect_exit 2 "mpiexec.$other" -n 2 "$TEMPER" doctor
expect_text err "the launcher started 2 tasks but MPI sees only one"

expect_exit 1 cmake -S . -B "$work/mixed" -D "MPI_C_COMPILER=mpicc.$mpi" \
    -D "ScaLAPACK_LIBRARY=$library"
expect_text err "ScaLAPACK is of $other"
rm -r "$work/mixed"
expect_exit 0 cmake -S . -B "$work/whole" -D "MPI_C_COMPILER=mpicc.$mpi"
