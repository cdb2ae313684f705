#!/usr/bin/env bash
# TEST labels=train timeout=300
# Weights, optimizer state, metrics and predictions are the same bits for every number of ranks and
# threads, with dropout on.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

widen
expect_exit 0 train 1 one
cp "$work/out" one.out
[ "$(wc -l <runs/one/metrics.jsonl)" -ge 7 ] || fail "too few steps to tell anything"

for count in 2 3 4 5 8 16; do
    expect_exit 0 train "$count" "ranks$count"
    same_run one "ranks$count"
done
for threads in 2 3; do
    OMP_NUM_THREADS=$threads expect_exit 0 train 2 "threads$threads"
    same_run one "threads$threads"
done

# with one copy of the weights on each of several nodes, with none shared, and where sharing fails
for count in 2 3 5; do
    TEMPER_RANKS_PER_NODE=2 expect_exit 0 train "$count" "nodes$count"
    same_run one "nodes$count"
done
expect_exit 0 train 3 never grid.shared_weights=never
same_run one never
TEMPER_FAULT=share:2:0 TEMPER_RANKS_PER_NODE=2 expect_exit 0 train 4 failing
expect_text err "each keeps its own copy of the weights"
same_run one failing
for nth in 3 4; do # of whatever is shared
    TEMPER_FAULT=share:-1:$nth TEMPER_RANKS_PER_NODE=2 expect_exit 0 train 4 "failing$nth"
    same_run one "failing$nth"
done

# dealt around the nodes, they share nothing, and memory is that of all that are on one
TEMPER_RANKS_PER_NODE=-2 expect_exit 0 train 3 dealt
expect_text err "ranks are dealt around the nodes"
expect_text err "give --distribution=block to srun"
same_run one dealt
TEMPER_RANKS_PER_NODE=-2 TEMPER_FAULT=memory-none:1:0 expect_exit 1 train 5 little
expect_text err "GB more on a node with 2 ranks"
TEMPER_RANKS_PER_NODE=2 TEMPER_FAULT=memory-none:1:0 expect_exit 1 train 5 little
expect_text err "GB more on a node with 2 ranks"
! grep -q "dealt" "$work/err" || fail "runs of ranks are no trouble: $(cat "$work/err")"

# where new weights come from other nodes, and are not there before somebody waits for them
TEMPER_RANKS_PER_NODE=1 expect_exit 0 train 3 nodes
same_run one nodes
TEMPER_FAULT=delivery-late:-1:0 TEMPER_RANKS_PER_NODE=1 expect_exit 0 train 3 late
same_run one late
TEMPER_FAULT=delivery-late:-1:0 TEMPER_RANKS_PER_NODE=2 expect_exit 0 train 5 late2
same_run one late2

# where some nodes reach each other first, as many on each island or not, and not whole subtrees
for islands in "1 4 2" "1 5 3" "2 8 2" "2 7 3" "1 6 4"; do
    read -r on_node count near <<<"$islands"
    name=islands$on_node-$count-$near
    TEMPER_FAULT=delivery-late:-1:0 TEMPER_RANKS_PER_NODE=$on_node expect_exit 0 train "$count" \
        "$name" grid.nodes_per_island="$near"
    expect_text err "islands 2, of"
    same_run one "$name"
done

# where an island has no leaves, but owns what others sum for it
expect_exit 0 train 1 four train.leaves=4
cat >at_switch <<'END'
#!/bin/sh
rank=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}
SLURM_TOPOLOGY_ADDR=core.s$((rank > 0)).n$rank exec "$@"
END
chmod +x at_switch
TEMPER_RANKS_PER_NODE=1 expect_exit 0 ranks 3 ./at_switch "$TEMPER" train recipe.yaml \
    output.folder=runs/idle train.leaves=4
expect_text err "islands 2, of 3 nodes"
same_run four idle

# with layers, or a half of each, run once more on the way back
for what in layer attention; do
    expect_exit 0 train 2 "again-$what" "train.recompute=$what"
    same_run one "again-$what"
done

# the same steps as number series
expect_exit 0 "$TEMPER" inspect runs/one/metrics.h5 --validate
expect_text out "series/grad_norm"
expect_text out "$(grep -c grad_norm runs/one/metrics.jsonl)"

tail -n 40 sms.tsv | cut -f 2 >texts.txt
expect_exit 0 ranks 1 "$TEMPER" predict runs/one --input texts.txt --logits
cp "$work/out" predictions
[ "$(wc -l <predictions)" = 40 ] || fail "not one line a text"
for count in 2 3 4 5 8 16; do
    expect_exit 0 ranks "$count" "$TEMPER" predict runs/ranks3 --input texts.txt --logits
    cmp -s "$work/out" predictions || fail "predictions of $count ranks differ"
done
for threads in 2 3; do
    OMP_NUM_THREADS=$threads expect_exit 0 ranks 2 "$TEMPER" predict runs/ranks3 \
        --input texts.txt --logits
    cmp -s "$work/out" predictions || fail "predictions of $threads threads differ"
done
for count in 2 3; do
    expect_exit 0 ranks "$count" "$TEMPER" evaluate runs/one --json
    [ "$count" = 2 ] && cp "$work/out" metrics
    cmp -s "$work/out" metrics || fail "metrics of $count ranks differ"
done

# the comparison can fail
expect_exit 0 train 1 seed train.seed=8
expect_exit 1 "$TEMPER" compare "$(newest one)" "$(newest seed)"
[ "$(losses one)" != "$(losses seed)" ] || fail "another seed gives the same losses"

expect_exit 2 train 17 many
expect_text err "17 ranks are more than the 16 leaves"
