#!/usr/bin/env bash
# TEST labels=cli,train timeout=300
# What the keys of the recipe do, seen in metrics.jsonl: steps, tokens, learning rates, losses.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
base=(train.dropout=0 train.leaves=2 data.split.validation=0)

# run NAME [key=value ...]: trains on one rank.
run() {
    local name=$1
    shift
    expect_exit 0 train 1 "$name" "${base[@]}" "$@"
}

cat >see.py <<'END'
import json, math, sys

def rows(name):
    with open("runs/%s/metrics.jsonl" % name) as file:
        return [json.loads(line) for line in file]

def steps(name):
    return [row for row in rows(name) if "split" not in row]

def evaluations(name):
    return [row for row in rows(name) if "split" in row]

def rates(name):
    return [row["learning_rate"] for row in steps(name)]

def near(a, b):
    return len(a) == len(b) and all(math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-300)
                                    for x, y in zip(a, b))

def losses(name):
    return [row["loss"] for row in steps(name)]
END

# see: what follows holds, in Python.
see() {
    python3 -c "$(cat see.py; cat)" || fail "see above"
}

# steps: batches that do not divide the 179 rows, whole and broken epochs
run plain
run big train.batch_size=1000
run one train.batch_size=179
run small train.batch_size=50
run half train.epochs=0.5
run capped train.max_steps=3
run steps train.epochs=0 train.max_steps=6
run beyond train.max_steps=100
see <<'END'
fields = ["step", "epoch", "loss", "learning_rate", "grad_norm", "tokens", "seconds"]
assert all(list(row) == fields for row in steps("plain"))
assert [row["step"] for row in steps("plain")] == [1, 2, 3, 4, 5, 6, 7, 8]
assert near([row["epoch"] for row in steps("plain")],
            [(e * 179 + min(48 * i, 179)) / 179 for e in (0, 1) for i in (1, 2, 3, 4)]) or \
    all(abs(row["epoch"] - want) < 1e-8 for row, want in
        zip(steps("plain"), [(e * 179 + min(48 * i, 179)) / 179 for e in (0, 1)
                             for i in (1, 2, 3, 4)]))
whole = sum(row["tokens"] for row in steps("plain")[:4])
assert whole == sum(row["tokens"] for row in steps("plain")[4:])
assert len(steps("big")) == 2 and [row["tokens"] for row in steps("big")] == [whole, whole]
assert losses("big") == losses("one")
assert len(steps("small")) == 8 and sum(row["tokens"] for row in steps("small")) == 2 * whole
assert len(steps("half")) == 2
assert len(steps("capped")) == 3 and len(steps("steps")) == 6 and len(steps("beyond")) == 8
assert rates("beyond") == rates("plain") and losses("beyond") == losses("plain")
# the horizon is epochs x steps where epochs is given: max_steps only stops early
assert rates("capped") == rates("plain")[:3] and losses("capped") == losses("plain")[:3]
# warm-up is ceil(0.1 x horizon) = 1 step of 8 and of 6; then linear to 0 at the horizon
peak = 1e-2
assert near(rates("plain"), [0] + [peak * (8 - i) / 7 for i in range(1, 8)]), rates("plain")
assert near(rates("steps"), [0] + [peak * (6 - i) / 5 for i in range(1, 6)]), rates("steps")
END

# schedules
run cosine train.lr_scheduler_type=cosine train.warmup_ratio=0.3
run constant train.lr_scheduler_type=constant train.warmup_ratio=0
run warmup train.warmup_steps=4
run cold train.warmup_ratio=0
see <<'END'
peak = 1e-2
assert near(rates("cosine"), [peak * i / 3 for i in range(3)] +
            [peak * 0.5 * (1 + math.cos(math.pi * (i - 3) / 5)) for i in range(3, 8)])
assert near(rates("constant"), [peak] * 8)
assert near(rates("warmup"), [peak * i / 4 for i in range(4)] +
            [peak * (8 - i) / 4 for i in range(4, 8)])
assert near(rates("cold"), [peak * (8 - i) / 8 for i in range(8)])
END

# batches by tokens
run tokens train.batch_tokens=700
run tiny train.batch_tokens=1
see <<'END'
assert max(row["tokens"] for row in steps("tokens")) <= 700
assert sum(row["tokens"] for row in steps("tokens")) == sum(row["tokens"] for row in steps("plain"))
assert len(steps("tiny")) == 2 * 179
END

# order
run seed8 train.seed=8 train.max_steps=4
run file train.shuffle=false train.max_steps=8
run file8 train.shuffle=false train.seed=8 train.max_steps=8
see <<'END'
plain, seed8 = steps("plain"), steps("seed8")
assert [row["tokens"] for row in plain[:4]] != [row["tokens"] for row in seed8]
assert [row["tokens"] for row in plain[:4]] != [row["tokens"] for row in plain[4:]]
order = [row["tokens"] for row in steps("file")]
assert order[:4] == order[4:] == [row["tokens"] for row in steps("file8")][:4]
END

