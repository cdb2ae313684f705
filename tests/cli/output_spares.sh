#!/usr/bin/env bash
# TEST labels=cli,train timeout=60
# No command writes its output over what it reads, nor among the files of a run, by links too.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"
expect_exit 0 "$TEMPER" train recipe.yaml train.max_steps=2
ln -s runs/one/checkpoints folder
ln -s ../runs runs/again
newest=$(newest one)
ln -s "$newest" file.h5
find runs/one -type f -exec sha256sum {} + | sort >before

refused 2 "is among the files of the run" compress runs/one --rank 2 -o "$newest"
alone=yes
among="is among the files of the run $PWD/runs/one: choose a name elsewhere"
for output in "$newest" "folder/${newest##*/}" file.h5 "$PWD/runs/again/one/checkpoints/new.h5" \
    runs/one/checkpoints/step-0000009999.h5 runs/one/metrics.h5 runs/one/features.h5; do
    refused 2 "--output $output: $among" compress runs/one --rank 2 -o "$output"
    refused 2 "--output $output: $among" compress "$newest" --rank 2 -o "$output"
    refused 2 "--output $output: $among" import "$TEMPER_SOURCE/tests/golden/tiny-bert" -o "$output"
    refused 2 "--output $output: $among" export runs/one -o "$output" --format gguf-f32
done
refused 2 "--output runs/one/report.html: $among" report runs/one -o runs/one/report.html
ln -s tiny.h5 same.h5
for output in tiny.h5 ./tiny.h5 same.h5; do
    refused 2 "--output $output: is tiny.h5 itself" compress tiny.h5 --rank 2 -o "$output"
    refused 2 "--output $output: is tiny.h5 itself" export tiny.h5 -o "$output" --format gguf-f32
done
find runs/one -type f -exec sha256sum {} + | sort >after
cmp before after || fail "the run is another"
[ -z "$(find . -name '*partial*')" ] || fail "something stayed behind"

# the controls: names of the user's own, in the folder of a run too, and folders that are no run's
mkdir -p elsewhere/checkpoints
for output in small.h5 small.h5 runs/one/small.h5 elsewhere/checkpoints/step-0000009999.h5; do
    expect_exit 0 "$TEMPER" compress runs/one --rank 2 -o "$output"
done
