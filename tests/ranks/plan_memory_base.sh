#!/usr/bin/env bash
# TEST labels=train,memory,long timeout=900
# As plan_memory, of an encoder as large as BERT-base.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
plan_recipe
base=(model.init=random model.hidden_size=768 model.num_hidden_layers=12
    model.num_attention_heads=12 model.intermediate_size=3072)
pair 1x1x1 "${base[@]}"
pair 2x1x1 "${base[@]}"
pair 1x1x4 "${base[@]}"
pair 1x2x2 "${base[@]}" train.leaves=1 train.recompute=layer
pair 4x1x1 "${base[@]}" train.leaves=4
