#!/usr/bin/env bash
# TEST labels=train timeout=400
# Compressed models: the same factors on any number of ranks, what their products make, and every
# use of a model on every grid.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"
widen

expect_exit 0 train 1 one
tail -n 9 sms.tsv | cut -f 2 >texts.txt
for count in 1 2 4; do
    expect_exit 0 ranks $count "$TEMPER" compress runs/one --rank 24 -o factors$count.h5
    expect_exit 0 "$TEMPER" compare factors1.h5 factors$count.h5 --tolerance 1e-5
done
for file in factors1.h5 factors4.h5; do
    expect_exit 0 "$TEMPER" inspect $file --validate
    expect_text out "query.weight.left     F32   128 x 24"
    expect_text out "output.dense.weight.right"
done
expect_exit 0 ranks 2 "$TEMPER" compress runs/one --energy 0.5 -o energy.h5
expect_text out "before, validation: loss"
expect_text out "after, validation: loss"
expect_text out "8 of 8 products in factors"
grep -E "before|after" "$work/out" >metrics
expect_exit 0 ranks 2 "$TEMPER" compress runs/one --energy 0.5 -o energy2.h5 grid.cols=2
expect_exit 0 "$TEMPER" compare energy.h5 energy2.h5
expect_exit 0 ranks 1 "$TEMPER" compress runs/one --energy 0.5 -o energy1.h5
[ "$(grep -E "before|after" "$work/out")" = "$(cat metrics)" ] || fail "the metrics differ"
awk '$3 == "x" && !($6 >= 0.5 && $6 < 0.53) { exit 1 }' "$work/out" || fail "not half of all"

# of a strict run on several columns, too, whose factors have no strict bits there
expect_exit 0 on 112 strict grid.reproducible=strict train.max_steps=2
expect_exit 0 ranks 2 "$TEMPER" compress runs/strict --rank 24 -o strict.h5
expect_text out "before, validation: loss"
expect_text out "after, validation: loss"
expect_exit 2 on 112 no grid.reproducible=strict model.path=strict.h5
expect_text err "factors have no strict bits between ranks"

# as FOLDER MODEL [key=value ...]: the model as a run, for its logits.
as() {
    local folder=$1 model=$2
    shift 2
    expect_exit 0 train 1 "$folder" "model.path=$model" train.max_steps=1 train.learning_rate=0 \
        train.weight_decay=0 "$@"
    expect_exit 0 "$TEMPER" predict "runs/$folder" --input texts.txt --logits
    cp "$work/out" "$folder.jsonl"
}

# near A B LIMIT: their logits differ by at most so much, and somewhere.
near() {
    python3 - "$1.jsonl" "$2.jsonl" "$3" <<'END' || fail "logits of $1 and $2 beyond $3"
import json, sys
a, b = ([x for line in open(path) for x in json.loads(line)["logits"]] for path in sys.argv[1:3])
assert len(a) == len(b) == 18
worst = max(abs(x - y) for x, y in zip(a, b))
print("logits differ by", worst)
assert 0 < worst <= float(sys.argv[3])
END
}

# the factors' products are the exported model, and their factors are these
expect_exit 0 "$TEMPER" export factors1.h5 -o exported
expect_text out "8 products that are in factors there are whole here"
expect_exit 0 "$TEMPER" import exported -o whole.h5
expect_exit 0 "$TEMPER" compress whole.h5 --rank 24 -o again.h5
as factors factors1.h5
as whole whole.h5
as again again.h5
near factors whole 1e-5
near factors again 1e-5
expect_exit 0 "$TEMPER" predict runs/one --input texts.txt --logits
cp "$work/out" one.jsonl
expect_failure near factors one 1e-3

# training goes on: the same bits on all replicas, one rank's losses on all grids
small=(model.path=factors1.h5 train.max_steps=3)
expect_exit 0 train 1 small "${small[@]}"
expect_exit 0 train 2 small2 "${small[@]}"
same_run small small2
for recompute in attention layer; do
    expect_exit 0 train 1 $recompute "${small[@]}" train.recompute=$recompute
    same_run small $recompute
done
for grid in 112 122 114; do
    expect_exit 0 on "$grid" "$grid" "${small[@]}"
    close small "$grid"
