#!/usr/bin/env bash
# TEST labels=train,report timeout=120
# Language models are compared by the sums of each test row: the same on any number of ranks, with
# the intervals that Python finds from the same draws.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
cut -f 2 sms.tsv >texts.tsv
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/tests/golden/tiny-gpt2" -o gpt2.h5
cat >recipe.yaml <<'END'
model:  {path: gpt2.h5, task: causal_lm}
data:   {path: texts.tsv, text: SMS, max_length: 16, split: {validation: 0.1, test: 0.3}}
train:  {epochs: 1, batch_size: 16, learning_rate: 1e-2, leaves: 8}
output: {folder: runs/one}
END
expect_exit 0 train 1 one
expect_exit 0 train 3 three
cmp runs/one/test.jsonl runs/three/test.jsonl || fail "3 ranks have other sums"
expect_exit 0 train 2 two train.seed=8 train.learning_rate=2e-2
expect_exit 0 train 1 masked model.path=tiny.h5 model.task=masked_lm
expect_exit 0 "$TEMPER" report runs/one runs/two -o both.html
cp "$work/out" first
expect_exit 0 "$TEMPER" report runs/one runs/three
expect_text out "runs/three minus runs/one: loss 0.0000 [0.0000, 0.0000] perplexity 0.0000 ["
expect_exit 0 "$TEMPER" report runs/masked
expect_text out "token_accuracy"

# what it says, from the rows themselves: Philox 4x32-10 as in include/base/rng.h
cat >check.py <<'END'
import json, math, re, sys
text, refuted = open("first").read(), len(sys.argv) > 1
def uniform(resample, draw):
    c, k0, k1, mask = [draw, 0, resample, 7], 0, 0, 0xFFFFFFFF
    for _ in range(10):
        p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(q >> 32) ^ c[1] ^ k0, q & mask, (p >> 32) ^ c[3] ^ k1, p & mask]
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return ((c[1] << 32 | c[0]) >> 11) * 2.0**-53
def values(rows):
    loss, right, targets = (math.fsum(r[k] for r in rows) for k in ("loss", "right", "targets"))
    return loss / targets, math.exp(loss / targets), right / targets
def quantile(xs, share):
    xs, place = sorted(xs), share * (len(xs) - 1)
    at = int(place)
    return xs[at] + (place - at) * (xs[at + 1] - xs[at])
def said(found, numbers):
    numbers = [float(x) for x in numbers]
    assert all(abs(a - b) <= 0.6e-4 for a, b in zip(found, numbers)), (found, numbers)
rows = {}
for run in "runs/one", "runs/two":
    lines = [json.loads(line) for line in open(run + "/test.jsonl")]
    assert lines[0] == {"task": "causal_lm"}, lines[0]
    rows[run] = lines[1:]
    test = json.load(open(run + "/report.json"))["splits"]["test"]
    assert test["rows"] == len(rows[run]) > 50 and test["targets"] == sum(
        r["targets"] for r in rows[run]), test
    for name, value in zip(("loss", "perplexity", "token_accuracy"), values(rows[run])):
        assert abs(test[name] - value) <= 1e-12 * value, (name, test[name], value)
count = len(rows["runs/one"])
drawn = [[int(uniform(r, i) * count) for i in range(count)] for r in range(2000)]
if refuted:  # rows that are not paired
    rows["runs/two"].reverse()
found = {run: [values([rows[run][i] for i in draw]) for draw in drawn] for run in rows}
for run in () if refuted else rows:
    part = text[text.index(run + ":"):]
    for k, name in enumerate(("loss", "perplexity", "token_accuracy")):
        xs = [v[k] for v in found[run]]
        said((values(rows[run])[k], quantile(xs, 0.025), quantile(xs, 0.975)),
             re.search(name + r" +(\S+) \[(\S+), (\S+)\]", part).groups())
part = text[text.index("runs/two minus runs/one:"):]
for k, name in enumerate(("loss", "perplexity", "token_accuracy")):
    xs = [b[k] - a[k] for a, b in zip(found["runs/one"], found["runs/two"])]
    said((values(rows["runs/two"])[k] - values(rows["runs/one"])[k], quantile(xs, 0.025),
          quantile(xs, 0.975)), re.search(name + r" (\S+) \[(\S+), (\S+)\]", part).groups())
END
python3 check.py || fail "$(cat first)"
python3 check.py refuted 2>/dev/null && fail "any rows do"
grep -qF "runs/two minus runs/one" both.html || fail "the page does not tell"

# of other rows, or of another task: values alone
expect_exit 0 train 1 seed data.split.seed=1
for run in seed masked; do
    expect_exit 0 "$TEMPER" report runs/one "runs/$run"
    expect_text out "runs/$run has other test rows than runs/one"
done
rm runs/two/test.jsonl
expect_exit 0 "$TEMPER" report runs/one runs/two
expect_text out "runs/two keeps no answers to test rows (test.jsonl)"
sed -i '5s/targets/tokens/' runs/three/test.jsonl
expect_exit 1 "$TEMPER" report runs/one runs/three
expect_text err "runs/three/test.jsonl: line 5 is no outcome of a row"
