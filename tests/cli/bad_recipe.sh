#!/usr/bin/env bash
# TEST labels=cli,bad timeout=120
# What is wrong with a recipe is said with file, line and the nearest name, exit code 2, before
# anything is written.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"

for _ in $(seq 30); do cat sms.tsv; done >many.tsv

# recipe LINE...: bad.yaml with these lines after the model's and the data's.
recipe() {
    head -n 3 recipe.yaml >bad.yaml
    printf '%s\n' "$@" >>bad.yaml
}

# wrong TEXT LINE...: the recipe with these lines is refused by train and validate.
wrong() {
    local text=$1
    shift
    recipe "$@"
    refused 2 "$text" train bad.yaml
    alone=true refused 2 "$text" validate bad.yaml
}
output="output: {folder: runs/bad}"

# the control: the same recipe without the error is sound
recipe "train: {epochs: 1, batch_size: 48}" "$output"
expect_exit 0 "$TEMPER" validate bad.yaml
expect_failure refused 2 "unknown key" validate bad.yaml
rm -rf runs

wrong "bad.yaml:4: unknown key 'train.epoch'; did you mean 'train.epochs'?" \
    "train: {epoch: 2}" "train.epochs: 1" "$output"
wrong "bad.yaml:4: unknown key 'trane.epochs'; did you mean 'train.epochs'?" \
    "trane: {epochs: 2}" "train.epochs: 1" "$output"
wrong "bad.yaml:5: train.epochs: 'two' is not a number" "train:" "  epochs: two" "$output"
alone=true
wrong "bad.yaml:4: train.batch_size: '1.5' is not a whole number (1 to 1e+07)" \
    "train: {epochs: 1, batch_size: 1.5}" "$output"
wrong "bad.yaml:4: train.batch_size: '1e300' is not a whole number" \
    "train: {epochs: 1, batch_size: 1e300}" "$output"
wrong "bad.yaml:4: train.shuffle: 'perhaps' is not true or false" \
    "train: {epochs: 1, shuffle: perhaps}" "$output"
wrong "bad.yaml:4: train.dropout: '1.5' is not a number in range (0 to 0.9)" \
    "train: {epochs: 1, dropout: 1.5}" "$output"
wrong "bad.yaml:4: train.learning_rate: 'nan' is not a number" \
    "train: {epochs: 1, learning_rate: nan}" "$output"
wrong "bad.yaml:4: train.seed: '-1' is not a number in range" "train: {epochs: 1, seed: -1}" \
    "$output"
wrong "train.lr_scheduler_type: 'cosin' is not an allowed value (one of linear, cosine, constant)" \
    "train: {epochs: 1, lr_scheduler_type: cosin}" "$output"
expect_text err "; did you mean 'cosine'?"
wrong "bad.yaml:4: train.metric_for_best_model: 'f1' is not an allowed value (one of loss, " \
    "train: {epochs: 1, metric_for_best_model: f1}" "$output"
wrong "bad.yaml: one of train.epochs and train.max_steps must be given" "train: {}" "$output"
wrong "output.folder must be given" "train: {epochs: 1}"
wrong "bad.yaml:5: 'train.epochs' is given twice, first at bad.yaml:4" \
    "train: {epochs: 1}" "train.epochs: 2" "$output"
wrong "bad.yaml:5: did not find expected ',' or '}'" "train: {epochs: 1" "$output"
wrong "bad.yaml:4: the file must be" "---" "- a" "- list"
wrong "bad.yaml:5: a key must be a name" "train:" "  {a: 1}: 2" "$output"
wrong "bad.yaml:4: aliases are not supported" "train: *all" "$output"
wrong "bad.yaml:4: " $'train: {epochs: 1, resume: "\xff"}' "$output"
wrong "is not short enough" "train: {epochs: 1}" "output: {folder: $(printf 'x%.0s' {1..1100})}"
# what only data and model can tell
mkdir -p runs/bad # a run's folder may be left empty
wrong "train.class_weights: '[1, 2, 3]' is not 'balanced' or a list of 2 weights by label id" \
    "train: {epochs: 1, class_weights: [1, 2, 3]}" "$output"
for weights in "[1, nan]" "[inf, 1]" "[-1, 2]" "[0, 0]" "1, 2]" "[1, 2" "[1, 2] x" "[1 2]" "[]"; do
    wrong "train.class_weights: '$weights' is not 'balanced' or a list" \
        "train: {epochs: 1, class_weights: '$weights'}" "$output"
done
wrong "train.class_weights: 'even' is not" "train: {epochs: 1, class_weights: even}" "$output"
refused 2 "data.max_length 41 exceeds the 40 positions of the model" train recipe.yaml \
    output.folder=runs/bad data.max_length=41
refused 2 "data.max_length 41 exceeds the 40 positions of the model" validate recipe.yaml \
    data.max_length=41
# each of two faults, once
messages=2 refused 2 "data.max_length 41 exceeds" validate recipe.yaml data.max_length=41 \
    data.path=none.tsv
expect_text err "data.path none.tsv: No such file"
refused 2 "data.path none.tsv: No such file" validate recipe.yaml data.path=none.tsv
messages=2 refused 2 "model.path none.h5: No such file" validate recipe.yaml model.path=none.h5 \
    data.path=none.tsv

# every error at once, each with its line
recipe "train: {epoch: 2, dropout: 2," "        batch_size: many}" "$output"
messages=3 refused 2 "bad.yaml:5: train.batch_size: 'many'" train bad.yaml
expect_text err "bad.yaml:4: unknown key 'train.epoch'"
expect_text err "bad.yaml:4: train.dropout: '2'"