# the objective: a smoothed loss and weighted classes are other losses; a list equal to `balanced`
# is the same
run smooth train.label_smoothing_factor=0.2 train.max_steps=2
run balanced train.class_weights=balanced train.max_steps=2
read -r ham spam < <("$TEMPER" prepare recipe.yaml "${base[@]:2}" 2>/dev/null |
    sed -nE 's/^  label [0-9]+ +([0-9]+) rows.*/\1/p' | xargs)
run ones "train.class_weights=[1, 1]" train.max_steps=2
run twos "train.class_weights=[2, 2]" train.max_steps=2
run list "train.class_weights=[0.5, 3]" train.max_steps=2
see <<'END'
plain = losses("plain")[:2]
assert losses("ones") == plain
assert all(abs(a - b) < 1e-6 for a, b in zip(losses("twos"), plain))
for other in "smooth", "balanced", "list":
    assert abs(losses(other)[0] - plain[0]) > 1e-4, other
assert abs(losses("balanced")[0] - losses("list")[0]) > 1e-4
END
[ "$ham" -gt "$spam" ] || fail "labels are '$ham' and '$spam'"

# the loss of all rows in one step that moves nothing follows from the logits that predict gives
still=(data.split.test=0 train.batch_size=1000 train.epochs=1 train.learning_rate=0)
for kind in none balanced list; do
    case $kind in
    none) weights=() ;;
    balanced) weights=(train.class_weights=balanced) ;;
    list) weights=("train.class_weights=[0.5, 3]") ;;
    esac
    for smoothing in 0 0.2; do
        run "$kind$smoothing" "${still[@]}" "${weights[@]}" train.label_smoothing_factor=$smoothing
    done
done
expect_exit 0 "$TEMPER" predict runs/none0 --input sms.tsv --logits
cp "$work/out" logits.jsonl
see <<'END'
labels = [line.split("\t")[0] for line in open("sms.tsv")][1:]
ids = [["ham", "spam"].index(label) for label in labels]
logits = [json.loads(line)["logits"] for line in open("logits.jsonl")]
assert len(ids) == len(logits) == 199

def loss(weights, smoothing): # torch.nn.functional.cross_entropy
    total = 0
    for label, z in zip(ids, logits):
        log_p = [x - math.log(sum(map(math.exp, z))) for x in z]
        total -= (1 - smoothing) * weights[label] * log_p[label]
        total -= smoothing / 2 * sum(w * p for w, p in zip(weights, log_p))
    return total / sum(weights[label] for label in ids)

balanced = [len(ids) / (2 * ids.count(k)) for k in (0, 1)]
for kind, weights in ("none", [1, 1]), ("balanced", balanced), ("list", [0.5, 3]):
    for smoothing in 0, 0.2:
        got, = losses("%s%g" % (kind, smoothing))
        assert abs(got - loss(weights, smoothing)) < 1e-5, (kind, smoothing, got)
END

# clipping, decay, dropout
run clipped train.max_grad_norm=1e-3 train.max_steps=3
run unclipped train.max_grad_norm=0 train.max_steps=3
run decay train.weight_decay=0.5 train.max_steps=4
run dropout train.dropout=0.3 train.max_steps=2
see <<'END'
assert losses("clipped")[:2] == losses("unclipped")[:2] # the first step has a rate of 0
assert losses("clipped")[2] != losses("unclipped")[2]
assert steps("clipped")[0]["grad_norm"] == steps("unclipped")[0]["grad_norm"] > 1e-3
assert losses("decay")[3] != losses("plain")[3]
assert losses("dropout")[0] != losses("plain")[0]
END

# all rows in a step that moves nothing: dropout alone tells steps and seeds apart. The model has
# the two labels, so that no seed draws its head.
expect_exit 0 "$TEMPER" export runs/plain -o both
expect_exit 0 "$TEMPER" import both -o both.h5
masked=("${still[@]}" train.epochs=2 train.shuffle=false train.dropout=0.3 model.path=both.h5)
run masks "${masked[@]}"
run masks8 "${masked[@]}" train.seed=8
run unmasked "${masked[@]}" train.dropout=0
run unmasked8 "${masked[@]}" train.dropout=0 train.seed=8
see <<'END'
assert losses("unmasked") == losses("unmasked8") and len(set(losses("unmasked"))) == 1
assert len(set(losses("masks") + losses("masks8") + losses("unmasked"))) == 5
END

# evaluations, the best one, early stopping
with=(data.split.validation=0.2)
run epochs "${with[@]}"
run often "${with[@]}" train.eval_steps=4
run patient "${with[@]}" train.eval_steps=1 train.epochs=50 train.early_stopping_patience=3 \
    train.learning_rate=0
expect_text err "step 4: no better loss for 3 evaluations: stopping"
run metric "${with[@]}" train.eval_steps=1 train.epochs=50 train.early_stopping_patience=2 \
    train.metric_for_best_model=macro_f1 train.learning_rate=0
expect_text err "no better macro_f1 for 2 evaluations"
run forever "${with[@]}" train.eval_steps=1 train.epochs=5 train.early_stopping_patience=0 \
    train.learning_rate=0
