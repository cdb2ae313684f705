#!/usr/bin/env bash
# TEST labels=cli timeout=60
# temper validate: the ranks that scripts start by what it says, with every kind of grid.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

# says LINE KEY=VALUE...: so it does of the recipe with these keys.
says() {
    expect_exit 0 "$TEMPER" validate recipe.yaml "${@:2}"
    grep -qxF -- "$1" out || fail "no line '$1' with ${*:2}: $(cat out)"
}
says "leaves 16"
says "ranks 16  group 1  cols 1"
says "ranks 8  group 4  cols 2" train.leaves=4 grid.cols=2 grid.rows=2 grid.reproducible=strict
says "ranks 16  group 4  cols 2" train.leaves=4 grid.cols=2 grid.rows=2
says "ranks 6  group 6  cols 2" train.leaves=4 grid.cols=2 grid.data=3
says "ranks 16  group 1  cols 1" train.leaves=4 grid.cols=0
says "ranks 4  group 1  cols 1" train.leaves=4 grid.cols=0 grid.reproducible=strict
sed 's/^train:/grid: auto\n&/' recipe.yaml >auto.yaml
expect_exit 0 "$TEMPER" validate auto.yaml
expect_text out "ranks 64  group 1  cols 1"
expect_failure says "ranks 16  group 1  cols 1" grid.cols=2

expect_exit 2 "$TEMPER" validate recipe.yaml train.leaves=2 grid.data=3
expect_text err "grid: 3 ranks at least, but 2 leaves of a step keep 2 busy: raise train.leaves"
expect_exit 2 "$TEMPER" validate recipe.yaml train.leaves=1 grid.rows=2 grid.reproducible=strict
expect_text err "grid: 2 ranks at least, but 1 leaf of a step keep 1 busy"
expect_exit 2 "$TEMPER" validate recipe.yaml grid.reproducible=strict grid.backend=scalapack
expect_text err "with grid.reproducible=strict it can be native or auto"
expect_exit 2 "$TEMPER" plan recipe.yaml grid.reproducible=strict grid.backend=scalapack
expect_text err "with grid.reproducible=strict it can be native or auto"

# the most that it says is the most that trains
base=(train.max_steps=1 data.split.validation=0)
expect_exit 0 train 2 cols train.leaves=1 grid.cols=2 "${base[@]}"
expect_exit 0 train 2 auto train.leaves=1 grid.cols=0 "${base[@]}"
expect_exit 2 train 4 cols train.leaves=1 grid.cols=2 "${base[@]}"

# the weights stay in their file, which is verified all the same
model=$TEMPER_SOURCE/models/minilm-l6
[ -d "$model" ] || skip "models/minilm-l6 is not there"
expect_exit 0 "$TEMPER" import "$model" -o minilm.h5
weights=$(($(stat -c %s minilm.h5) / 1024))
expect_exit 0 python3 "$TEMPER_SOURCE/tests/support/peak_memory.py" peak.txt \
    "$TEMPER" validate recipe.yaml model.path=minilm.h5
own=$(cat peak.txt)
[ "$own" -gt 1000 ] && [ $((2 * own)) -lt "$weights" ] || fail "$own KiB of $weights"
echo "validate $own KiB, weights $weights KiB"
printf '\377\377\377\377' | dd of=minilm.h5 bs=1 seek=$((weights * 512)) conv=notrunc status=none
expect_exit 1 "$TEMPER" validate recipe.yaml model.path=minilm.h5
expect_text err "is damaged in block"
