#!/usr/bin/env bash
# TEST labels=train timeout=120
# What report.json says of time, ranks, memory and checkpoints is what happened.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(train.epochs=4 output.save_steps=5 data.split.validation=0
    output.checkpoint_async=false)

# holds FOLDER EXPRESSION: of its report's efficiency e and the lines of its metrics m.
holds() {
    python3 - "runs/$1" "$2" <<'END' || fail "$1: not $2: $(cat "runs/$1/report.json")"
import json, sys
folder, expression = sys.argv[1:]
e = json.load(open(folder + "/report.json"))["efficiency"]
m = [json.loads(line) for line in open(folder + "/metrics.jsonl")]
p, own = e["phases_s"], e["own_work_s"]
sys.exit(not eval(expression))
END
}

expect_exit 0 train 2 even "${settings[@]}"
for text in "efficiency: 16 steps, " "time: data " "ranks: forward and backward " "memory: at "; do
    expect_text err "$text"
done
holds even 'e["steps"] == 16 and e["tokens"] == sum(x["tokens"] for x in m)'
holds even 'abs(sum(p.values()) - e["seconds"]) < 0.02 * e["seconds"]'
holds even 'sum(x["seconds"] for x in m) <= e["seconds"]'
holds even 'all(p[x] > 0 for x in ("data", "forward", "backward", "vote", "update", "checkpoint"))'
holds even 'p["evaluation"] == 0 and e["checkpoints"]["count"] == 4'
holds even '0 < e["gflops"] and 0 < e["sgemm_share"] < 1.2'
holds even '1e6 < e["memory_bytes"]["most"] < 1e9 and 0 < e["memory_bytes"]["planned"] < 1e9'
holds even '0 < own["fastest"] <= own["slowest"]'

# weights that ranks share count once, and as often as there are ranks where they share nothing
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
wide=(model.path=gpt2.h5 model.task=causal_lm model.init=random model.hidden_size=512
    model.num_hidden_layers=4 model.num_attention_heads=8 train.batch_size=4 train.leaves=4
    train.max_steps=1 data.split.validation=0 output.checkpoint_async=false)
as_planned='0.9 < e["memory_bytes"]["most"] / e["memory_bytes"]["planned"] < 1.1'
expect_exit 0 train 4 shared "${wide[@]}"
holds shared "$as_planned"
TEMPER_RANKS_PER_NODE=-2 expect_exit 0 train 4 dealt "${wide[@]}"
holds dealt "$as_planned"

# a slow rank: 16 steps of eight leaves, each 10 ms longer, which the other one waits for
TEMPER_FAULT=leaf-slow:1:0 expect_exit 0 train 2 uneven "${settings[@]}"
slow='own["slowest"] - own["fastest"] > 0.07 and p["vote"] + p["reduction"] > 0.5'
holds uneven "$slow"
holds uneven 'e["waiting_share"] > 0.2'
expect_failure holds even "$slow"
same_run even uneven

# slow checkpoints, of which there are four
slow='p["checkpoint"] > 4 * 3 and e["checkpoints"]["bytes_per_second"] < 1e6'
TEMPER_FAULT=save-slow:0:0 expect_exit 0 train 2 saves "${settings[@]}"
holds saves "$slow"
expect_failure holds even "$slow"

# those that go on beside training took as long
TEMPER_FAULT=save-slow:0:0 expect_exit 0 train 2 later "${settings[@]}" output.checkpoint_async=true
holds later 'e["checkpoints"]["count"] == 4 and e["checkpoints"]["bytes_per_second"] < 1e6'

# where no step is made there is nothing to tell, and the report keeps what it had
expect_exit 0 train 2 even "${settings[@]}"
! grep -q "^efficiency: " "$work/err" || fail "$(cat "$work/err")"
# rank 0 has no leaf
expect_exit 0 train 4 idle train.leaves=6 train.max_steps=1
expect_text err "efficiency: 1 steps, "
holds even 'e["steps"] == 16'