# what a recipe with errors names is looked for too
head -n 3 recipe.yaml | sed 's/tiny.h5/none.h5/; s/sms.tsv/none.tsv/' >bad.yaml
printf '%s\n' "train: {epoch: 2, epochs: 1}" "output: {folder: sms.tsv/x}" >>bad.yaml
messages=4 refused 2 "bad.yaml:4: unknown key 'train.epoch'" validate bad.yaml
expect_text err "output.folder sms.tsv: not a folder"
expect_text err "model.path none.h5: No such file"
expect_text err "data.path none.tsv: No such file"

# every stage is looked at, whatever the ones before it say
echo >runs-file
messages=5 refused 2 "there is no column 'nope' (data.text)" validate recipe.yaml data.text=nope \
    data.label=nolabel "train.class_weights=[1, 2, 3]" train.resume=nofile output.folder=runs-file
expect_text err "there is no column 'nolabel' (data.label)"
expect_text err "train.class_weights: '[1, 2, 3]' cannot be compared with the labels"
expect_text err "train.resume nofile: No such file"
expect_text err "output.folder runs-file: not a folder"
rm runs-file
messages=2 refused 2 "data.quote: 'abc' is not one character" validate recipe.yaml data.quote=abc \
    data.header=perhaps
expect_text err "data.header: 'perhaps' is not true, false or auto"
messages=2 refused 2 "data.split.validation none-v.tsv: No such file" validate recipe.yaml \
    data.split.validation=none-v.tsv data.split.test=none-t.tsv
expect_text err "data.split.test none-t.tsv: No such file"
messages=2 refused 2 "model.path none.h5: No such file" validate recipe.yaml model.path=none.h5 \
    data.text=Smss
expect_text err "there is no column 'Smss' (data.text)"
recipe "train: {epochs: 1, epoch: 2}" "train.epochs: 2" "$output"
messages=2 refused 2 "'train.epochs' is given twice" validate bad.yaml
expect_text err "unknown key 'train.epoch'"

# what will not fit
expect_exit 0 "$TEMPER" validate recipe.yaml
! grep "^warning: .* GB" "$work/err" || fail "warned of what fits"
TEMPER_FAULT=disk-none expect_exit 0 "$TEMPER" validate recipe.yaml output.save_total_limit=1000000
expect_text err "warning: output.folder runs/one: 1000002 checkpoints take 274."
TEMPER_FAULT=memory-none expect_exit 0 "$TEMPER" validate recipe.yaml
grep -qE "^warning: 1 rank on one node: about [0-9.]+ GB, this node has 0.00 GB" "$work/err" ||
    fail "no word of the memory"
[ "$(grep -c "^warning: .* GB" "$work/err")" = 1 ] || fail "not one warning: $(cat "$work/err")"

# what holds no more than it says
for command in validate "train"; do
    rm -rf runs/long
    expect_exit 0 "$TEMPER" $command recipe.yaml output.folder=runs/long train.batch_tokens=20 \
        train.max_steps=1 train.metric_for_best_model=accuracy data.split.validation=0
    grep -qE "^warning: train.batch_tokens=20: [0-9]+ training rows are longer, up to 32 tokens" \
        "$work/err" || fail "no word of long rows: $(cat "$work/err")"
    expect_text err "train.batch_size and train.batch_tokens are both given: batch_tokens holds"
    expect_text err "train.metric_for_best_model=accuracy decides nothing: sms.tsv has no"
done
expect_exit 0 "$TEMPER" validate recipe.yaml train.batch_tokens=32
! grep -q "longer\|decides nothing" "$work/err" || fail "warned of nothing: $(cat "$work/err")"
expect_exit 0 "$TEMPER" validate recipe.yaml train.batch_tokens=0
! grep -q "both given" "$work/err" || fail "warned of nothing: $(cat "$work/err")"
rm -rf runs/long

# a step of rows of weight 0 alone is a step
expect_exit 0 train 1 zero train.batch_size=1 train.max_steps=8 "train.class_weights=[0, 1]"
grep -q '"loss": 0,' runs/zero/metrics.jsonl || fail "no row of weight 0"
! grep -qi nan runs/zero/metrics.jsonl || fail "$(cat runs/zero/metrics.jsonl)"
rm -rf runs/zero

# what YAML takes for something else comes back from the run folder
cp sms.tsv 'odd #"[*.tsv'
expect_exit 0 train 1 odd train.max_steps=1 'data.path=odd #"[*.tsv'
expect_exit 0 "$TEMPER" validate runs/odd/recipe.yaml
expect_exit 0 train 1 odd train.max_steps=2 'data.path=odd #"[*.tsv'
refused 2 "command line: data.path: the value is not UTF-8" train recipe.yaml $'data.path=\xff'
rm -rf runs/odd 'odd #"[*.tsv'

# the command line
refused 2 "command line: unknown key 'train.epoch'; did you mean 'train.epochs'?" \
    train recipe.yaml train.epoch=3
refused 2 "command line: train.epochs: 'x' is not a number" train recipe.yaml train.epochs=x

refused 2 "output.folder must be given: the run folder" train recipe.yaml output.folder=
refused 2 "model.path must be given" validate recipe.yaml model.path=

# files
alone=
refused 2 "none.yaml: No such file" train none.yaml
refused 2 "runs-as-file.yaml" train runs-as-file.yaml/x
: >empty.yaml
messages=3 refused 2 "model.path must be given" train empty.yaml
refused 2 "not a regular file" validate .

# what only the data tell
alone=true
for command in train validate; do
    refused 2 "train.early_stopping_patience: sms.tsv has no validation rows" $command recipe.yaml \
        train.early_stopping_patience=2 data.split.validation=0 output.folder=runs/bad
    refused 2 "steps, more than the 4294967296 that can be" $command recipe.yaml \
        data.path=many.tsv train.epochs=1e6 train.batch_size=1 output.folder=runs/bad
done
alone=
