#!/usr/bin/env bash
# TEST labels=train timeout=200
# Exact linear heads: the same on any number of ranks, from features that are computed once; the
# body stays, and what has no such head is refused.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
probe=(train.method=linear_probe)
# The values of scikit-learn are test_solve's; here a run, from words to metrics.

# no_text out|err TEXT
no_text() {
    ! grep -qF -- "$2" "$work/$1" || fail "'$2' in $1"
}

# same A B: the models, to what sums over ranks may differ by.
same() {
    expect_exit 0 "$TEMPER" compare "$(newest "$1")" "$(newest "$2")" --tolerance 1e-5
}

for kind in ridge logistic; do
    expect_exit 0 train 1 "$kind" "${probe[@]}" train.probe=$kind
    expect_text err "linear probe: $kind"
    for count in 3 4; do
        expect_exit 0 train $count "$kind$count" "${probe[@]}" train.probe=$kind
        same "$kind" "$kind$count"
    done
    [ "$(wc -l <"runs/$kind/metrics.jsonl")" = 2 ] || fail "not one step and one evaluation"
done
expect_exit 1 "$TEMPER" compare "$(newest ridge)" "$(newest logistic)" --tolerance 1e-5
expect_exit 0 train 1 body train.max_steps=1 train.learning_rate=0 # what is not the head
expect_exit 1 "$TEMPER" compare "$(newest ridge)" "$(newest body)"
expect_text out "model/classifier.weight"
no_text out "model/bert"

# loss FOLDER: of the training rows.
loss() {
    sed -nE '1s/.*"loss": ([^,]*),.*/\1/p' "runs/$1/metrics.jsonl"
}
expect_exit 0 train 2 loose "${probe[@]}" train.probe=logistic train.regularization=1e-3
echo "$(loss loose) $(loss logistic)" | awk '{ exit !($1 < 0.8 * $2 && $2 < 0.45) }' ||
    fail "a lower penalty fits no better: $(loss loose), $(loss logistic)"

# once more the same command: nothing is left to do; another penalty: the features stay
before=$(stat -c %i runs/ridge/features.h5)
expect_exit 0 train 2 ridge "${probe[@]}"
no_text err "linear probe"
expect_exit 0 train 2 ridge "${probe[@]}" train.resume=never train.regularization=5
expect_text err "penalty 5"
[ "$(stat -c %i runs/ridge/features.h5)" = "$before" ] || fail "the features were computed anew"
expect_exit 0 train 2 ridge "${probe[@]}" train.resume=never train.seed=8
[ "$(stat -c %i runs/ridge/features.h5)" != "$before" ] || fail "another head has the same features"
expect_exit 0 "$TEMPER" inspect runs/ridge/features.h5 --validate
expect_exit 0 ranks 2 "$TEMPER" evaluate runs/logistic
expect_exit 0 train 4 grid "${probe[@]}" grid.cols=2
expect_text err "linear probe: ridge"

expect_exit 2 train 1 no "${probe[@]}" model.task=masked_lm
expect_text err "model.task: train.method linear_probe is for text_classification"
expect_exit 2 train 2 no "${probe[@]}" train.class_weights=balanced
expect_text err "train.class_weights"
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
expect_exit 2 train 1 no "${probe[@]}" model.path=gpt2.h5 model.init=random
expect_text err "needs a head with a bias, a gpt2 model's has none"
expect_exit 2 "$TEMPER" validate recipe.yaml "${probe[@]}" model.path=gpt2.h5 model.init=random
expect_text err "needs a head with a bias"
