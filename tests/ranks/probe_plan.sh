#!/usr/bin/env bash
# TEST labels=train,memory timeout=200
# What temper plan says of a linear probe's memory is near what its ranks have at their peak, and
# what cannot be solved is said before anything is computed.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
export OMP_NUM_THREADS=1
sed -i 's/, leaves: 16//' recipe.yaml

# labelled LABELS FILE: as many rows of each.
labelled() {
    awk -v labels="$1" 'BEGIN {
        print "Label\tSMS"
        for (i = 0; i < 4 * labels; i++)
            print "label" i % labels "\tword" i * 7919 % 1000 " see you at " i
    }' >"$2"
}
labelled 50 some.tsv
labelled 5000 many.tsv
probe=(train.method=linear_probe train.regularization=1 output.checkpoint_async=false
    data.split.test=0 data.split.validation=0)
logistic=("${probe[@]}" train.probe=logistic data.path=some.tsv)
pair 1x1x1 "${logistic[@]}"
pair 2x1x1 "${logistic[@]}"

cp "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" all.tsv
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o bytes.h5 --config-only
pair 1x1x1 "${probe[@]}" data.path=all.tsv model.path=bytes.h5 model.init=random \
    model.hidden_size=1024 model.num_hidden_layers=1 model.num_attention_heads=16 data.max_length=4

for count in 1 2; do
    expect_exit 1 train $count large "${logistic[@]}" data.path=many.tsv
    expect_text err "linear probe: 5000 labels are 320000 unknowns, and solving for them takes "
    expect_text err "set train.probe=ridge"
    [ ! -e runs/large/features.h5 ] || fail "features were computed all the same"
done
expect_exit 1 "$TEMPER" plan recipe.yaml "${logistic[@]}" data.path=many.tsv --ranks-per-node 2
expect_text out "does not fit"
expect_exit 0 train 2 large "${logistic[@]}" data.path=many.tsv train.probe=ridge
