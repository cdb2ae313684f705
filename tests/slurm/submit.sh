#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# temper submit on a Slurm: what it queues trains to the bits of a run without Slurm, is stopped and
# goes on; tasks of an array do so each for itself, as many at a time as it says.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 3

# queued [key=value ...]: $job is its number.
queued() {
    expect_exit 0 "$TEMPER" submit recipe.yaml "$@"
    job=$(cat "$work/out")
    [[ $job =~ ^[0-9]+$ ]] || fail "no number of a job: '$job'"
}

# a job of two nodes, with options of every kind, and words that a shell would run
value='$(touch taken); touch taken "'\'$'\n''touch taken'
queued output.folder=runs/two slurm.nodes=2 slurm.ranks_per_node=1 slurm.partition=urgent \
    slurm.time=10 slurm.extra=$'--comment="$(touch taken)"\n--nice=3' "data.system=$value"
slurm_await 60 slurm_in "$job" COMPLETED || fail "two: $(cat runs/two/slurm-*.log)"
[ ! -e taken ] || fail "a value was a command"
[ "$(slurm_field "$job" NumNodes) $(slurm_field "$job" Partition)" = "2 urgent" ] &&
    [ "$(slurm_field "$job" JobName) $(slurm_field "$job" TimeLimit)" = "two 00:10:00" ] ||
    fail "$(scontrol show job "$job")"
grep -q "; leaves 16, ranks 2, threads a rank 2$" "runs/two/slurm-$job.log" ||
    fail "$(cat "runs/two/slurm-$job.log")"
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/alone
same_run alone two

# tasks of an array, two at a time though there is a node for each: one is stopped and goes on after
# the third, the other is left alone
endless
queued output.folder=runs/sweep slurm.array=4-6%2 slurm.ranks_per_node=2 "data.system=$value"
task() { cat "runs/sweep/slurm-${job}_$1.log"; }
went_on() { [ "$(task "$1" | grep -c "^resumed from runs/sweep/$1/")" = "$2" ]; }
trains() { slurm_await 60 test -s "runs/sweep/$1/metrics.jsonl" || fail "task $1: $(task "$1")"; }
running() { [ "$(squeue -h -r -j "$job" -t R,CG -o %K | sort | xargs)" = "$1" ]; }
trains 4
trains 5
slurm_await 30 running "4 5" || fail "$(squeue)"
[ ! -e runs/sweep/6 ] || fail "three at a time"
scancel --batch --signal=USR1 "${job}_5" # its number alone is the number of the whole array
trains 6
slurm_await 30 running "4 6" || fail "$(squeue)"
# ended TASK: for good, by a file STOP.
ended() {
    touch "runs/sweep/$1/STOP"
    slurm_await 60 grep -q "^stopped by runs/sweep/$1/STOP: not queued again" \
        "runs/sweep/slurm-${job}_$1.log" || fail "$(task "$1")"
}
ended 4
slurm_await 90 went_on 5 1 || fail "task 5: $(task 5)"
grep -q "^job ${job}_5 on .*, restarts 1, " <(task 5) || fail "$(task 5)"
went_on 6 0 && went_on 4 0 || fail "others were stopped too: $(task 4) $(task 6)"
ended 5
ended 6
slurm_await 60 slurm_idle 3 || fail "$(squeue)"
[ ! -e taken ] || fail "a value was a command"
for i in 4 5 6; do
    last=$(newest sweep/$i | sed -E 's/.*step-0*([0-9]+)\.h5$/\1/')
    expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/alone-$i train.seed=$i \
        "train.max_steps=$last"
    same_run alone-$i sweep/$i
done
# the control: a run of another seed
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/other train.seed=4 \
    "train.max_steps=$last"
expect_failure same_run other sweep/6

# the same by hand
job=$(sbatch --parsable --array=7-8%1 --output=hand-%a.log "$TEMPER_SOURCE/slurm/train.sbatch" \
    recipe.yaml output.folder=runs/hand train.max_steps=3)
for i in 7 8; do
    slurm_await 60 test -s runs/hand/$i/report.json || fail "task $i: $(cat hand-$i.log)"
    grep -q "seed: $i\$" runs/hand/$i/recipe.yaml || fail "$(cat runs/hand/$i/recipe.yaml)"
done