see <<'END'
assert [row["step"] for row in evaluations("epochs")] == [3, 6]
assert [row["step"] for row in evaluations("often")] == [4, 6]
assert all(row["split"] == "validation" for row in evaluations("epochs"))
assert len(steps("patient")) == 4 and len(steps("metric")) == 3 and len(steps("forever")) == 15
assert evaluations("plain") == []
END
[ "$("$TEMPER" inspect "$(newest patient)" | sed -nE 's/^ *best_step +//p')" = 1 ] ||
    fail "the first of equal evaluations is the best"
# the best is the first that no other is better than
cat >>see.py <<'END'

def best(metric, choose):
    values = [row[metric] for row in evaluations("best-" + metric)]
    assert min(values) < max(values), (metric, values)
    return 1 + values.index(choose(values))
END
for metric in loss accuracy macro_f1 auc; do
    choose=max
    [ $metric = loss ] && choose=min
    run best-$metric "${with[@]}" train.eval_steps=1 train.epochs=4 \
        train.metric_for_best_model=$metric
    [ "$("$TEMPER" inspect "$(newest best-$metric)" | sed -nE 's/^ *best_step +//p')" = \
        "$(see <<<"print(best('$metric', $choose))")" ] ||
        fail "not the best $metric: $(grep split runs/best-$metric/metrics.jsonl)"
done
# patience goes on where it was
patient=("${with[@]}" train.eval_steps=1 train.epochs=50 train.early_stopping_patience=4
    train.learning_rate=0)
run steady "${patient[@]}"
for stop in 2 4; do run waits "${patient[@]}" train.max_steps=$stop; done
run waits "${patient[@]}"
see <<'END'
assert len(steps("steady")) == len(steps("waits")) == 5
END

# an early stop stays one
expect_exit 0 train 2 patient "${base[@]}" "${with[@]}" train.eval_steps=1 train.epochs=50 \
    train.early_stopping_patience=3 train.learning_rate=0
[ "$(grep -c grad_norm runs/patient/metrics.jsonl)" = 4 ] || fail "a run that stopped goes on"

# saves and lines of progress
run saves output.save_steps=3 output.save_total_limit=3
kept=$(ls runs/saves/checkpoints | xargs)
[ "$kept" = "step-0000000003.h5 step-0000000006.h5 step-0000000008.h5" ] || fail "kept: $kept"
run loud output.logging_steps=1
# a batch log has the first and the last line of a run that is over within 30 s
see <<'END'
import re
text = open("runs/loud/run.log").read()
lines = re.findall("^step .*ETA.*$", text, re.M)
assert len(lines) == 2, text
for line, row in zip(lines, (steps("loud")[0], steps("loud")[-1])):
    said = "step %d/8  epoch %.2f  loss %.4f  lr %.2e  " % (
        row["step"], row["epoch"], row["loss"], row["learning_rate"])
    assert line.startswith(said), (line, said)
    assert re.search(r"  \d+ tok/s  \d+ GFLOP/s \(\d+ % of sgemm\)  ETA \d+\.\d s$", line), line
END

# the table of a profile: every part of a step, with a rate where work is counted; all of the time
run profile train.profile=true
see <<'END'
lines = open("runs/profile/run.log").read().split("time of rank 0 in its steps\n")[1].split("\n")
header, table = lines[0].split(), []
for line in lines[1:]:
    table.append([line[:16].strip(), line[16:27].strip(), float(line[27:38]), line[58:69].strip(),
                  line[69:80].strip()])
    if table[-1][0] == "total":
        break
assert header == ["part", "phase", "seconds", "share", "calls", "GFLOP/s", "GB/s"], header
whole = sum(row["seconds"] for row in steps("profile"))
assert abs(sum(row[2] for row in table[:-1]) - table[-1][2]) < 0.0006 * len(table), table
assert 0.9 * whole - 0.001 <= table[-1][2] <= 1.01 * whole + 0.001, (table[-1], whole)
products = {"linear", "attention"}
moves = products | {"embedding", "layer_norm", "activation", "select_rows", "adamw"}
both = {"forward", "backward"}
for name in moves - {"adamw"}:
    assert {row[1] for row in table if row[0] == name} == both, name
for name, phase, seconds, flops, bytes in table:
    assert (flops != "") == (name in products | {"total"}) or seconds == 0, name
    assert (bytes != "") == (name in moves | {"total"}) or seconds == 0, name
assert {"loss", "exchange", "vote", "ahead"} <= {row[0] for row in table}, table
END

# a metric that is undefined, as auc of one label is, decides nothing
(head -n 1 sms.tsv; grep -w ^ham sms.tsv | head -n 5) >ham.tsv
run undefined data.split.validation=ham.tsv train.eval_steps=1 train.metric_for_best_model=auc \
    train.early_stopping_patience=1
[ "$(grep -c "warning: step 1: auc is undefined" "$work/err")" = 1 ] || fail "$(cat "$work/err")"
[ "$(grep -c undefined "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
[ "$(grep -c grad_norm runs/undefined/metrics.jsonl)" = 8 ] || fail "it stopped early"
