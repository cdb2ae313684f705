#!/usr/bin/env bash
# TEST labels=cli,train timeout=120
# predict: one JSON line a text in input order, whatever the format, the texts and the ranks are.
# evaluate: the same answers, counted.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
expect_exit 0 train 2 one train.epochs=8 data.split.validation=0

# predicted RANKS ARGUMENT...: of runs/one, to $work/out.
predicted() {
    local count=$1
    shift
    expect_exit 0 ranks "$count" "$TEMPER" predict runs/one "$@" --logits
}

cat >make.py <<'END'
import csv, json, random
random.seed(3)
texts = [line.split("\t", 1)[1].rstrip("\r\n") for line in open("sms.tsv", encoding="utf-8")][1:150]
texts[5] = texts[77] = ""
texts[20] = 'say "quoted", with \\ and comma'
texts[21] = "control \x01\x02\x7f characters"
texts[22] = "tab is\xa0a space"
texts[23] = "x" * 5000
texts[-1] = ""
labels = [random.choice(["ham", "spam"]) for _ in texts]
with open("plain", "w", encoding="utf-8") as file:
    file.write("".join(text + "\n" for text in texts))
with open("data.csv", "w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["id", "SMS", "Label"])
    writer.writerows(zip(range(len(texts)), texts, labels))
with open("data.jsonl", "w", encoding="utf-8") as file:
    for text in texts:
        file.write(json.dumps({"SMS": text}) + "\n")
with open("data.tsv", "w", encoding="utf-8") as file:
    file.write("id\tSMS\n" + "".join("%d\t%s\n" % row for row in enumerate(texts)))
END
python3 make.py
cp plain plain.txt
cp plain plain.2024
predicted 1 --input plain
cp "$work/out" expected
cat >check.py <<'END'
import json, math, sys
lines = open("expected", encoding="utf-8").read().split("\n")
assert lines.pop() == "" and len(lines) == 149, len(lines)
for line in lines:
    row = json.loads(line)
    assert list(row) == ["label", "probabilities", "logits"], line
    powers = [math.exp(x - max(row["logits"])) for x in row["logits"]]
    for p, power in zip(row["probabilities"], powers):
        assert abs(p - power / sum(powers)) < 1e-6, line
    assert row["label"] == ["ham", "spam"][row["probabilities"][1] > row["probabilities"][0]]
assert len(set(lines)) > 100, "the model says the same of all"
empty = [json.loads(lines[i])["logits"][0] for i in (5, 77, 148)]
assert max(empty) - min(empty) < 1e-6, empty
END
python3 check.py || fail "lines are not what they should be"

for input in plain.txt plain.2024 data.csv data.jsonl data.tsv; do
    predicted 2 --input $input
    cmp -s "$work/out" expected || fail "$input is not what plain lines are"
done
for count in 1 2 3 5; do
    predicted $count --input data.csv
    cmp -s "$work/out" expected || fail "$count ranks are not what 1 is"
    predicted $count --input - <plain
    cmp -s "$work/out" expected || fail "standard input of $count ranks is not what the file is"
done
cat plain | "$TEMPER" predict runs/one --input - --logits >piped 2>/dev/null
cmp -s piped expected || fail "a pipe is not what the file is"
# the control: another order is another answer
tac plain >reversed
predicted 1 --input reversed
cmp -s "$work/out" expected && fail "the order of the texts does not matter"

# one text at a time
for i in 1 6 21 22 24 100; do
    text=$(sed -n "${i}p" plain)
    [ -n "$text" ] || continue
    predicted 1 --text "$text"
    python3 - "$i" "$work/out" <<'END' || fail "text $i alone is not what it is among others"
import json, sys
one = json.load(open(sys.argv[2]))
other = json.loads(open("expected").read().split("\n")[int(sys.argv[1]) - 1])
assert one["label"] == other["label"]
assert max(abs(a - b) for a, b in zip(one["logits"], other["logits"])) < 1e-5
END
done

# line ends, no last newline, nothing at all, bytes that are no text
printf 'a\r\nb' >ends
printf 'a\nb\n' >newlines
predicted 1 --input ends
cp "$work/out" ends.out
predicted 3 --input newlines
cmp -s "$work/out" ends.out || fail "line ends matter"
: >nothing
for count in 1 3; do
    predicted $count --input nothing
    expect_nothing out
done
for name in nothing.csv nothing.tsv nothing.jsonl; do
    : >$name
    predicted 2 --input $name
    expect_nothing out
done
printf 'SMS,Label\n' >header.csv
predicted 2 --input header.csv
expect_nothing out
predicted 2 --input - </dev/null
expect_nothing out
printf 'one\0two\nbad \xff\xfe\xc3( bytes\n\n\xf0\x9f\x98\x80\n' >bytes
predicted 3 --input bytes
[ "$(wc -l <"$work/out")" = 4 ] || fail "not one line a text"
[ "$(grep -c "^warning: bytes: .*UTF-8.* 3 " "$work/err")" = 1 ] || fail "$(cat "$work/err")"
# more ranks than texts
predicted 5 --input newlines
cmp -s "$work/out" ends.out || fail "idle ranks matter"

# labels as JSON texts
printf 'Label\tSMS\n' >odd.tsv
for i in {1..40}; do printf 'say "\\%d"\tnumber %d\n' $((i % 2)) "$i"; done >>odd.tsv
expect_exit 0 ranks 1 "$TEMPER" train recipe.yaml output.folder=runs/odd data.path=odd.tsv
expect_exit 0 "$TEMPER" predict runs/odd --text x
python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["label"][:5] == "say \""' \
    "$work/out" || fail "$(cat "$work/out")"

# evaluate counts what predict says
for count in 1 3; do
    expect_exit 0 ranks $count "$TEMPER" evaluate runs/one data.path=data.csv --json
    python3 - "$work/out" <<'END' || fail "evaluate and predict disagree: $(cat "$work/out")"
import csv, json, sys
metrics = json.load(open(sys.argv[1]))
truth = [row["Label"] for row in csv.DictReader(open("data.csv", encoding="utf-8", newline=""))]
said = [json.loads(line)["label"] for line in open("expected")]
right = sum(a == b for a, b in zip(truth, said))
assert {"creator_version", "kernels", "blas_core"} <= set(metrics["provenance"])
assert metrics["rows"] == len(truth) == 149
assert abs(metrics["accuracy"] - right / len(truth)) < 1e-15
names = ["ham", "spam"]
table = [[sum(t == a and s == b for t, s in zip(truth, said)) for b in names] for a in names]
assert metrics["confusion"] == table, (metrics["confusion"], table)
END
done
expect_exit 0 ranks 2 "$TEMPER" evaluate runs/one data.path=data.csv data.label=Label data.text=2 \
    --json
cp "$work/out" by-number
expect_exit 0 ranks 1 "$TEMPER" evaluate runs/one data.path=data.csv --json
cmp -s "$work/out" by-number || fail "a column by number is another"
for split in train test; do
    expect_exit 0 ranks 2 "$TEMPER" evaluate runs/one --split $split
    expect_text out "accuracy"
done
