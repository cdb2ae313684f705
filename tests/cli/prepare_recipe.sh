#!/usr/bin/env bash
# TEST labels=cli,data timeout=60
# `temper prepare` says what is in the data set, the same on every rank count, and finds it again.
source tests/support/cli.sh
expect_exit 0 "$TEMPER" import tests/golden/tiny-bert -o "$work/tiny.h5"
cat >"$work/recipe.yaml" <<END
model:  {path: $work/tiny.h5, task: text_classification}
data:   {path: jobs/data/sms-spam.tsv, text: SMS, label: Label, max_length: 40,
         split: {validation: 0.1, test: 0.1}}
train:  {epochs: 1}
output: {folder: $work/runs/sms}
END

expect_exit 0 "$TEMPER" prepare "$work/recipe.yaml"
expect_text out ": 5574 rows, "
expect_text out "  train              4460 rows"
expect_text out "  label 1             747 rows  spam"
cp "$work/out" "$work/said"
set_file=$(compgen -G "$work/runs/prepared-*.h5") || fail "no data set beside the run folder"
mv "$set_file" "$work/one.h5"

expect_exit 0 ranks 3 "$TEMPER" prepare "$work/recipe.yaml"
cmp "$work/said" "$work/out" || fail "three ranks say something else than one"
expect_exit 0 "$TEMPER" compare "$work/one.h5" "$set_file"
expect_exit 0 "$TEMPER" inspect --validate "$set_file"

# found again; another option is another file
stat -c %y "$set_file" >"$work/written"
expect_exit 0 "$TEMPER" prepare "$work/recipe.yaml"
stat -c %y "$set_file" | cmp - "$work/written" || fail "prepared again"
expect_exit 0 "$TEMPER" prepare "$work/recipe.yaml" data.max_length=30
[ "$(compgen -G "$work/runs/prepared-*.h5" | wc -l)" = 2 ] || fail "not a second file"

expect_exit 2 "$TEMPER" prepare "$work/recipe.yaml" data.max_lenght=30 train.seed=one
expect_lines err \
    "temper: command line: unknown key 'data.max_lenght'; did you mean 'data.max_length'?" \
    "temper: command line: train.seed: 'one' is not a whole number (0 to 9e+15)"
expect_exit 2 ranks 2 "$TEMPER" prepare "$work/recipe.yaml" data.label=Labels
expect_text err "Labels"
[ "$(grep -c '^temper:' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
