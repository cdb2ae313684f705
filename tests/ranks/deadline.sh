#!/usr/bin/env bash
# TEST labels=train timeout=300
# A run that stops by itself, before a deadline or for a file STOP, on ever other numbers of ranks,
# ends in the bits of one that nothing stopped; what it keeps free for a checkpoint is measured.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen
sed -i 's/epochs: 2/epochs: 100000/' recipe.yaml # only a deadline or max_steps ends it
settings=(train.eval_steps=1) # so that every stop comes with an evaluation

# state FOLDER NAME: what its state.json says.
state() {
    sed -nE "s/^ *\"$2\": \"?([^\"]*[^\",])\"?,?$/\1/p" "runs/$1/state.json"
}

# stopped FOLDER REASON: the last command was, for that, with one line that says why.
stopped() {
    [ "$(state "$1" state) $(state "$1" reason) $(state "$1" exit_code)" = "stopped $2 85" ] ||
        fail "$1: $(cat "runs/$1/state.json")"
    [ "$(state "$1" checkpoint)" = "$(newest "$1")" ] || fail "$(cat "runs/$1/state.json")"
    [ "$(grep -c '^stopping: ' "$work/err")" = 1 ] || fail "why? $(cat "$work/err")"
    expect_text err "stopped: step $(state "$1" step) is saved; run the same command to go on"
    [ "$(steps "$1")" = "$(state "$1" step)" ] || fail "not step $(steps "$1")"
    [ ! -e "runs/$1/lock" ] || fail "$1: the lock was left"
    ! grep -q '^temper: ' "$work/err" || fail "a stop is no failure: $(cat "$work/err")"
    lives=$((lives + 1))
}
lives=0

# steps FOLDER: steps that its metrics tell of.
steps() {
    grep -c grad_norm "runs/$1/metrics.jsonl" 2>/dev/null
}

# ask FOLDER: puts STOP there once it makes steps beyond those it has.
ask() {
    local before
    before=$(steps "$1")
    for _ in $(seq 300); do
        [ "$(steps "$1")" -gt $((before + 3)) ] && break
        sleep 0.1
    done
    touch "runs/$1/STOP"
}

# a chain of six lives
expect_exit 85 train 1 chain "${settings[@]}" train.max_seconds=3
expect_text err " before train.max_seconds, a checkpoint takes "
stopped chain max_seconds
ask chain &
expect_exit 85 train 3 chain "${settings[@]}"
stopped chain stop_file
expect_text err "stopping: runs/chain/STOP is there"
[ ! -e runs/chain/STOP ] || fail "STOP stays, and the next start would stop"
expect_exit 85 train 2 chain "${settings[@]}" train.max_seconds=0.01
expect_text err " after train.max_seconds"
stopped chain max_seconds
[ "$(grep -c '^resumed from' "$work/err")" = 1 ] || fail "not from a checkpoint"
SLURM_JOB_END_TIME=$(($(date +%s) + 15)) expect_exit 85 train 4 chain "${settings[@]}"
expect_text err " before the job's end, a checkpoint takes "
stopped chain job_end
expect_exit 85 train 5 chain "${settings[@]}" train.max_seconds=3
stopped chain max_seconds
last=$(($(steps chain) + 3))
ln -s /dev/null runs/chain/STOP # a link is nobody's wish
SLURM_JOB_END_TIME=1000 expect_exit 0 train 2 chain "${settings[@]}" "train.max_steps=$last"
expect_text err "SLURM_JOB_END_TIME=1000 is past"
[ "$(state chain state) $(state chain exit_code) $(state chain step)" = "finished 0 $last" ] ||
    fail "$(cat runs/chain/state.json)"
[ -L runs/chain/STOP ] || fail "a link was removed"
[ $lives -ge 4 ] || fail "$lives stops"
expect_exit 0 train 2 whole "${settings[@]}" "train.max_steps=$last"
same_run whole chain
# the control: a run of other bits
expect_exit 0 train 1 other "${settings[@]}" "train.max_steps=$last" train.seed=8
expect_failure same_run other chain

# reserved FOLDER: more than three seconds were kept free, and were enough (with a launcher's own).
reserved() {
    local left
    left=$(sed -nE 's/^stopping: ([0-9.]+) s before train.max_seconds, .*/\1/p' "$work/err")
    awk "BEGIN { exit !(\"$left\" > 3) }" || fail "$1 stopped '$left' s before the end"
    grep -qE "a checkpoint takes (3|4)\.[0-9] s" "$work/err" || fail "$(cat "$work/err")"
    [ $((SECONDS - begun)) -le 20 ] || fail "$1 took $((SECONDS - begun)) s"
}
sparse=(train.eval_steps=1000000 output.save_steps=20 train.max_seconds=15)
begun=$SECONDS
TEMPER_FAULT=save-slow:0:0 expect_exit 85 train 2 slow "${sparse[@]}" \
    output.checkpoint_async=false
reserved slow
# one that a thread is writing is waited for, and another one comes after it
begun=$SECONDS
TEMPER_FAULT=save-slow:0:0 expect_exit 85 train 2 later "${sparse[@]}" train.max_seconds=12 \
    output.checkpoint_async=true
reserved later
# the control: one whose checkpoints are fast
begun=$SECONDS
expect_exit 85 train 2 fast "${sparse[@]}" train.max_seconds=4
expect_failure reserved fast

# a failure is told too
TEMPER_FAULT=loss-nan:0:6 expect_exit 1 train 1 diverged train.leaves=2
[ "$(state diverged state) $(state diverged exit_code)" = "failed 1" ] &&
    [[ $(state diverged message) = "step 3: loss nan, "* ]] ||
    fail "$(cat runs/diverged/state.json)"
