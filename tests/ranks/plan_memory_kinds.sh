#!/usr/bin/env bash
# TEST labels=train,memory,long timeout=400
# As plan_memory, of what keeps more or less than an encoder that is trained plainly.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
plan_recipe
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
gpt2=(model.path=gpt2.h5 model.task=causal_lm model.init=random model.hidden_size=512
    model.num_hidden_layers=8 model.num_attention_heads=8 train.batch_size=8)
expect_exit 0 "$TEMPER" compress minilm.h5 --rank 96 -o factors.h5

pair 1x1x1 train.batch_size=128 train.recompute=layer
pair 1x1x2 train.batch_size=128 train.recompute=attention
pair 1x1x2 train.batch_size=128 grid.backend=scalapack
pair 1x1x1 "${gpt2[@]}"
pair 2x1x2 "${gpt2[@]}" train.leaves=2
pair 1x1x1 model.path=factors.h5
pair 1x1x1 model.path=factors.h5 train.batch_size=128 train.recompute=attention
pair 1x1x2 model.path=factors.h5 train.batch_size=128
