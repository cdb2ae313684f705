#!/usr/bin/env bash
# TEST labels=train,memory timeout=200
# What temper plan says of a linear probe's memory is near what its ranks have at their peak, of its
# seconds what they compute; and what cannot be solved is said before anything is computed.
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

# A step's seconds, at the best rate of sgemm that was seen, are within a factor of 2 of the CPU
# time of the run, as others use the machine too; those of a step of training are not.
plan_recipe
export OMP_NUM_THREADS=1
head -n 301 all.tsv >300.tsv
seconds=(data.path=300.tsv data.split.validation=0 data.split.test=0 data.max_length=32
    train.max_steps=0 train.epochs=1 train.batch_size=16 output.checkpoint_async=false)

# planned_seconds [key=value ...]
planned_seconds() {
    expect_exit 0 "$TEMPER" plan recipe.yaml "${seconds[@]}" --ranks-per-node 1 --threads 1 \
        --memory-per-node 1000 "$@"
    awk '$1 == "1x1x1" { print $11 }' "$work/out"
}

# best_rate: of sgemm, of all so far.
best_rate() {
    local i
    for i in 1 2 3; do
        planned_seconds >/dev/null
        sed -nE 's/.* ([0-9]+) GFLOP.*/\1/p' "$work/out" >>rates
    done
    sort -n rates | tail -n 1
}

# within_twice PLANNED MEASURED
within_twice() {
    awk -v p="$1" -v m="$2" 'BEGIN { exit !(p > 0 && p < 2 * m && m < 2 * p) }'
}

for kind in ridge logistic; do
    probe=(train.method=linear_probe train.probe=$kind)
    for try in 1 2 3; do
        rate=$(best_rate)
        planned=$(planned_seconds --gflops "$rate" "${probe[@]}")
        training=$(planned_seconds --gflops "$rate" train.method=full)
        rm -rf runs/time
        TIMEFORMAT=%U
        measured=$({ time "$TEMPER" train recipe.yaml "${seconds[@]}" "${probe[@]}" \
            output.folder=runs/time >/dev/null 2>time.log; } 2>&1)
        echo "$kind: $planned s planned, $measured measured, $training for a step of training"
        within_twice "$planned" "$measured" && break
    done
    within_twice "$planned" "$measured" || fail "$kind: $planned s planned, $measured measured"
    ! within_twice "$training" "$measured" || fail "$kind: a step of training takes as long"
done
planned_seconds train.method=linear_probe >/dev/null
grep -qE "^1x1x1 +[0-9.]+ +- +[0-9.]+ +[0-9.]+ +- " "$work/out" || fail "gradients of a probe"
expect_text out "features.h5 has the features of this model and these rows"
