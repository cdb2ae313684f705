#!/usr/bin/env bash
# TEST labels=cli timeout=60
# On a login node MPI_Init fails: only the commands that need MPI do then.
source tests/support/cli.sh
[ "${TEMPER_TEST_MPI:-openmpi}" = openmpi ] || skip "only Open MPI is told to fail by a variable"
export OMPI_MCA_btl=nonexistent OMPI_MCA_pml=ob1

# the control: MPI does fail here, and it is MPI alone that does
expect_exit 1 "$TEMPER" doctor --folder "$work" --megabytes 1
expect_nothing out
expect_exit 0 env -u OMPI_MCA_btl "$TEMPER" doctor --folder "$work" --megabytes 1

expect_exit 0 "$TEMPER" --version
expect_nothing err
expect_text out "commit"
for name in mpi blas_core hdf5 libyaml jansson utf8proc compiler flags kernels; do
    grep -qE "^  $name +[^ ]" "$work/out" || fail "no $name in $(cat "$work/out")"
done
# of a build of what is not committed, its hash too
dirty=$(grep -c -- "^  commit .*-dirty$" "$work/out")
[ "$(grep -cE "^  diff_sha256  [0-9a-f]{64}$" "$work/out")" = "$dirty" ] ||
    fail "commit and diff_sha256 disagree: $(cat "$work/out")"
expect_exit 0 "$TEMPER" --version --json
python3 -c 'import json, sys; facts = json.load(open(sys.argv[1])); assert facts["hdf5"], facts' \
    "$work/out" || fail "no JSON: $(cat "$work/out")"

expect_exit 0 "$TEMPER" --help
expect_exit 0 "$TEMPER" doctor --help
expect_exit 0 "$TEMPER" import tests/golden/tiny-bert -o "$work/tiny.h5"
expect_exit 0 "$TEMPER" inspect "$work/tiny.h5" --validate
expect_exit 0 "$TEMPER" compare "$work/tiny.h5" "$work/tiny.h5"
expect_exit 0 "$TEMPER" export "$work/tiny.h5" -o "$work/exported"
expect_exit 0 "$TEMPER" tokenize "$work/tiny.h5" jobs/data/README.md
expect_nothing err

# under a launcher one rank answers for all
unset OMPI_MCA_btl OMPI_MCA_pml
expect_exit 0 ranks 3 "$TEMPER" --version
[ "$(grep -c '^temper ' "$work/out")" = 1 ] || fail "not once: $(cat "$work/out")"
expect_exit 0 env SLURM_STEP_ID=0 SLURM_PROCID=1 "$TEMPER" --version
expect_nothing out
