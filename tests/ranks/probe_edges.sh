#!/usr/bin/env bash
# TEST labels=train timeout=200
# Linear probes at their edges: models that overflow, more ranks than leaves of a step, penalties
# that all do alike; and what the report says of time.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
sed -i 's/leaves: 16/method: linear_probe/' recipe.yaml

# a model that overflows on every text: one sentence, and no results
mkdir large
cp "$TEMPER_SOURCE"/tests/golden/tiny-bert/* large/
python3 - large/model.safetensors <<'EOF'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
size = struct.unpack("<Q", data[:8])[0]
for name, tensor in json.loads(data[8 : 8 + size]).items():
    if name.endswith("LayerNorm.weight"):
        first, end = (8 + size + at for at in tensor["data_offsets"])
        data[first:end] = struct.pack("<f", 3e38) * ((end - first) // 4)
open(sys.argv[1], "wb").write(data)
EOF
expect_exit 0 "$TEMPER" import large -o large.h5
for kind in ridge logistic; do
    for count in 1 3; do
        expect_exit 1 train $count large-$kind model.path=large.h5 train.probe=$kind
        said="^temper: linear probe: the features of row [0-9]* (from 0) of "
        [ "$(grep -c "$said" "$work/err")" = 1 ] || fail "$(cat "$work/err")"
        expect_text err "are not finite: the model overflows on it"
        [ -z "$(ls runs/large-$kind/checkpoints)" ] || fail "$(ls runs/large-$kind/checkpoints)"
        [ ! -s runs/large-$kind/metrics.jsonl ] || fail "$(cat runs/large-$kind/metrics.jsonl)"
    done
done

# efficiency FOLDER EXPRESSION: of its report's efficiency e, NULL where it has none.
efficiency() {
    python3 - "runs/$1" "$2" <<'EOF' || fail "$1: not $2: $(cat "runs/$1/report.json")"
import json, sys
folder, expression = sys.argv[1:]
e = json.load(open(folder + "/report.json")).get("efficiency")
p = e["phases_s"] if e else {}
sys.exit(not eval(expression))
EOF
}

# more ranks than leaves: all have a part in the one step that there is
expect_exit 0 train 1 one train.leaves=2
expect_exit 0 train 4 four train.leaves=2
same_run one four
expect_exit 2 train 4 full train.method=full train.leaves=2 # the control
expect_text err "4 ranks are more than the 2 leaves of a step"
expect_exit 0 train 4 grid train.leaves=1 grid.cols=0
expect_exit 0 "$TEMPER" plan recipe.yaml train.leaves=2 --ranks-per-node 4
expect_text out "4x1x1 "
expect_exit 0 "$TEMPER" validate recipe.yaml train.leaves=2
expect_text out "ranks 5 " # leaves of the pass over the rows

# where the time went: features are the pass forward, the solver is the update
TEMPER_FAULT=infer-slow:-1:0 expect_exit 0 train 1 slow data.split.validation=0
for text in "efficiency: 1 steps, " "time: data " "ranks: forward and backward "; do
    expect_text err "$text"
done
efficiency slow 'e["steps"] == 1 and p["forward"] > 1.4 and p["backward"] == 0'
efficiency slow '0 < p["update"] < 1.2 and p["checkpoint"] > 0 and e["gflops"] > 0'
efficiency slow 'abs(sum(p.values()) - e["seconds"]) < 0.05 * e["seconds"]'
expect_exit 0 train 1 slow data.split.validation=0 # nothing is left to do
efficiency slow 'p["forward"] > 1.4'
expect_exit 0 train 1 slow data.split.validation=0 train.resume=never # with features from the file
efficiency slow 'e["steps"] == 1 and p["forward"] == 0 and e["gflops"] == 0'
# a run that is shown from another folder has none, least of all that of the run before it there
expect_exit 0 train 1 slow train.leaves=2 "train.resume=$(newest four)"
efficiency slow 'e is None'

# texts that are all the same: no penalty is better, and the greatest makes least of them
awk 'BEGIN {
    print "Label\tSMS"
    for (i = 0; i < 100; i++) print (i % 3 ? "ham" : "spam") "\tsee you at home" }' >same.tsv
for kind in ridge logistic; do
    expect_exit 0 train 2 same-$kind data.path=same.tsv data.split.validation=0 \
        data.split.test=0 train.probe=$kind
    ! grep -q "that were tried" "$work/err" || fail "$(cat "$work/err")"
    chosen=$(sed -nE 's/.* penalty ([0-9.e+-]+),.*/\1/p' "$work/err")
    [ "${penalty:=$chosen}" = "$chosen" ] || fail "$kind: $chosen, not $penalty"
done
awk "BEGIN { exit !($penalty > 1000) }" || fail "not the greatest: $penalty"
