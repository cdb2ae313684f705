#!/usr/bin/env bash
# TEST labels=train timeout=180
# Ranks killed at any instant: the checkpoints that are there are whole, and the run, gone on with
# on other numbers of ranks, ends in the bits of one that nobody disturbed.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(train.epochs=40 output.save_steps=1 output.save_total_limit=2)
seed=${TEMPER_TEST_SEED:-$$}
RANDOM=$seed
echo "seed $seed"

# ranks_of LAUNCHER: the processes it started.
ranks_of() {
    pgrep -P "$1"
}

# steps FOLDER: lines of its metrics.
steps() {
    cat "runs/$1/metrics.jsonl" 2>/dev/null | wc -l
}

# begin RANKS FOLDER: a job in the background, $launcher; returns when it has made steps.
begin() {
    local before
    before=$(steps "$2")
    "${MPIEXEC:-mpirun}" --quiet -n "$1" "$TEMPER" train recipe.yaml "output.folder=runs/$2" \
        "${settings[@]}" >job.out 2>job.err </dev/null &
    launcher=$!
    until [ "$(steps "$2")" != "$before" ]; do
        kill -0 $launcher 2>/dev/null || break
        sleep 0.01
    done
}

# ended LAUNCHER SECONDS: it ends by then.
ended() {
    for _ in $(seq $(($2 * 20))); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

expect_exit 0 train 1 whole "${settings[@]}"

# all ranks, at random instants
hits=0
for trial in {1..12}; do
    begin $((trial % 4 + 1)) killed
    sleep "0.$((RANDOM % 30 + 100))"
    # shellcheck disable=SC2046 # words
    kill -9 $(ranks_of $launcher) $launcher 2>/dev/null && hits=$((hits + 1))
    wait $launcher 2>/dev/null
    sound killed
done
[ $hits -ge 9 ] || fail "only $hits of 12 kills hit a running job"
expect_exit 0 train 3 killed "${settings[@]}"
expect_text err "resumed from runs/killed/checkpoints/step-"
same_run whole killed
[ -z "$(find runs/killed -name '*partial*')" ] || fail "left: $(find runs/killed -name '*partial*')"

# one rank alone: the job ends, and goes on where it was
for victim in 1 3; do
    begin 3 "lost$victim"
    kill -9 "$(ranks_of $launcher | sed -n "${victim}p")"
    ended $launcher 20 || fail "the job outlives its rank $victim"
    wait $launcher && fail "the job ends well without its rank $victim"
    [ -z "$(ranks_of $launcher)" ] || fail "ranks outlive the job"
    sound "lost$victim"
    expect_exit 0 train 2 "lost$victim" "${settings[@]}"
    same_run whole "lost$victim"
done

# the controls: a checkpoint of another seed is no equal, and half a file not sound
expect_exit 0 train 1 other "${settings[@]}" train.seed=8
(failures=0; same_run whole other 2>/dev/null; [ "$failures" != 0 ]) || fail "two seeds, one run"
truncate -s 100000 "$(newest other)"
(failures=0; sound other 2>/dev/null; [ "$failures" != 0 ]) || fail "half a file is sound"
