#!/usr/bin/env bash
# TEST labels=train,long timeout=1200
# Valgrind finds nothing in a short run from import to prediction, on 1 and 2 ranks: no use of what
# was never written, no access outside of blocks, no block lost. What MPI does itself is suppressed.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
command -v valgrind >/dev/null || skip "Valgrind is not installed (Debian: valgrind)"
grep -q __asan_init "$TEMPER" && skip "Valgrind does not run a sanitized program"

# Valgrind knows no AVX-512: it hides that from our kernels, and OpenBLAS is told.
export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-Haswell}
watched=(valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
    --keep-debuginfo=yes --num-callers=40 --gen-suppressions=all
    --suppressions="$TEMPER_SOURCE/tests/support/valgrind.supp")
short=(data.max_length=16 train.batch_size=16 train.leaves=2 train.max_steps=2)

# the control: a defect is found beside what is suppressed
for defect in "leak:1,234 bytes in 1 blocks are definitely lost" "overrun:Invalid write of size 1" \
    "unset:Conditional jump or move depends on uninitialised value"; do
    expect_exit 99 ranks 1 "${watched[@]}" "${TEMPER_DEFECTS:?}" "${defect%%:*}"
    expect_text err "${defect#*:}"
done
expect_exit 0 ranks 1 "${watched[@]}" "$TEMPER_DEFECTS" none

head -n 60 sms.tsv >short.tsv && mv short.tsv sms.tsv
expect_exit 0 "${watched[@]}" "$TEMPER" import "$TEMPER_SOURCE/tests/golden/tiny-bert" -o again.h5
for count in 1 2; do
    expect_exit 0 ranks "$count" "${watched[@]}" "$TEMPER" train recipe.yaml \
        "output.folder=runs/ranks-$count" "${short[@]}"
done
same_run ranks-1 ranks-2
expect_exit 0 ranks 2 "${watched[@]}" "$TEMPER" predict runs/ranks-1 --input sms.tsv
