#!/usr/bin/env bash
# TEST labels=train timeout=200
# MiniLM between several ranks: the loss of one rank within 1e-6, whoever makes the products; the
# bits of one, if they are strict.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
[ -d "${TEMPER_MODELS:-}/minilm-l6" ] || skip "no folder minilm-l6 in TEMPER_MODELS"

expect_exit 0 "$TEMPER" import "$TEMPER_MODELS/minilm-l6" -o minilm.h5
minilm=(model.path=minilm.h5 train.max_steps=2 train.learning_rate=5e-5 data.max_length=64)
expect_exit 0 train 1 one "${minilm[@]}"
for backend in native scalapack; do
    for grid in 112 113 212 122; do
        expect_exit 0 on "$grid" "$backend$grid" "${minilm[@]}" "grid.backend=$backend"
        close one "$backend$grid"
    done
done
strict=grid.reproducible=strict
expect_exit 0 train 1 strict "${minilm[@]}" $strict
for grid in 113 124; do
    expect_exit 0 on "$grid" "strict$grid" "${minilm[@]}" $strict
    same_run strict "strict$grid"
done
