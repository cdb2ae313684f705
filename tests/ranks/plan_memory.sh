#!/usr/bin/env bash
# TEST labels=train,memory timeout=400
# What temper plan says of memory is within a tenth of what all ranks together have at their peak.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
plan_recipe
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
gpt2=(model.path=gpt2.h5 model.task=causal_lm model.init=random model.hidden_size=512
    model.num_hidden_layers=8 model.num_attention_heads=8 train.batch_size=8)

pair 1x1x1
pair 2x1x1
pair 1x1x2
pair 4x1x1 train.leaves=4
pair 2x1x2
pair 8x1x1 train.leaves=8 train.batch_size=64
pair 2x1x1 train.batch_size=128
pair 2x1x1 output.checkpoint_async=true output.save_steps=2
pair 1x1x1 train.batch_size=128 train.recompute=layer
pair 1x1x2 train.batch_size=128 train.recompute=attention
pair 1x1x2 train.batch_size=128 grid.backend=scalapack
pair 2x1x1 grid.shared_weights=never
pair 1x1x1 "${gpt2[@]}"
pair 2x1x2 "${gpt2[@]}" train.leaves=2
expect_exit 0 "$TEMPER" compress minilm.h5 --rank 96 -o factors.h5
pair 1x1x1 model.path=factors.h5
pair 1x1x1 model.path=factors.h5 train.batch_size=128 train.recompute=attention
pair 1x1x2 model.path=factors.h5 train.batch_size=128

# what does not fit is said before it is tried, with what would
expect_exit 1 "$TEMPER" plan recipe.yaml --ranks-per-node 2 --memory-per-node 0.3
expect_text err "no grid fits into 0.30 GB a node: 2 nodes with 2 ranks of"
expect_exit 1 "$TEMPER" plan recipe.yaml --ranks-per-node 2 --memory-per-node 0.01
expect_text err "nor would one on more nodes"
expect_exit 0 "$TEMPER" plan recipe.yaml --nodes 4 --ranks-per-node 1 --network 10Gb/s,5us
expect_text out "take  grid.data="
expect_exit 2 "$TEMPER" plan recipe.yaml --network fast
expect_text err "--network: 'fast' is not of the form 100Gb/s,2us"
TEMPER_FAULT=memory-none:1:0 expect_exit 1 train 2 little
expect_text err "GB more on a node with 2 ranks, which has 0.00 GB left"
