#!/usr/bin/env bash
# TEST labels=train,report timeout=120
# temper report puts runs side by side: what it says of them, and which it does not compare.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

settings=(data.path=many.tsv train.epochs=1 data.split.test=0.4)
head -n 1000 "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >many.tsv
expect_exit 0 train 2 one "${settings[@]}"
expect_exit 0 train 1 two "${settings[@]}" train.seed=8 train.class_weights=balanced
expect_exit 0 "$TEMPER" report runs/one runs/two -o both.html
cp "$work/out" first
expect_text out "both.html"
expect_text out "runs/one: 400 test rows"
expect_exit 0 "$TEMPER" report runs/one runs/two
cmp <(grep -v html first) <(grep -v html "$work/out") || fail "another call draws other rows"
cmp both.html runs.html || fail "two pages of the same runs differ"

# what it says, from the rows themselves
cat >check.py <<'END'
import json, math, re, sys
rows = {}
for run in "runs/one", "runs/two":
    lines = [json.loads(line) for line in open(run + "/test.jsonl")]
    assert lines[0]["labels"] == ["ham", "spam"], lines[0]
    rows[run] = {r["row"]: (r["logits"][1] > r["logits"][0]) == r["label"] for r in lines[1:]}
    right, count = sum(rows[run].values()), len(rows[run])
    reported = json.load(open(run + "/report.json"))["splits"]["test"]
    assert count == reported["rows"] == 400 and right / count == reported["accuracy"], reported
    text = open("first").read()
    text = text[text.index(run + ":"):]
    value, low, high = re.search(r"accuracy +(\S+) \[(\S+), (\S+)\]", text).groups()
    assert value == f"{right / count:.4f}" and low < value < high, (value, low, high)
    # about two standard errors
    error = math.sqrt(right / count * (1 - right / count) / count)
    assert 0.8 < (float(high) - float(low)) / (3.92 * error) < 1.2, (low, high, error)
one, two = rows.values()
b = sum(one[row] and not two[row] for row in one)
c = sum(two[row] and not one[row] for row in one)
p = min(1, 2 * sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c))
line = f"runs/two alone is right on {c} rows, runs/one alone on {b}: p = {p:.4g}\n"
assert line in open("first").read(), line
assert b + c > 3, "the runs differ too little to tell anything"
END
python3 check.py || fail "$(cat first)"

# one page: no script, nothing from elsewhere, all runs and curves, what differs
! grep -qE '<script|src=|href=|url\(' both.html || fail "the page is not self-contained"
[ "$(grep -c '<svg' both.html)" = 1 ] || fail "not one figure"
[ "$(grep -c '<polyline' both.html)" = 4 ] || fail "$(grep -c '<polyline' both.html) curves, not 4"
for text in "McNemar" "train.seed" "train.class_weights" "runs/one" "runs/two" "accuracy"; do
    grep -qF "$text" both.html || fail "no $text in the page"
done
! grep -q "data.split.seed" both.html || fail "what is the same is told"
mkdir 'runs/<b>'
cp -r runs/two/* 'runs/<b>/'
expect_exit 0 "$TEMPER" report runs/one 'runs/<b>'
! grep -q '<b>' runs.html || fail "a name is not escaped"

# other rows, other data, another set of labels
refused="has other test rows than runs/one: only answers to the same ones are compared"
expect_exit 0 train 1 seed "${settings[@]}" data.split.seed=1
head -n 990 many.tsv >fewer.tsv
expect_exit 0 train 1 fewer "${settings[@]}" data.path=fewer.tsv
sed 's/^ham/egg/' many.tsv >eggs.tsv
expect_exit 0 train 1 eggs "${settings[@]}" data.path=eggs.tsv
for run in seed fewer eggs; do
    expect_exit 0 "$TEMPER" report runs/one "runs/$run"
    expect_text out "runs/$run $refused"
    ! grep -q "p = " "$work/out" || fail "$run is compared"
    grep -q "has other test rows" runs.html || fail "the page does not tell"
done
# the same test file, after training on other rows
sed -n '1p;600,$p' many.tsv >test.tsv
expect_exit 0 train 1 a data.split.test=test.tsv
expect_exit 0 train 1 b data.split.test=test.tsv data.path=fewer.tsv
expect_exit 0 "$TEMPER" report runs/a runs/b
expect_text out "runs/b alone is right on "

# one run; none; a damaged one
expect_exit 0 "$TEMPER" report runs/one
expect_exit 0 "$TEMPER" report runs/one # over the page that was there
# no file of others is replaced
echo mine >notes.html
expect_exit 2 "$TEMPER" report runs/one -o notes.html
expect_text err "--output notes.html: is there, and is no sound file of temper's"
[ "$(cat notes.html)" = mine ] || fail "notes.html is another"
expect_exit 2 "$TEMPER" report runs/one -o nowhere/a.html
expect_text err "--output nowhere"
expect_exit 2 "$TEMPER" report
expect_text err "missing argument 'RUN'"
expect_exit 2 "$TEMPER" report runs/one nowhere
sed -i '5s/logits/digits/' runs/two/test.jsonl
expect_exit 1 "$TEMPER" report runs/one runs/two
expect_text err "runs/two/test.jsonl: line 5 is no outcome of a row"
