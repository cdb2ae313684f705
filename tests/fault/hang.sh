#!/usr/bin/env bash
# TEST labels=train timeout=180
# A rank that stops answering ends the job: one sentence names the step, the rank and its phase, no
# process is left, state.json says what it did, the checkpoints are sound, and the run goes on to
# the same bits. Jobs that wait for their watchdogs do so at once.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(output.save_steps=2 output.save_total_limit=2 output.checkpoint_async=false
    train.leaves=3 train.hang_seconds=4)
host=$(hostname)
declare -A jobs

# begin RANKS NAME [key=value ...]: a job in the background.
begin() {
    local count=$1 name=$2
    shift 2
    timeout -k 1 60 "${launch[@]}" -n "$count" "$TEMPER" train recipe.yaml \
        "output.folder=runs/$name" "${settings[@]}" "$@" >"$name.out" 2>"$name.err" </dev/null &
    jobs[$name]=$!
}

# processes NAME: its ranks, in their order.
processes() {
    ranks_of "$(pgrep -P "${jobs[$1]}")"
}

# hangs NAME PATTERN: the job ended, and says that in its one sentence.
hangs() {
    local name=$1 pattern=$2 code tries
    wait "${jobs[$name]}"
    code=$?
    [ $code = 1 ] || fail "$name: exit code $code: $(tail -n 3 "$name.err")"
    [ "$(grep -c '^temper: ' "$name.err")" = 1 ] || fail "$name: not once: $(cat "$name.err")"
    grep -qE "^temper: $pattern; the job ends here: " "$name.err" ||
        fail "$name: no '$pattern': $(grep '^temper: ' "$name.err")"
    for ((tries = 0; tries < 50; tries++)); do # the launcher does not wait for all of them
        pgrep -f "output.folder=runs/$name " >left || break
        sleep 0.1
    done
    [ ! -s left ] || fail "$name: processes are left: $(cat left)"
    grep -q '"state": "running"' "runs/$name/state.json" &&
        ! grep -q '"exit_code"' "runs/$name/state.json" || fail "$(cat "runs/$name/state.json")"
    sound "$name"
}

# goes_on NAME: after that the run ends in the bits of the undisturbed one.
goes_on() {
    expect_exit 0 train 2 "$1" "${settings[@]}"
    same_run whole "$1"
    [ -z "$(find "runs/$1" -name 'pulse-*' -o -name '*partial*')" ] || fail "$1: leftovers"
}

# stuck STEP RANK PHASE
stuck() {
    echo "step $1: no progress for 4 s: rank $2 on $host does not get on with $3"
}

expect_exit 0 train 1 whole "${settings[@]}"
for rank in 0 1 2; do
    TEMPER_FAULT=hang-step:$rank:3 begin 3 step$rank
done
TEMPER_FAULT=hang-save:1:2 begin 3 save
TEMPER_FAULT=hang-save:1:2 begin 3 later output.checkpoint_async=true
TEMPER_RANKS_PER_NODE=1 TEMPER_FAULT=hang-save:0:2 begin 3 nodes # every rank on a node of its own
# rank 1 looks for what its node's first rank has received
TEMPER_RANKS_PER_NODE=2 TEMPER_FAULT=hang-step:0:3 begin 3 leader
TEMPER_FAULT=hang-evaluation:2:2 begin 3 evaluation
TEMPER_FAULT=hang-evaluation:0:3 begin 1 report
TEMPER_FAULT=hang-step:1:3 begin 3 never train.hang_seconds=0 # the control: it waits for ever

wait_for_it=", 2 ranks wait for it"
for rank in 0 1 2; do
    hangs step$rank "$(stuck 3 $rank forward)$wait_for_it"
done
hangs leader "$(stuck 3 0 forward)$wait_for_it"
hangs save "$(stuck 4 1 checkpoint)$wait_for_it"
[ "$(ls runs/save/checkpoints/*.h5)" = runs/save/checkpoints/step-0000000002.h5 ] ||
    fail "save: $(ls runs/save/checkpoints)"
hangs later "$(stuck 6 1 checkpoint)$wait_for_it" # it is the next save that waits
hangs nodes "$(stuck 4 0 checkpoint)$wait_for_it"
hangs evaluation "$(stuck 8 2 evaluation)$wait_for_it"
hangs report "$(stuck 8 0 report)"
kill -0 "${jobs[never]}" || fail "without a watchdog the job ends: $(cat never.err)"
# shellcheck disable=SC2046 # words
kill -9 $(processes never) $(pgrep -P "${jobs[never]}")
wait "${jobs[never]}" 2>/dev/null
grep '^temper: ' never.err && fail "without a watchdog one speaks"

# a process that is stopped from outside, and the control: all of them, for longer than the watchdog
# waits
begin 3 stopped0 train.epochs=400
TEMPER_RANKS_PER_NODE=2 begin 3 stopped2 train.epochs=400
begin 3 frozen train.epochs=30
for name in stopped0 stopped2 frozen; do
    until [ -s "runs/$name/metrics.jsonl" ]; do
        kill -0 "${jobs[$name]}" 2>/dev/null || break
        sleep 0.02
    done
    case $name in
    frozen) victims=$(processes frozen) ;;
    *) victims=$(processes $name | sed -n "$((${name#stopped} + 1))p") ;;
    esac
    # shellcheck disable=SC2086 # words
    kill -STOP $victims
done
sleep 5
# shellcheck disable=SC2086 # words
kill -CONT $victims
for rank in 0 2; do
    hangs stopped$rank "step [0-9]+: no progress for 4 s: rank $rank on $host gives no sign of \
life since [a-z-]+$wait_for_it"
done
wait "${jobs[frozen]}" || fail "frozen: $(cat frozen.err)"

# who is slow makes progress all the same, in a step that takes longer than the watchdog waits
cp "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" all.tsv
TEMPER_FAULT=leaf-slow:1:0 begin 3 slow data.path=all.tsv train.max_steps=1 train.batch_size=1200 \
    train.leaves=1200 train.hang_seconds=3
for name in step0 step1 step2 save nodes evaluation report; do goes_on $name; done
wait "${jobs[slow]}" || fail "slow: $(cat slow.err)"
grep -q '"seconds": [4-9]' runs/slow/metrics.jsonl ||
    fail "not slow: $(cat runs/slow/metrics.jsonl)"
