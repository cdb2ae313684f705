#!/usr/bin/env bash
# TEST labels=train timeout=120
# The evaluation that a run ends with is not begun where the time left cannot hold it, and is left
# between two leaves when somebody asks: exit code 85, all steps saved, and the next life does it.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
sed -i 's/validation: 0.1, test: 0.1/validation: 0.1, test: 0.8/' recipe.yaml # some leaves
settings=(train.max_steps=1)
expect_exit 0 train 1 whole "${settings[@]}"
export TEMPER_FAULT=infer-slow:-1:0

# stopped FOLDER REASON: so did the last command, and nothing was evaluated.
stopped() {
    grep -q "\"reason\": \"$2\"" "runs/$1/state.json" && grep -q '"exit_code": 85' \
        "runs/$1/state.json" || fail "$1: $(cat "runs/$1/state.json")"
    grep -qE "^(stopped|asked to stop): step 1 is saved; run the same command" "$work/err" ||
        fail "$1: $(cat "$work/err")"
    expect_nothing out
    [ ! -e "runs/$1/report.json" ] || fail "$1: results all the same"
    [ ! -e "runs/$1/lock" ] || fail "$1: the lock was left"
    sound "$1"
}

# ends_well FOLDER: with the results of a run that nothing stopped.
ends_well() {
    expect_exit 0 train 2 "$1" "${settings[@]}" train.max_seconds=0.01
    expect_text err "resumed from runs/$1/checkpoints/"
    same_run whole "$1"
    cmp runs/{whole,"$1"}/test.jsonl || fail "$1: other predictions"
}

for count in 1 3; do
    # 20 rows were seen to take 0.25 s, so 180 take 2.25 s; the evaluation of the step is not left
    expect_exit 85 train $count late$count "${settings[@]}" train.max_seconds=3.5
    expect_text err ", the last evaluation takes "
    stopped late$count max_seconds
    [ $count = 3 ] || TEMPER_FAULT= ends_well late$count
done
# nothing was measured, and the job ends at once
SLURM_JOB_END_TIME=$(($(date +%s) + 11)) expect_exit 85 train 3 late3 "${settings[@]}"
stopped late3 job_end
TEMPER_FAULT= ends_well late3

# asked RANKS FOLDER HOW: to stop, once all steps are done.
asked() {
    local count=$1 folder=$2 launcher
    "${launch[@]}" -n "$count" "$TEMPER" train recipe.yaml "${settings[@]}" \
        "output.folder=runs/$folder" >"$work/out" 2>"$work/err" &
    launcher=$!
    for _ in $(seq 300); do
        [ -s "runs/$folder/metrics.jsonl" ] && break
        sleep 0.05
    done
    if [ "$3" = file ]; then touch "runs/$folder/STOP"; else kill -USR1 $launcher; fi
    wait $launcher
    status=$?
}

asked 3 signal signal
[ $status = 85 ] || fail "exit code $status: $(cat "$work/err")"
stopped signal signal
TEMPER_FAULT= ends_well signal
asked 1 file file
[ $status = 85 ] || fail "exit code $status: $(cat "$work/err")"
stopped file stop_file
[ ! -e runs/file/STOP ] || fail "STOP stays"

# the controls: an end that is fast enough, and results that are not the same
TEMPER_FAULT= expect_exit 0 train 3 early "${settings[@]}" train.max_seconds=100
expect_failure stopped early max_seconds
expect_exit 0 train 1 other "${settings[@]}" train.seed=8
expect_failure same_run whole other
