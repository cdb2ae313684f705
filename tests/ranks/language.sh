#!/usr/bin/env bash
# TEST labels=train timeout=300
# Language models: the same bits on every number of ranks and after a resume, the loss falls, and
# what is learnt of a prompt is its completion alone.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

gpt2=(model.path=gpt2.h5 model.task=causal_lm model.init=random model.hidden_size=48
    model.num_hidden_layers=2 model.num_attention_heads=4)
masked=(model.task=masked_lm train.mlm_probability=0.2)
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
expect_text out "0 parameters in 0 tensors"

# perplexity FOLDER: of the evaluations, a line each.
perplexity() {
    sed -nE 's/.*"perplexity": ([0-9.]+).*/\1/p' "runs/$1/metrics.jsonl"
}

# falls FOLDER: the last perplexity is below the first.
falls() {
    perplexity "$1" |
        awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(NR > 1 && last < first) }' ||
        fail "the perplexity of $1 does not fall: $(perplexity "$1" | tr '\n' ' ')"
}

# equal_bits NAME KEY=VALUE...: on 1, 3, 4 and 8 ranks, on nodes that wait for new weights, with 2
# threads and layers run twice, and resumed.
equal_bits() {
    local name=$1 count
    shift
    expect_exit 0 train 1 "$name" "$@"
    for count in 3 4 8; do
        expect_exit 0 train "$count" "$name$count" "$@"
        same_run "$name" "$name$count"
    done
    TEMPER_FAULT=delivery-late:-1:0 TEMPER_RANKS_PER_NODE=1 expect_exit 0 train 2 "${name}late" "$@"
    same_run "$name" "${name}late"
    OMP_NUM_THREADS=2 expect_exit 0 train 2 "${name}t" "$@" train.recompute=layer
    same_run "$name" "${name}t"
    expect_exit 0 train 2 "${name}cut" "$@" train.max_steps=3
    expect_exit 0 train 5 "${name}cut" "$@"
    same_run "$name" "${name}cut"
    falls "$name"
}
equal_bits causal "${gpt2[@]}" train.batch_size=16 train.epochs=3
equal_bits masked "${masked[@]}"
expect_exit 0 train 2 words "${masked[@]}" train.whole_word_mask=true
falls words
expect_exit 1 "$TEMPER" compare "$(newest masked)" "$(newest words)"

# evaluation is the same on every number of ranks, and on other files
expect_exit 0 ranks 1 "$TEMPER" evaluate runs/causal --json
cp "$work/out" one.json
expect_exit 0 ranks 3 "$TEMPER" evaluate runs/causal --json
cmp -s "$work/out" one.json || fail "metrics of 1 and 3 ranks differ"
tail -n 30 sms.tsv | cut -f 2 >texts.txt
expect_exit 0 ranks 2 "$TEMPER" evaluate runs/causal data.path=texts.txt --json
expect_text out '"perplexity"'

# the loss of each text: a line each, in sum what evaluation gives of them
printf 'long %.0s' {1..60} | cat - texts.txt >longer.txt
expect_exit 0 ranks 1 "$TEMPER" predict runs/causal --input longer.txt
cp "$work/out" scores
[ "$(wc -l <scores)" = "$(wc -l <longer.txt)" ] || fail "not one line a text"
expect_exit 0 ranks 3 "$TEMPER" predict runs/causal --input longer.txt
cmp -s "$work/out" scores || fail "scores of 1 and 3 ranks differ"
expect_exit 0 "$TEMPER" evaluate runs/causal data.path=longer.txt data.join=false --json
python3 - scores "$work/out" <<'EOF' || fail "the losses of texts are not those of evaluate"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
whole = json.load(open(sys.argv[2]))
targets = sum(row["targets"] for row in rows)
loss = sum(row["loss"] * row["targets"] for row in rows) / targets
assert targets == whole["targets"] and abs(loss - whole["loss"]) < 1e-9 * loss, (targets, loss)
EOF
expect_exit 2 "$TEMPER" predict runs/causal --text hello
expect_text err "it has no labels"
expect_exit 2 "$TEMPER" predict runs/masked --input texts.txt
expect_text err "model.task masked_lm predicts nothing"

# prompts with completions: labels that no text tells are learnt up to their frequency alone
pairs=(data.prompt=SMS data.completion=Label data.chat_template=chatml data.max_length=128)
equal_bits pairs "${gpt2[@]}" "${pairs[@]}" train.epochs=4
expect_exit 0 ranks 1 "$TEMPER" inspect "$(ls -t runs/prepared-*.h5 | head -n 1)"
expect_text out "wanted"
targets=$(sed -nE 's/.*"targets": ([0-9]+).*/\1/p' <("$TEMPER" evaluate runs/pairs --json))
rows=$(sed -nE 's/.*"rows": ([0-9]+).*/\1/p' <("$TEMPER" evaluate runs/pairs --json))
[ "$targets" -gt "$rows" ] && [ "$targets" -lt $((20 * rows)) ] ||
    fail "$targets targets in $rows rows: are the prompts learnt too?"

expect_exit 0 "$TEMPER" predict runs/pairs --input sms.tsv
first=$(head -n 1 "$work/out" | sed -E 's/.*"targets": ([0-9]+).*/\1/')
[ "$first" -gt 0 ] && [ "$first" -lt 9 ] || fail "$first targets: is the prompt scored too?"

# texts that go on, in order, on any number of ranks
head -n 20 sms.tsv | tail -n 19 | cut -f 2 | cut -c 1-20 >prompts.txt
for options in "--max-tokens 6" "--max-tokens 6 --temperature 1 --top-k 20 --top-p 0.9 --seed 5"; do
    # shellcheck disable=SC2086 # the options are words
    expect_exit 0 ranks 1 "$TEMPER" generate runs/causal --input prompts.txt $options
    cp "$work/out" written
    [ "$(wc -l <written)" = 19 ] || fail "not one line a prompt"
    for count in 2 3 5; do
        # shellcheck disable=SC2086
        expect_exit 0 ranks "$count" "$TEMPER" generate runs/causal --input prompts.txt $options
        cmp -s "$work/out" written || fail "texts of $count ranks differ ($options)"
    done
done
expect_exit 0 "$TEMPER" generate runs/causal --input prompts.txt --max-tokens 6 \
    --temperature 1 --seed 6
cmp -s "$work/out" written && fail "another seed writes the same texts"

# what the exported folder holds is what was trained
expect_exit 0 "$TEMPER" export runs/causal -o exported
expect_exit 0 "$TEMPER" import exported -o again.h5
expect_exit 0 "$TEMPER" compare again.h5 "$(newest causal)"
