#!/usr/bin/env bash
# TEST labels=train,memory timeout=100
# What a node cannot hold is refused before there are weights, with what would do; so it is where
# trained weights are read.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
export OMP_NUM_THREADS=1
size=(model.hidden_size=512 model.num_attention_heads=8 model.intermediate_size=2048
    model.num_hidden_layers=6 model.init=random)
once=(train.batch_size=2 train.leaves=2 train.max_steps=1)
weights=$((12 * 512 * 512 * 6 * 4 / 1024))

# peak CODE COMMAND...: the most KiB that all ranks had together.
peak() {
    expect_exit "$1" python3 "$TEMPER_SOURCE/tests/support/peak_memory.py" --all peak.txt "${@:2}"
    cat peak.txt
}

for count in 1 2; do
    run=("${launch[@]}" -n $count "$TEMPER" train recipe.yaml "${size[@]}" "${once[@]}"
        "output.folder=runs/$count" grid.cols=$count)
    refused=$(TEMPER_FAULT=memory-none:-1:0 peak 1 "${run[@]}")
    expect_text err "GB more on a node with $count rank"
    control=$(peak 0 "${run[@]}")
    echo "1 x $count: weights of $weights KiB, refused with $refused, trained with $control"
    [ "$refused" -gt 1000 ] && [ "$refused" -lt $((weights * 8 / 10)) ] ||
        fail "refused with $refused KiB, weights are $weights"
    [ "$control" -gt $((weights * 2)) ] || fail "the control has only $control KiB"
done

# of one rank of two alone, with weights that are read
read_weights=("model.path=$(newest 1)" "${once[@]}" output.folder=runs/read)
refused=$(TEMPER_FAULT=memory-none:1:0 peak 1 "${launch[@]}" -n 2 "$TEMPER" train recipe.yaml \
    "${read_weights[@]}")
expect_text err "GB more on a node with 2 ranks, which has 0.00 GB left"
[ "$refused" -lt $((weights * 8 / 10)) ] || fail "refused with $refused KiB"
refused=$(TEMPER_FAULT=memory-none:1:0 peak 1 "${launch[@]}" -n 2 "$TEMPER" evaluate runs/1)
expect_text err "the weights take 0.08 GB on a node with 2 ranks, which has 0.00 GB left"
[ "$refused" -lt $((weights * 8 / 10)) ] || fail "refused with $refused KiB"
control=$(peak 0 "${launch[@]}" -n 2 "$TEMPER" evaluate runs/1)
[ "$control" -gt $weights ] || fail "the control has only $control KiB"

# before it is tried
sizes=("${size[@]}" "${once[@]}" --ranks-per-node 2)
expect_exit 0 "$TEMPER" plan recipe.yaml "${sizes[@]}" --memory-per-node 1
expect_exit 1 "$TEMPER" plan recipe.yaml "${sizes[@]}" --memory-per-node 0.3
expect_text err "no grid fits into 0.30 GB a node: 2 nodes with 2 ranks"
expect_exit 1 "$TEMPER" plan recipe.yaml --ranks-per-node 2 --memory-per-node 0.01
expect_text err "nor would one on more nodes"
expect_exit 0 "$TEMPER" plan recipe.yaml --nodes 4 --ranks-per-node 1 --network 10Gb/s,5us
expect_text out "take  grid.data="
expect_exit 2 "$TEMPER" plan recipe.yaml --network fast
expect_text err "--network: 'fast' is not of the form 100Gb/s,2us"
