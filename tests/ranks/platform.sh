#!/usr/bin/env bash
# TEST labels=train timeout=120
# Ranks that round differently do not train together, and a run that goes on with other kernels says
# so. Every file says what made it.
source "$TEMPER_SOURCE/tests/support/train.sh"

core() {
    "$@" "$TEMPER" --version | sed -nE 's/^ *blas_core +//p'
}
other=(env OPENBLAS_CORETYPE=Nehalem)
here=$(core)
there=$(core "${other[@]}")
[ "$here" != "$there" ] || skip "this BLAS has one set of kernels, $here"

expect_exit 2 ranks 1 "$TEMPER" train recipe.yaml output.folder=runs/mixed : \
    -n 1 "${other[@]}" "$TEMPER" train recipe.yaml output.folder=runs/mixed
expect_text err "rank 1 has BLAS kernels '$there', rank 0 has '$here'"
expect_text err "OPENBLAS_CORETYPE"
[ ! -e runs/mixed ] || fail "a refused run left a folder"

expect_exit 0 train 1 one train.max_steps=2
expect_exit 0 "${other[@]}" "$TEMPER" train recipe.yaml output.folder=runs/one train.max_steps=4
expect_text err "step-0000000002.h5 was made with BLAS kernels '$here', this is '$there'"
expect_exit 0 "${other[@]}" "$TEMPER" train recipe.yaml output.folder=runs/one train.max_steps=6
! grep -q "was made with" "$work/err" || fail "warned of the same kernels"

# provenance, which compare ignores
OMP_NUM_THREADS=2 expect_exit 0 train 1 two train.max_steps=2
expect_exit 0 train 1 three train.max_steps=2
expect_exit 0 "$TEMPER" compare "$(newest two)" "$(newest three)"
expect_exit 0 "$TEMPER" inspect "$(newest two)" --validate
for fact in "threads +2" "ranks +1" "host +$(hostname)" "blas_core +$here" "kernels +" "commit +" \
    "compiler .*-march=|compiler .*-O" "mpi_library +" "hdf5_library +1" "blas_library +" \
    "data_sha256 +$(sha256sum sms.tsv | cut -c 1-16)" "source_sha256 +[0-9a-f]{16}"; do
    grep -qE "^  ($fact)" "$work/out" || fail "no '$fact' in $(cat "$work/out")"
done
expect_exit 0 "$TEMPER" inspect runs/prepared-*.h5
expect_text out "data_sha256"
for file in runs/prepared-*.h5 tiny.h5; do
    expect_exit 0 "$TEMPER" inspect "$file" --validate
    for fact in "blas_core +" "blas_library +" "kernels +" "commit +"; do
        grep -qE "^  $fact" "$work/out" || fail "no '$fact' in $file: $(cat "$work/out")"
    done
done
for fact in blas_core blas_library kernels commit; do
    grep -q "\"$fact\": \"" runs/two/report.json || fail "no $fact in report.json"
done
head -n 1 runs/two/run.log | grep -qE "commit .*kernels .*BLAS core $here of " ||
    fail "the log begins: $(head -n 2 runs/two/run.log)"
