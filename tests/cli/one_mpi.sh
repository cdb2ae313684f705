#!/usr/bin/env bash
# TEST labels=cli,comm timeout=60
# The program and its libraries are of one MPI, which it names; tasks that this MPI does not see are
# refused (tests/packaging/two_mpis.sh: with another MPI).
source tests/support/cli.sh
source tests/support/mpis.sh

of_one_mpi
expect_exit 0 "$TEMPER" --version
grep -qE '^  mpi +(Open MPI v|MPICH Version: |.*MPI.* )[0-9]' "$work/out" ||
    fail "$(grep mpi "$work/out")"

# of a launcher whose variables this MPI does not read
[ "$mpi" = mpich ] && hidden=OMPI_COMM_WORLD_SIZE || hidden=PMI_SIZE
expect_exit 2 env $hidden=2 "$TEMPER" doctor
expect_text err "the launcher started 2 tasks but MPI sees only one"
expect_exit 0 env $hidden=1 "$TEMPER" doctor --folder "$work" --megabytes 1
