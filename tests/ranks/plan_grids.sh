#!/usr/bin/env bash
# TEST labels=train timeout=120
# temper plan says of every grid why it cannot be or does not fit, and the fewest nodes that would
# do, with fewer ranks of more threads on each if need be.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen
plan() {
    "$TEMPER" plan recipe.yaml --gflops 50 --threads 1 "$@"
}
# heads that no number of columns but one divides, so a rank has all of the model
odd=(model.init=random model.hidden_size=448 model.num_attention_heads=7
    model.intermediate_size=1792)

expect_exit 0 plan --ranks-per-node 4 --memory-per-node 8 "${odd[@]}"
expect_text out "1x1x4        cannot be: wide.h5: grid.cols 4 does not divide the model's 7 heads"
expect_text out "take  grid.data=4 "

# gb FIELD of the first grid
gb() {
    awk -v name="$1" '
        $1 == "grid" { for (i = 2; i <= NF; i++) at[$i] = i }
        $1 == "4x1x1" { print $(at[name]); exit }' "$work/out"
}
one=$(gb GB/rank)
tight=$(awk -v x="$one" 'BEGIN { print 2 * x }') # room for one rank, not for four
expect_exit 1 plan --ranks-per-node 4 --memory-per-node "$tight" "${odd[@]}"
grep -q "^4x1x1 .*does not fit: [0-9.]* GB a node too much" "$work/out" || fail "$(cat "$work/out")"
expect_text err "1 node with 1 rank of 4 threads each would do"
expect_exit 0 plan --ranks-per-node 1 --memory-per-node "$tight" "${odd[@]}" # as it said
expect_exit 1 plan --ranks-per-node 4 --memory-per-node 0.001 "${odd[@]}"
expect_text err "nor would one on more nodes"

# no grid at all is no lack of memory
for command in plan "train 6 none"; do
    expect_exit 2 $command $([ "$command" = plan ] && echo --ranks-per-node 6 --memory-per-node 8) \
        grid=auto grid.reproducible=strict train.leaves=2
    expect_text err "6 copies of the model are more than the 2 leaves of a step"
done
expect_exit 2 plan --nodes 10000 --ranks-per-node 128 --memory-per-node 8
expect_text err "copies of the model are more than"

# a model in factors has no strict bits in columns, but without them
expect_exit 0 "$TEMPER" compress wide.h5 --rank 8 -o factors.h5
expect_exit 0 plan --ranks-per-node 2 --memory-per-node 8 grid.reproducible=strict \
    model.path=factors.h5
expect_text out "1x1x2        cannot be: factors.h5: factors have no strict bits"
expect_text out "take  grid.data=2 "

expect_exit 2 plan --network 100Gb/s,infus
expect_text err "'100Gb/s,infus' is not of the form 100Gb/s,2us"
