# Sourced by tests of which MPI is in use, after support/cli.sh.
mpi=${TEMPER_TEST_MPI:-openmpi}
[ "$mpi" = mpich ] && other=openmpi || other=mpich

# of_one_mpi [LIBRARY]: all that the program loads, that library first.
of_one_mpi() {
    LD_PRELOAD=${1:-} ldd "$TEMPER" >"$work/libraries"
    [ "$(grep -coE 'lib(mpi|mpich)\.so' "$work/libraries")" = 1 ] ||
        fail "not one MPI: $(grep mpi "$work/libraries")"
    ! grep -qE "[_-]$other\." "$work/libraries" || fail "$other beside $mpi"
}
