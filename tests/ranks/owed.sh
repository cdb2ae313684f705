#!/usr/bin/env bash
# TEST labels=train timeout=200
# An evaluation between steps is left when the run is asked to stop, or when time is short: exit
# code 85 with its step saved. The next life does it first, and ends with the bits, metrics and
# choices of a run that nothing stopped.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
head -n 700 "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >sms.tsv # some leaves to evaluate
sed -i 's/validation: 0.1, test: 0.1/validation: 0.8, test: 0.05/' recipe.yaml
settings=(train.eval_steps=2 train.epochs=0 train.max_steps=4 output.save_total_limit=10)
expect_exit 0 train 2 whole "${settings[@]}"
slow=infer-slow:-1:0

# choices FILE: what its run knew of evaluations.
choices() {
    "$TEMPER" inspect "$1" | grep -E 'best_|judged_|without_gain|owes_'
}

# stopped_in FOLDER STEP REASON: so did the last command, in the evaluation of that step.
stopped_in() {
    local file
    file=runs/$1/checkpoints/step-$(printf %010d "$2").h5
    grep -q "\"reason\": \"$3\"" "runs/$1/state.json" || fail "$1: $(cat "runs/$1/state.json")"
    expect_text err ": step $2 is saved; run the same command to go on"
    [ "$(grep -c split "runs/$1/metrics.jsonl")" = $(($2 / 2 - 1)) ] ||
        fail "evaluated all the same: $(cat "runs/$1/metrics.jsonl")"
    [ "$(newest "$1")" = "$file" ] || fail "the newest is $(newest "$1")"
    expect_exit 0 "$TEMPER" inspect "$file" --validate
    choices "$file" | grep -q owes_evaluation || fail "$file does not owe it"
    [ ! -e "runs/$1/lock" ] || fail "$1: the lock was left"
}

# as_whole FOLDER: every checkpoint, metric and choice of the run that nothing stopped.
as_whole() {
    local file
    same_run whole "$1"
    cmp "runs/whole/test.jsonl" "runs/$1/test.jsonl" || fail "$1: other predictions"
    for file in runs/whole/checkpoints/step-*.h5; do
        expect_exit 0 "$TEMPER" compare "$file" "runs/$1/checkpoints/${file##*/}"
        [ "$(choices "$file")" = "$(choices "runs/$1/checkpoints/${file##*/}")" ] ||
            fail "$1: other choices: $(choices "runs/$1/checkpoints/${file##*/}")"
    done
}

# asked RANKS FOLDER STEP HOW: to stop, in the evaluation of that step.
asked() {
    local launcher
    TEMPER_FAULT=$slow "${launch[@]}" -n "$1" "$TEMPER" train recipe.yaml "${settings[@]}" \
        "output.folder=runs/$2" >"$work/out" 2>"$work/err" &
    launcher=$!
    for _ in $(seq 600); do
        [ "$(grep -c grad_norm "runs/$2/metrics.jsonl" 2>/dev/null)" = "$3" ] &&
            { [ "$5" = '' ] || grep -q "resumed from" "$work/err"; } && break
        sleep 0.02
    done
    if [ "$4" = file ]; then touch "runs/$2/STOP"; else kill -USR1 $launcher; fi
    interrupted $launcher 85 "$work/err"
}

for count in 1 3; do
    asked $count signal$count 2 signal ''
    stopped_in signal$count 2 signal
    if [ $count = 1 ]; then # again, in the evaluation that is owed
        asked 3 signal$count 2 signal resumed
        stopped_in signal$count 2 signal
    fi
    expect_exit 0 train $((4 - count)) signal$count "${settings[@]}"
    as_whole signal$count
done
# that of the last step, for a file
asked 3 file 4 file ''
stopped_in file 4 stop_file
# max_seconds does not end what is owed, else no life would ever go on
expect_exit 85 train 3 file "${settings[@]}" train.max_seconds=0.01
[ "$(choices "$(newest file)" | grep -c owes)" = 0 ] || fail "it is owed still"
expect_exit 0 train 3 file "${settings[@]}" train.max_seconds=0.01
as_whole file
# one that takes longer than what was seen let expect
TEMPER_FAULT=$slow expect_exit 85 train 1 time "${settings[@]}" train.max_seconds=2
expect_text err " before train.max_seconds, a checkpoint takes "
stopped_in time 2 max_seconds
# a life that dies between the evaluation and the next checkpoint does not leave it twice
cp -r runs/time runs/died
sed -n '/split/p' runs/whole/metrics.jsonl | head -n 1 >>runs/died/metrics.jsonl
for name in time died; do
    expect_exit 0 train 2 $name "${settings[@]}"
    as_whole $name
done

# the controls: a stop between evaluations owes nothing, and other bits
expect_exit 85 train 1 between "${settings[@]}" train.max_seconds=0.01
expect_failure stopped_in between 1 max_seconds
expect_exit 0 train 1 other "${settings[@]}" train.seed=8
expect_failure as_whole other
