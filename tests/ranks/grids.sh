#!/usr/bin/env bash
# TEST labels=train timeout=400
# One training on several process grids: the losses of one rank within 1e-6, the same bits for every
# number of replicas, and checkpoints that move from any grid to any other whole.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen

expect_exit 0 train 1 one
grids=(112 121 122 142 114)
for grid in "${grids[@]}"; do
    expect_exit 0 on "$grid" "$grid"
    close one "$grid"
    [ "$(losses one)" != "$(losses "$grid")" ] || fail "grid $grid has the bits of one rank"
done
for pair in 212:112 312:112 222:122 221:121; do
    grid=${pair%:*}
    expect_exit 0 on "$grid" "$grid"
    same_run "${pair#*:}" "$grid"
done
expect_exit 0 on 212 again train.recompute=layer
same_run 112 again

TEMPER_FAULT=delivery-late:-1:0 TEMPER_RANKS_PER_NODE=1 expect_exit 0 on 312 late
same_run 112 late

# cut in the middle, and gone on with more replicas
expect_exit 0 on 112 cut train.max_steps=3
expect_exit 0 on 212 cut
same_run 112 cut

# a checkpoint that another grid reads and writes is the same
from=$(newest 122)
for grid in 111 211 112 114 142 222; do
    expect_exit 0 on "$grid" "moved$grid" "train.resume=$from"
    expect_exit 0 "$TEMPER" compare "$from" "$(newest "moved$grid")"
    sound "moved$grid"
done
expect_exit 0 on 114 elsewhere "train.resume=$(newest cut)"
expect_exit 0 "$TEMPER" compare "$(newest cut)" "$(newest elsewhere)"

# what is asked of a run on a grid is what one rank says
expect_exit 0 ranks 1 "$TEMPER" evaluate runs/112 --json grid.cols=1
cp "$work/out" metrics
expect_exit 0 ranks 4 "$TEMPER" evaluate runs/112 --json
python3 - metrics "$work/out" <<'EOF' || fail "metrics of one rank and of a grid differ"
import json, sys
one, grid = (json.load(open(path)) for path in sys.argv[1:])
assert one["accuracy"] == grid["accuracy"] and one["rows"] == grid["rows"]
assert 0 < abs(one["loss"] - grid["loss"]) < 1e-5 * one["loss"]
EOF
tail -n 9 sms.tsv | cut -f 2 >texts.txt

# a run's grid, with keys of it, on other ranks
# evaluates RANKS RUN [key=value ...]
evaluates() {
    expect_exit 0 ranks "$1" "$TEMPER" evaluate "runs/$2" "${@:3}"
}
expect_exit 0 train 4 auto grid=auto train.max_steps=1
expect_exit 0 train 4 data grid.data=2 grid.cols=2 train.max_steps=1
evaluates 2 auto grid.cols=2
evaluates 1 auto grid.backend=native
evaluates 1 data grid.backend=native
evaluates 3 data grid.rows=3
evaluates 2 122 grid.reproducible=strict
evaluates 4 122 grid.data=4
expect_exit 0 ranks 3 "$TEMPER" predict runs/122 --input texts.txt grid.rows=3
expect_exit 2 ranks 4 "$TEMPER" evaluate runs/122 grid.data=3
expect_text err "grid: data x rows x cols is 3 x 1 x 1, which is not 4 ranks"
expect_exit 0 ranks 4 "$TEMPER" predict runs/one --input texts.txt grid.cols=2
[ "$(wc -l <"$work/out")" = 9 ] || fail "not one line a text"

# languages: the words are split too
gpt2=(model.path=gpt2.h5 model.task=causal_lm model.init=random model.hidden_size=48
    model.num_hidden_layers=2 model.num_attention_heads=4 train.batch_size=16)
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
expect_exit 0 train 1 causal "${gpt2[@]}"
expect_exit 0 on 122 causal122 "${gpt2[@]}"
close causal causal122
expect_exit 0 on 222 causal222 "${gpt2[@]}"
same_run causal122 causal222
ask=(generate runs/causal --prompt "Free entry" --max-tokens 12)
expect_exit 0 ranks 1 "$TEMPER" "${ask[@]}"
cp "$work/out" answer
expect_exit 0 ranks 4 "$TEMPER" "${ask[@]}" grid.cols=4
cmp -s "$work/out" answer || fail "four ranks together say something else"
expect_exit 0 ranks 4 "$TEMPER" "${ask[@]}" grid.cols=2
cmp -s "$work/out" answer || fail "two pairs of ranks say something else"

# more slices than words
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/tests/golden/tiny-gpt2" -o few.h5
many=("${gpt2[@]}" model.path=few.h5 model.hidden_size=128 model.num_attention_heads=128
    model.intermediate_size=256 train.max_steps=2)
expect_exit 0 train 1 words "${many[@]}"
expect_exit 0 train 1 strictwords "${many[@]}" grid.reproducible=strict
close words strictwords
expect_exit 0 on 122 strictwords122 "${many[@]}" grid.reproducible=strict
same_run strictwords strictwords122

# strict: one training on all of them, and from one to the other in its middle
strict=grid.reproducible=strict
expect_exit 0 train 1 strict $strict
[ "$(losses one)" != "$(losses strict)" ] || fail "strict has the bits of products in one piece"
close one strict
for grid in 112 114 121 122 212 221 222; do
    expect_exit 0 on "$grid" "strict$grid" $strict
    same_run strict "strict$grid"
done
OMP_NUM_THREADS=2 expect_exit 0 on 112 strictthreads $strict
same_run strict strictthreads
expect_exit 0 on 114 strictcut $strict train.max_steps=3
expect_exit 0 on 212 strictcut $strict
same_run strict strictcut
expect_exit 0 train 1 strictcausal "${gpt2[@]}" $strict
for grid in 112 122 114; do
    expect_exit 0 on "$grid" "strictcausal$grid" "${gpt2[@]}" $strict
    same_run strictcausal "strictcausal$grid"
done
expect_exit 2 on 541 no $strict
expect_text err "20 ranks are more than the 16 leaves"

# grids that cannot be
expect_exit 2 train 4 no grid.cols=3
expect_text err "grid: rows x cols is 1 x 3, which does not divide 4 ranks: with so many, \
data x rows x cols can be 4 x 1 x 1, 2 x 1 x 2, 1 x 1 x 4, 2 x 2 x 1, 1 x 2 x 2, 1 x 4 x 1"
expect_exit 2 train 6 no grid.rows=4 # none with three columns or six: four heads
expect_text err "can be 6 x 1 x 1, 3 x 1 x 2, 3 x 2 x 1, 2 x 3 x 1, 1 x 3 x 2, 1 x 6 x 1"
expect_exit 2 train 3 no grid.rows=2 grid.data=2
expect_text err "grid: data x rows x cols is 2 x 2 x 1, which is not 3 ranks"
expect_exit 2 ranks 3 "$TEMPER" evaluate runs/one grid.cols=2
expect_text err "with so many, data x rows x cols can be 3 x 1 x 1, 1 x 3 x 1"
expect_exit 2 train 3 no grid.cols=3
expect_text err "grid.cols 3 does not divide the model's 4 heads"
expect_text err "it can be 1, 2, 4"
expect_exit 2 train 17 no
expect_text err "17 ranks are more than the 16 leaves"
expect_exit 2 "$TEMPER" validate recipe.yaml grid.cols=3
expect_text err "grid.cols 3 does not divide"
