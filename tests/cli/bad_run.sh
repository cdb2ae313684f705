#!/usr/bin/env bash
# TEST labels=cli,bad timeout=180
# evaluate, predict, export and inspect of what is no run, and bad texts for a sound one.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"

expect_exit 0 train 1 one train.epochs=1
file=$(newest one)
mkdir -p runs/none/checkpoints plain
echo 'one text' >texts.txt

# the control
expect_failure refused 2 "" predict runs/one --text "a text"

for command in evaluate "predict --text x" "export -o exported"; do
    refused 2 "runs/none: holds no checkpoint; is it the output.folder of a run?" \
        $command runs/none
    refused 2 "nowhere: No such file" $command nowhere
done
for command in evaluate "predict --text x"; do
    [ "$command" = evaluate ] && alone=true || alone=
    refused 1 "tiny.h5: is a model file, a checkpoint file is needed" $command tiny.h5
    refused 1 "texts.txt: not an HDF5 file" $command runs/one --checkpoint texts.txt
    refused 2 "none.h5: No such file" $command runs/one --checkpoint none.h5
    refused 2 "data.max_length 41 exceeds the 40 positions" $command runs/one data.max_length=41
    refused 2 "command line: train.seed: a run that is trained takes data.* and grid.* keys alone" \
        $command runs/one train.seed=1
    refused 2 "command line: unknown key 'data.txt'; did you mean 'data.text'?" $command runs/one \
        data.txt=1
done

# what takes a file takes a run folder for its checkpoint
expect_exit 0 "$TEMPER" inspect runs/one
expect_text out "$file: checkpoint"
expect_exit 0 "$TEMPER" tokenize runs/one texts.txt
mv "$work/out" ids
expect_exit 0 "$TEMPER" tokenize tiny.h5 texts.txt
cmp -s "$work/out" ids || fail "a run has another tokenizer than its model"

expect_exit 1 "$TEMPER" compare tiny.h5 runs/one
expect_text out "a model against a checkpoint: only the models are compared"
expect_text out " more (--all shows them)"
[ "$(wc -l <"$work/out")" = 23 ] || fail "$(wc -l <"$work/out") lines"
expect_exit 1 "$TEMPER" compare --all tiny.h5 runs/one
[ "$(wc -l <"$work/out")" -gt 23 ] || fail "--all shows $(wc -l <"$work/out") lines"

refused 2 "texts.txt: not a folder" export runs/one -o texts.txt

# a damaged or foreign checkpoint
for kind in empty half appended; do
    mkdir -p "runs/$kind/checkpoints"
    cp "$file" "runs/$kind/checkpoints"
    bad=runs/$kind/checkpoints/${file##*/}
    python3 "$TEMPER_SOURCE/tests/support/damage.py" "$kind" "$bad"
    refused 1 "$bad: " predict "runs/$kind" --text x
    alone=true refused 1 "$bad" inspect "$bad"
done
mkdir -p "runs/folder/checkpoints/${file##*/}"
refused 1 "not a regular file" evaluate runs/folder

# the rows stay where training dealt them
for key in split.seed=7 split.test=0.2 split.test=texts.txt label=SMS header=false; do
    alone=true refused 2 "data.$key deals the rows anew (the run was trained with " \
        evaluate runs/one "data.$key"
done
alone=
expect_exit 0 "$TEMPER" evaluate runs/one data.split.seed=0 data.max_length=20
expect_exit 0 "$TEMPER" evaluate runs/one data.split.seed=7 data.path=sms.tsv

# nor does the file change without a word
! grep -q "is not what it was" "$work/err" || fail "warned of nothing: $(cat "$work/err")"
cp sms.tsv kept.tsv
tail -n 5 "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >>sms.tsv
expect_exit 0 ranks 2 "$TEMPER" evaluate runs/one
[ "$(grep -c "^warning: sms.tsv is not what it was when the run was trained" "$work/err")" = 1 ] ||
    fail "no word of other data: $(cat "$work/err")"
mv kept.tsv sms.tsv
expect_exit 0 "$TEMPER" evaluate runs/one
! grep -q "is not what it was" "$work/err" || fail "warned of nothing: $(cat "$work/err")"

# pairs
{ printf 'Label\tSMS\tMore\n'; for i in {1..40}; do
    printf '%d\tnumber %d\tis %d\n' $((i % 2)) "$i" $((i * i)); done; } >pairs.tsv
expect_exit 0 train 1 pairs data.path=pairs.tsv data.text_pair=More
refused 2 "was trained on pairs of texts (data.text_pair=More): give --text-pair too" \
    predict runs/pairs --text "number 3"
refused 2 "texts.txt: a line holds one text, and the model takes two" predict runs/pairs \
    --input texts.txt
refused 2 "--text-pair: the run was trained on single texts" predict runs/one --text a --text-pair b
refused 2 "--text-pair belongs to --text" predict runs/pairs --input pairs.tsv --text-pair b
expect_exit 0 "$TEMPER" predict runs/pairs --text "number 3" --text-pair "is 9" --logits
mv "$work/out" one-pair
expect_exit 0 "$TEMPER" predict runs/pairs --text "number 3" --text-pair "" --logits
! cmp -s "$work/out" one-pair || fail "the second text does not matter"
printf 'SMS\tMore\nnumber 3\tis 9\n' >pair.tsv
expect_exit 0 "$TEMPER" predict runs/pairs --input pair.tsv --logits
cmp -s "$work/out" one-pair || fail "a pair of a file is another than that of the command line"

# texts
refused 2 "predict needs one of --text and --input" predict runs/one
expect_exit 0 "$TEMPER" predict runs/one --text ""
expect_text out '{"label": "'
refused 2 "predict needs one of --text and --input" predict runs/one --text "" --input texts.txt
refused 2 "predict needs one of --text and --input" predict runs/one --text a --input texts.txt
refused 2 "none.txt: No such file" predict runs/one --input none.txt
refused 2 "plain holds no file" predict runs/one --input plain
refused 2 "text: '" predict runs/one --text "$(printf 'x%.0s' {1..70000})"
printf 'SMS,Label\na,ham\n"b,spam\n' >open.csv
refused 1 "open.csv: a quote opened in row 3 is not closed" predict runs/one --input open.csv
printf 'Text,Label\na,ham\n' >other.csv
refused 2 "other.csv: there is no column 'SMS' (data.text)" predict runs/one --input other.csv

# labels of evaluation
refused 2 "data.path none.csv: No such file" evaluate runs/one data.path=none.csv
printf 'SMS,Label\na,ham\nb,spam\nc,span\n' >unseen.csv
refused 1 "unseen.csv: the label 'span' of row 4 is not one of training; did you mean 'spam'?" \
    evaluate runs/one data.path=unseen.csv
printf 'SMS,Label\na,ham\nb\n' >narrow.csv
refused 1 "narrow.csv: row 3 has 1 column where the header has 2" evaluate runs/one \
    data.path=narrow.csv
printf 'SMS,Label\n' >header.csv
refused 1 "header.csv is empty" evaluate runs/one data.path=header.csv
refused 2 "temper: --split: 'tests' is not an allowed value (one of train, validation, test)" \
    evaluate runs/one --split tests
expect_exit 0 train 1 two train.epochs=1 data.split.test=0
refused 2 "has no rows of the split 'test'" evaluate runs/two
