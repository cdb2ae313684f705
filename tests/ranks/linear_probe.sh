#!/usr/bin/env bash
# TEST labels=train timeout=200
# Exact linear heads: the same bits on any number of ranks, from features that are computed once;
# the body stays, and what has no such head is refused.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
probe=(train.method=linear_probe)
# The values of scikit-learn are test_solve's; here a run, from words to metrics.

# loss FOLDER: of the training rows.
loss() {
    sed -nE '1s/.*"loss": ([^,]*),.*/\1/p' "runs/$1/metrics.jsonl"
}

# near FOLDER LOSS: its loss is this one but for rounding.
near() {
    echo "$(loss "$1") $2" |
        awk '{ d = $1 - $2; exit !(NF == 2 && d < 1e-6 * $1 && -d < 1e-6 * $1) }' ||
        fail "$1: the loss is $(loss "$1"), not $2"
}

# evaluated FOLDER: the loss that is logged is that of the model which is kept.
evaluated() {
    expect_exit 0 ranks 1 "$TEMPER" evaluate "runs/$1" --split train --json
    near "$1" "$(sed -nE 's/^\{"rows": [0-9]+, "loss": ([^,]*),.*/\1/p' "$work/out")"
}

for kind in ridge logistic; do
    expect_exit 0 train 1 "$kind" "${probe[@]}" train.probe=$kind
    expect_text err "linear probe: $kind, penalty "
    expect_text err ", leave-one-out "
    expect_text err " (exact)"
    chosen=$(grep -o "linear probe.*" "$work/err")
    no_text err "that were tried"
    for count in 2 3 4; do
        expect_exit 0 train $count "$kind$count" "${probe[@]}" train.probe=$kind
        expect_text err "$chosen"
        same_run "$kind" "$kind$count"
    done
    evaluated "$kind"
    [ "$(wc -l <"runs/$kind/metrics.jsonl")" = 2 ] || fail "not one step and one evaluation"
done
expect_exit 1 "$TEMPER" compare "$(newest ridge)" "$(newest logistic)" --tolerance 1e-5

# rows left out by a step: another loss of the same penalty; exactly: what auto takes
exact=$(sed -E 's/ \(.*//' <<<"$chosen")
penalty=$(sed -nE 's/.* penalty ([^,]*),.*/\1/p' <<<"$chosen")
for count in 1 2; do
    out_by=("${probe[@]}" train.probe=logistic "train.regularization=$penalty" train.resume=never)
    expect_exit 0 train $count out-$count "${out_by[@]}" train.leave_one_out=exact
    expect_text err "$exact (exact)"
    expect_exit 0 train $count out-$count "${out_by[@]}" train.leave_one_out=one_step
    expect_text err " (one step)"
    no_text err "$exact"
done
expect_exit 0 train 1 body train.max_steps=1 train.learning_rate=0 # what is not the head
expect_exit 1 "$TEMPER" compare "$(newest ridge)" "$(newest body)"
expect_text out "model/classifier.weight"
no_text out "model/bert"

for penalty in 1e-3 1; do
    expect_exit 0 train 2 p$penalty "${probe[@]}" train.probe=logistic train.regularization=$penalty
done
echo "$(loss p1e-3) $(loss p1)" | awk '{ exit !($1 < 0.8 * $2 && $2 < 0.45) }' ||
    fail "a lower penalty fits no better: $(loss p1e-3), $(loss p1)"

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

# a penalty at the end of those that were tried: texts that tell the label, and that do not
awk 'BEGIN {
    print "Label\tSMS" >"tell.tsv"; print "Label\tSMS" >"mute.tsv"
    for (i = 0; i < 200; i++) {
        print (i % 2 ? "spam" : "ham") "\t" (i % 2 ? "win a prize" : "see you at home") >"tell.tsv"
        print (i % 2 ? "spam" : "ham") "\t" (i % 4 < 2 ? "win" : "see you at home") >"mute.tsv"
    } }'
all=(data.split.validation=0 data.split.test=0 "${probe[@]}")
for kind in ridge logistic; do
    expect_exit 0 train 1 tell-$kind "${all[@]}" data.path=tell.tsv train.probe=$kind
    expect_text err " that were tried: set train.regularization to a lower one"
    expect_exit 0 train 1 mute-$kind "${all[@]}" data.path=mute.tsv train.probe=$kind
    expect_text err " that were tried: set train.regularization to a greater one"
done
expect_exit 0 train 1 mute-ridge "${all[@]}" data.path=mute.tsv train.resume=never \
    train.regularization=1e-9
no_text err "that were tried" # by whoever chose it

# work that was done: features from the file are none
expect_exit 0 train 1 rate "${all[@]}" data.path=tell.tsv
grep -qE "^step 1/1 .* [1-9][0-9]* GFLOP/s" "$work/err" || fail "no rate: $(cat "$work/err")"
expect_exit 0 train 1 rate "${all[@]}" data.path=tell.tsv train.resume=never
grep -qE "^step 1/1 .* 0 GFLOP/s \(0 % of sgemm\)" "$work/err" || fail "$(cat "$work/err")"

# a step is all rows: what the run ends with takes a part of it
TEMPER_FAULT=infer-slow:-1:0 expect_exit 0 train 1 timed "${probe[@]}" data.split.validation=0 \
    train.batch_size=1 train.max_seconds=10

# nothing of an optimizer is kept, and training does not go on from there but from the model
expect_exit 0 "$TEMPER" inspect "$(newest ridge)" --validate
expect_text out "classifier.weight"
no_text out "exp_avg"
expect_exit 2 train 2 ridge
expect_text err "train.method = 'linear_probe' (the recipe says 'full')"
expect_exit 0 train 2 on "model.path=$(newest ridge)" train.max_steps=2 train.learning_rate=1e-2
tuned=("${probe[@]}" "model.path=$(newest on)" train.resume=never) # of the same import
expect_exit 0 train 2 ridge "${tuned[@]}"
expect_exit 0 train 2 fresh "${tuned[@]}"
[ "$(loss ridge)" = "$(loss fresh)" ] || fail "another model has the same features"
expect_exit 0 train 2 ridge "${probe[@]}" train.resume=never
[ "$(loss ridge)" != "$(loss fresh)" ] || fail "a step of training changed nothing"
expect_exit 0 ranks 2 "$TEMPER" evaluate runs/logistic
expect_exit 0 train 4 grid "${probe[@]}" grid.cols=2
expect_text err "linear probe: ridge"

expect_exit 2 train 1 no "${probe[@]}" model.task=masked_lm
expect_text err "model.task: train.method linear_probe is for text_classification"
expect_exit 2 train 2 no "${probe[@]}" train.class_weights=balanced
expect_text err "train.class_weights"

# heads without a bias: of the last token
for family in gpt2 llama qwen2; do
    expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/tests/golden/tiny-$family" -o $family.h5
    of=(model.path=$family.h5 data.max_length=16 "${probe[@]}")
    for kind in ridge logistic; do
        expect_exit 0 train 1 $family-$kind "${of[@]}" train.probe=$kind
        expect_text err "linear probe: $kind"
        evaluated $family-$kind
    done
    expect_exit 0 train 3 $family-3 "${of[@]}" train.probe=logistic
    same_run $family-logistic $family-3
    expect_exit 0 train 2 $family-grid "${of[@]}" train.probe=logistic grid.cols=2
    near $family-logistic "$(loss $family-grid)"
done
