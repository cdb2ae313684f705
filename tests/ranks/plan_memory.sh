#!/usr/bin/env bash
# TEST labels=train,memory timeout=400
# What temper plan says of memory is within a tenth of what all ranks together have at their peak,
# on grids of all kinds.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
plan_recipe

pair 1x1x1
pair 2x1x1
pair 1x1x2
pair 4x1x1 train.leaves=4
pair 2x1x2
pair 8x1x1 train.leaves=8 train.batch_size=64
pair 2x1x1 train.batch_size=128
pair 2x1x1 output.checkpoint_async=true output.save_steps=2 train.max_steps=3
pair 2x1x1 grid.shared_weights=never
