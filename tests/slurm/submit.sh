#!/usr/bin/env bash
# TEST labels=long,train timeout=600
# temper submit on a Slurm: what it queues trains to the bits of a run without Slurm, is stopped and
# goes on; tasks of an array do so each for itself.
source "${TEMPER_SOURCE:?}/tests/support/slurm.sh"
slurm_start 2

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

# tasks of an array: one is stopped and goes on, the other is left alone
endless
queued output.folder=runs/sweep slurm.array=4-5 slurm.ranks_per_node=2
task() { cat "runs/sweep/slurm-${job}_$1.log"; }
went_on() { [ "$(task "$1" | grep -c "^resumed from runs/sweep/$1/")" = "$2" ]; }
for i in 4 5; do
    slurm_await 60 test -s runs/sweep/$i/metrics.jsonl || fail "task $i: $(task $i)"
done
scancel --batch --signal=USR1 "${job}_5" # its number alone is the number of the whole array
slurm_await 90 went_on 5 1 || fail "task 5: $(task 5)"
went_on 4 0 || fail "task 4 was stopped too: $(task 4)"
grep -q "restarts 1, " <(task 5) || fail "$(task 5)"
# neither is queued again
touch runs/sweep/4/STOP runs/sweep/5/STOP
slurm_await 60 slurm_idle 2 || fail "$(squeue)"
for i in 4 5; do
    grep -q "^stopped by runs/sweep/$i/STOP: not queued again" <(task $i) || fail "$(task $i)"
    last=$(newest sweep/$i | sed -E 's/.*step-0*([0-9]+)\.h5$/\1/')
    expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/alone-$i train.seed=$i \
        "train.max_steps=$last"
    same_run alone-$i sweep/$i
done
# the control: a run of another seed
expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/other train.seed=4 \
    "train.max_steps=$last"
expect_failure same_run other sweep/5
