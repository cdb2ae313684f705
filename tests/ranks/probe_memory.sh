#!/usr/bin/env bash
# TEST labels=train,memory,long timeout=600
# Linear probes: a rank holds its own rows of the features, one alone all of them (the control).
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
export OMP_NUM_THREADS=1

expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o bytes.h5 --config-only
cp "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" many.tsv
head -n 601 many.tsv >few.tsv
width=1024
options=(train.method=linear_probe model.path=bytes.h5 model.init=random model.hidden_size=$width
    model.num_hidden_layers=1 model.num_attention_heads=16 data.max_length=4 train.batch_size=512)

# peak RANKS FILE: the most KiB that a rank had of its own.
peak() {
    expect_exit 0 python3 "$TEMPER_SOURCE/tests/support/peak_memory.py" peak.txt \
        "${launch[@]}" --oversubscribe -n "$1" "$TEMPER" train recipe.yaml \
        "${options[@]}" "data.path=$2" "output.folder=runs/$1-$2"
    cat peak.txt
}

rows=$(($(wc -l <many.tsv) - $(wc -l <few.tsv)))
features=$((rows * 8 / 10 * width * 4 / 1024)) # of the training rows
for count in 1 4; do
    few=$(peak $count few.tsv)
    many=$(peak $count many.tsv)
    grows=$((many - few))
    echo "$count rank(s): $few KiB, then $many: $grows more for $features of features"
    [ $few -gt 1000 ] || fail "not measured"
    [ $count = 1 ] && at_least=$((features * 8 / 10)) at_most=$((features * 3 / 2))
    [ $count = 4 ] && at_least=-4000 at_most=$((features * 6 / 10))
    [ $grows -ge $at_least ] && [ $grows -le $at_most ] || fail "$count ranks: $grows KiB"
done
