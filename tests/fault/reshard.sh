#!/usr/bin/env bash
# TEST labels=train,long timeout=600
# A checkpoint that any number of ranks wrote is read by any other: every tensor, and the end of the
# run, are the same bits.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(train.eval_steps=3 output.save_steps=3)
counts=(1 2 3 4 6 8)

expect_exit 0 train 1 whole "${settings[@]}"
expect_exit 0 train 1 from1 "${settings[@]}" train.max_steps=3
for writers in "${counts[@]}"; do
    [ "$writers" = 1 ] || expect_exit 0 train "$writers" "from$writers" "${settings[@]}" \
        train.max_steps=3
    expect_exit 0 "$TEMPER" compare "$(newest from1)" "$(newest "from$writers")"
    for readers in "${counts[@]}"; do
        name=from$writers-to$readers
        cp -r "runs/from$writers" "runs/$name"
        expect_exit 0 train "$readers" "$name" "${settings[@]}"
        expect_text err "resumed from runs/$name/checkpoints/step-0000000003.h5 (step 3)"
        same_run whole "$name"
        rm -r "runs/$name"
    done
done
