#!/usr/bin/env bash
# TEST labels=sim timeout=300
# On a simulated cluster the exchange gives the bits of one rank, and hides what it hid before.
source "${TEMPER_SOURCE:?}/tests/support/cli.sh"
simulation=$TEMPER_SOURCE/tests/sim

command -v smpicc >/dev/null && command -v smpirun >/dev/null ||
    skip "SimGrid's smpicc and smpirun are not installed (Debian: libsimgrid-dev)"
"$simulation/build" "$work/sim" || exit 1

# sim KIND NODES ARGUMENT...
sim() {
    "$simulation/run" "$work/sim" "$@"
}

# expect_bits KIND NODES: smpirun leaves with 0 when ranks abort, so only words count.
expect_bits() {
    expect_exit 0 sim "$@" check
    expect_text out "the bits of one rank"
}

for nodes in 3 4 5 6 7 16 1x3 2x2 3x3; do # with x: several ranks on each
    expect_bits fat-tree $nodes
done
expect_bits dragonfly 8
for islands in "4 2" "6 4" "13 5" "16 4" "3x3 2"; do # nodes, and how many of them are an island
    NODES_PER_ISLAND=${islands#* } expect_bits fat-tree "${islands% *}"
done
expect_failure expect_bits fat-tree 32 # more nodes than leaves
expect_exit 2 sim fat-tree 1 nonsense
expect_text err "SHAPE: bert-base"

# value NAME: of the last step.
value() {
    sed -n "s/.* $1=\([0-9.]*\).*/\1/p" "$work/out" | tail -n 1
}

# expect_value NAME LEAST MOST
expect_value() {
    awk -v x="$(value "$1")" -v a="$2" -v b="$3" 'BEGIN { exit !(x != "" && x >= a && x <= b) }' ||
        fail "$1 is '$(value "$1")', not within $2 and $3: $(cat "$work/out" "$work/err")"
}

# 6 flops a token and weight of a product, dense weights there and back: 2 x 86 M x 4 bytes x 3 / 4
expect_exit 0 sim fat-tree 4 bert-base 65536 1 1 0
expect_value compute_s 4 4.8
expect_value received_MB 515 620
expect_value exposed_s 0.003 0.012
expect_failure expect_value exposed_s 0.012 1

# the queues that runs of more nodes have before their links: the same bits, and the same time
MESSAGES_AT_ONCE=1 expect_bits fat-tree 16
for at_once in 0 1; do
    MESSAGES_AT_ONCE=$at_once expect_exit 0 sim fat-tree 16 bert-base 65536 1 1 0
    expect_value step_s 1.1010 1.1035
    expect_value exposed_s 0.0110 0.0130
done

# where links between groups are few, what crosses to a router's nodes crosses once; without that,
# 69 ms show, and where links are not few it costs nothing
NODES_PER_ISLAND=4 expect_exit 0 sim dragonfly 32 bert-base 65536 1 1 0
expect_value exposed_s 0.010 0.025
NODES_PER_ISLAND=16 expect_exit 0 sim fat-tree 32 bert-base 65536 1 1 0
expect_value exposed_s 0.010 0.015

# with two ranks a node, all of which go on while new weights arrive
expect_exit 0 sim fat-tree 4x2 bert-base 65536 1 1 0
expect_value compute_s 4 4.8
expect_value exposed_s 0.003 0.012

# two and two nodes with a model between them: half of the tokens' values eight times a layer and
# three times a leaf, and half of the weights there and back
expect_exit 0 sim fat-tree 4 bert-base 65536 1 2 0
expect_value received_MB 5050 5300
expect_value exposed_s 0.26 0.33
expect_failure expect_value exposed_s 0.35 0.5

# in leaves of which each rank has tiles of its own, the group's messages hide as well
expect_exit 0 sim fat-tree 4 bert-base 65536 1 2 32
expect_value received_MB 5050 5300
expect_value exposed_s 0.01 0.025
