#!/usr/bin/env bash
# TEST labels=cli,bad timeout=120
# What is wrong with a recipe is said with file, line and the nearest name, exit code 2, before
# anything is written.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"

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
wrong "bad.yaml:4: train.seed: '-1' is not a number in range" "train: {epochs: 1, seed: -1}" "$output"
wrong "train.lr_scheduler_type: 'cosin' is not an allowed value (one of linear, cosine, constant); did you mean 'cosine'?" \
    "train: {epochs: 1, lr_scheduler_type: cosin}" "$output"
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
wrong "train.class_weights: 'even' is not" "train: {epochs: 1, class_weights: even}" "$output"
refused 2 "data.max_length 41 exceeds the 40 positions of the model" train recipe.yaml \
    output.folder=runs/bad data.max_length=41
refused 2 "data.max_length 41 exceeds the 40 positions of the model" validate recipe.yaml \
    data.max_length=41
# each of two faults, once
messages=2 refused 2 "data.max_length 41 exceeds" validate recipe.yaml data.max_length=41 \
    data.path=none.tsv
expect_text err "cannot read none.tsv: No such file"
refused 2 "cannot read none.tsv: No such file" validate recipe.yaml data.path=none.tsv
messages=2 refused 1 "none.h5: No such file" validate recipe.yaml model.path=none.h5 \
    data.path=none.tsv

# every error at once, each with its line
recipe "train: {epoch: 2, dropout: 2," "        batch_size: many}" "$output"
messages=3 refused 2 "bad.yaml:5: train.batch_size: 'many'" train bad.yaml
expect_text err "bad.yaml:4: unknown key 'train.epoch'"
expect_text err "bad.yaml:4: train.dropout: '2'"

# the command line
refused 2 "command line: unknown key 'train.epoch'; did you mean 'train.epochs'?" train recipe.yaml \
    train.epoch=3
refused 2 "command line: train.epochs: 'x' is not a number" train recipe.yaml train.epochs=x

# files
alone=
refused 2 "none.yaml: No such file" train none.yaml
refused 2 "runs-as-file.yaml" train runs-as-file.yaml/x
: >empty.yaml
messages=3 refused 2 "model.path must be given" train empty.yaml
refused 2 "not a regular file" validate .
