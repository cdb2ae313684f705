#!/usr/bin/env bash
# TEST labels=train timeout=200
# grid: auto takes the fastest grid that fits, keeps that of the checkpoint it goes on from, writes
# down what it took, and says what would do where nothing fits.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen

# took FOLDER GRID: by its report.
took() {
    grep -q "\"grid\": \"$2\"" "runs/$1/report.json" || fail "$1 is not $2"
}

expect_exit 0 train 2 two
expect_exit 0 train 2 chosen grid=auto
took chosen "2 x 1 x 1"
same_run two chosen
grep -qx 'grid.cols: 1' runs/chosen/recipe.yaml || fail "the recipe kept is not of the grid chosen"
sed '/^grid:/d' recipe.yaml >auto.yaml
echo 'grid: auto' >>auto.yaml
expect_exit 0 ranks 2 "$TEMPER" train auto.yaml output.folder=runs/written
same_run two written

# cut on a grid that it would not choose
expect_exit 0 train 2 whole grid.cols=2
expect_exit 0 train 2 cut grid.cols=2 train.max_steps=3
expect_exit 0 train 4 cut grid=auto
took cut "2 x 1 x 2"
same_run whole cut
expect_exit 0 train 2 anew grid.cols=2 train.max_steps=3
expect_exit 0 train 3 anew grid=auto
took anew "3 x 1 x 1"

TEMPER_FAULT=memory-none:-1:0 expect_exit 1 train 2 none grid=auto
expect_text err "no grid fits into 0.00 GB a node"
expect_exit 2 ranks 1 "$TEMPER" evaluate runs/chosen grid.cols=0
expect_text err "grid: auto is for train"