done
expect_exit 0 on 212 212 "${small[@]}"
same_run 112 212
expect_exit 0 on 112 cut "${small[@]}" train.max_steps=2
expect_exit 0 on 212 cut "${small[@]}"
same_run 112 cut
from=$(newest 122)
for grid in 111 112 114 222; do
    expect_exit 0 on "$grid" "moved$grid" "${small[@]}" \
        "train.resume=$from"
    expect_exit 0 "$TEMPER" compare "$from" "$(newest "moved$grid")"
done
expect_exit 0 ranks 1 "$TEMPER" evaluate runs/112 grid.cols=1
cp "$work/out" metrics
expect_exit 0 ranks 4 "$TEMPER" evaluate runs/112 grid.cols=4
[ "$(head -n 1 metrics)" = "$(head -n 1 "$work/out")" ] || fail "a grid has other metrics"
expect_exit 0 "$TEMPER" plan recipe.yaml "${small[@]}"
expect_exit 0 ranks 2 "$TEMPER" train recipe.yaml output.folder=runs/probe \
    train.method=linear_probe model.path=factors1.h5

# other families: joined and fused products, transposed ones, heads of keys that are few
for family in gpt2 llama qwen2; do
    ask=(--prompt "free entry" --max-tokens 6)
    expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/tests/golden/tiny-$family" -o $family.h5
    expect_exit 0 ranks 2 "$TEMPER" compress $family.h5 --rank 6 -o $family-6.h5
    expect_exit 0 ranks 1 "$TEMPER" generate $family-6.h5 "${ask[@]}"
    cp "$work/out" answer
    expect_exit 0 ranks 2 "$TEMPER" generate $family-6.h5 "${ask[@]}" grid.cols=2
    cmp -s "$work/out" answer || fail "$family: two ranks together say something else"
    expect_exit 0 "$TEMPER" export $family-6.h5 -o $family
    expect_exit 0 "$TEMPER" import $family -o $family-whole.h5
    expect_exit 0 ranks 1 "$TEMPER" generate $family-whole.h5 "${ask[@]}"
    cmp -s "$work/out" answer || fail "$family: exported it says something else"
    expect_exit 0 ranks 1 "$TEMPER" generate $family.h5 "${ask[@]}"
    ! cmp -s "$work/out" answer || fail "$family: compression changes nothing"
done

# a run of a language model, and GGUF
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o bytes.h5 --config-only
expect_exit 0 train 2 causal model.path=bytes.h5 model.task=causal_lm model.init=random \
    model.hidden_size=48 model.num_hidden_layers=2 model.num_attention_heads=4
expect_exit 0 ranks 2 "$TEMPER" compress runs/causal --rank 12 -o causal-12.h5
expect_text out "after, validation: loss"
expect_exit 0 "$TEMPER" export causal-12.h5 -o causal.gguf --format gguf-f32
expect_exit 0 "$TEMPER" import causal.gguf -o causal-whole.h5
for model in causal-12 causal-whole; do
    expect_exit 0 ranks 1 "$TEMPER" generate $model.h5 "${ask[@]}"
    cp "$work/out" $model.jsonl
done
cmp -s causal-12.jsonl causal-whole.jsonl || fail "a GGUF file says something else"

# what cannot be
refused 2 "compress needs one of --rank and --energy, above 0" compress tiny.h5 -o no.h5
refused 2 "compress needs one of --rank and --energy" compress tiny.h5 --rank 3 --energy 0.5 \
    -o no.h5
refused 2 "tiny.h5: a model file has no metrics" compress tiny.h5 --rank 3 -o no.h5 grid.cols=1
refused 2 "--rank" compress tiny.h5 --rank -1 -o no.h5
refused 2 "--energy" compress tiny.h5 --energy 1.5 -o no.h5
refused 2 "nowhere: No such file" compress nowhere --rank 3 -o no.h5
refused 1 "texts.txt: not an HDF5 file" compress texts.txt --rank 3 -o no.h5
refused 2 "none: No such file" compress tiny.h5 --rank 3 -o none/no.h5
refused 2 "texts.txt: is there, and is no sound file of temper's" compress tiny.h5 --rank 3 \
    -o texts.txt
refused 2 "tiny.h5: no product of a layer gets smaller so" compress tiny.h5 --energy 1 -o no.h5
refused 2 "factors1.h5: 8 products are factored already" compress factors1.h5 --rank 3 -o no.h5
