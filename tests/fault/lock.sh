#!/usr/bin/env bash
# TEST labels=train timeout=180
# One job per run folder: the second waits, then refuses and names the first; what a dead job left
# is taken over. All cases wait at once, each in a folder of its own.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
sed -i 's/epochs: 2/max_steps: 1/' recipe.yaml
mkdir bin
sleep 300 &
holder=$!
start=$(cut -d ' ' -f 22 "/proc/$holder/stat")

# lock NAME HOST PID START JOB [AGE]: a lock that is AGE seconds old. Pids mean something here
# alone; $boot and $pids say that it is of another container of the same name.
lock() {
    local boot=${boot:-another-boot} pids=${pids:-1} life=${life:-0}
    if [ "$2" = "$(hostname)" ] && [ "$boot" = another-boot ]; then
        boot=$(cat /proc/sys/kernel/random/boot_id)
        [ "$pids" != 1 ] || pids=$(readlink /proc/self/ns/pid | tr -dc 0-9)
    fi
    mkdir -p "runs/$1"
    echo "host $2 pid $3 start $4 job $5 restarts $life boot $boot pids $pids" >"runs/$1/lock"
    touch -d "-${6:-0} seconds" "runs/$1/lock"
}

# slurm ANSWER CODE: a squeue that says that of every job.
slurm() {
    printf '#!/bin/sh\nprintf "%%s" "%s"\nexit %s\n' "$1" "$2" >"bin/squeue-$3"
    chmod +x "bin/squeue-$3"
}

# begin NAME [VARIABLE=VALUE ...]: a job in that folder, in the background.
declare -A jobs
begin() {
    local name=$1
    shift
    (
        mkdir "bin/$name"
        [ ! -e "bin/squeue-$name" ] || cp "bin/squeue-$name" "bin/$name/squeue"
        begun=$SECONDS
        PATH="$work/bin/$name:$PATH" timeout 60 env "$@" "$TEMPER" train recipe.yaml \
            "output.folder=runs/$name" >"$name.out" 2>"$name.err" </dev/null
        echo "$? $((SECONDS - begun))" >"$name.end"
    ) &
    jobs[$name]=$!
}

# ended NAME CODE LEAST MOST: how it ended, after how many seconds.
ended() {
    local status seconds
    wait "${jobs[$1]}"
    read -r status seconds <"$1.end"
    [ "$status" = "$2" ] || fail "$1: exit code $status, expected $2: $(cat "$1.err")"
    [ "$seconds" -ge "$3" ] && [ "$seconds" -le "$4" ] || fail "$1: after $seconds s"
}

lock alive "$(hostname)" $holder "$start" -
lock reused "$(hostname)" $holder $((start - 1)) -
lock dead "$(hostname)" 999999999 1 -
lock fresh elsewhere 1 1 -
lock clock elsewhere 1 1 -
boot=of-another lock namesake "$(hostname)" 999999999 1 -
pids=2 lock contained "$(hostname)" 999999999 1 -
lock stale elsewhere 1 1 - 130
lock slurm-gone elsewhere 1 1 77
slurm "" 0 slurm-gone
lock slurm-purged elsewhere 1 1 77
slurm "slurm_load_jobs error: Invalid job id specified" 1 slurm-purged
lock slurm-alive elsewhere 1 1 77
slurm R 0 slurm-alive
lock slurm-requeued elsewhere 1 1 78 # that job runs again, here
slurm R 0 slurm-requeued
life=1 lock slurm-sibling elsewhere 1 1 78 # another step of this job
slurm R 0 slurm-sibling
lock slurm-pending elsewhere 1 1 77
slurm PD 0 slurm-pending
lock slurm-mute elsewhere 1 1 77
slurm "slurm_load_jobs error: Unable to contact slurm controller" 1 slurm-mute
lock slurm-none elsewhere 1 1 77
mkdir -p runs/torn runs/old-torn runs/folder/lock
: >runs/torn/lock
: >runs/old-torn/lock
touch -d "-130 seconds" runs/old-torn/lock
# a dead process whose parent never asked is no holder
python3 -c 'import os, time
child = os.fork() or os._exit(0)
print(child, file=open("zombie", "w"), flush=True)
time.sleep(300)' &
parent=$!
until grep -qs '^State:.Z' "/proc/$(cat zombie 2>/dev/null)/status"; do sleep 0.1; done
lock zombie "$(hostname)" "$(cat zombie)" "$(cut -d ' ' -f 22 "/proc/$(cat zombie)/stat")" -

for name in alive fresh namesake contained stale dead reused torn old-torn folder zombie; do
    begin $name
done
# a clock of this node that is ahead of the file server's makes no lock older
begin clock FAULTY_CLOCK=1000 "LD_PRELOAD=$TEMPER_FAULTY_IO" \
    "ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0"
for name in slurm-gone slurm-purged slurm-pending slurm-requeued slurm-alive slurm-sibling \
    slurm-mute slurm-none; do
    begin $name SLURM_JOB_ID=78 SLURM_RESTART_COUNT=1
done

for name in dead reused stale old-torn zombie slurm-gone slurm-purged slurm-pending \
    slurm-requeued; do
    ended $name 0 0 25
    grep -q waiting "$name.err" && fail "$name: waits for nobody: $(cat "$name.err")"
    [ ! -e "runs/$name/lock" ] || fail "$name: the lock was left"
done
ended folder 1 0 25
grep -q "runs/folder/lock is no lock of temper's: move it away" folder.err ||
    fail "folder: $(cat folder.err)"
[ -d runs/folder/lock ] || fail "what is not ours was removed"
for name in alive fresh namesake contained clock torn slurm-alive slurm-sibling slurm-mute \
    slurm-none; do
    ended $name 1 29 45
    grep -q "is in use by process .*: waiting" "$name.err" || fail "$name: $(cat "$name.err")"
    [ -e "runs/$name/lock" ] && [ "$(ls "runs/$name")" = lock ] || fail "$name: $(ls "runs/$name")"
done
grep -q "temper: runs/alive is in use by process $holder on $(hostname) (job -)" alive.err ||
    fail "alive: $(cat alive.err)"
grep -q "temper: runs/slurm-alive is in use by process 1 on elsewhere (job 77)" slurm-alive.err ||
    fail "slurm-alive: $(cat slurm-alive.err)"
kill $holder $parent

# both NAME: two jobs at once, with two seeds; how they ended goes to $ends.
both() {
    local i
    for i in 1 2; do
        (train 1 "$1" "train.seed=$i" >"$1$i.out" 2>"$1$i.err" </dev/null; echo $? >"$1$i.end") &
        jobs[$i]=$!
    done
    wait "${jobs[1]}" "${jobs[2]}"
    ends=$(sort "$1"?.end | tr '\n' ' ')
}

# two jobs at once: one trains, the other waits, finds a finished run and refuses to mix in
epochs=300
grep -q __asan_init "$TEMPER" && epochs=20 # a sanitized step takes fifty times as long
sed -i "s/max_steps: 1/epochs: $epochs/" recipe.yaml
both locked
last="$(printf 'step-%010d.h5' $((4 * epochs))) was made with train.seed"
[ "$ends" = "0 2 " ] || fail "two jobs end with $ends: $(tail -n 3 locked?.err)"
[ "$(cat locked?.err | grep -c "runs/locked is in use by process")" = 1 ] || fail "nobody waited"
[ "$(cat locked?.err | grep -c "$last")" = 1 ] || fail "$(grep -h temper: locked?.err)"

# the control: without the lock the second goes on while the first still trains
(while sleep 0.01; do rm -f runs/harm/lock; done) &
remover=$!
both harm
kill $remover
cat harm?.err | grep -q "$last" && fail "the second waits without a lock"
# and neither saves into a folder that may be the other's
[ "$ends" = "1 1 " ] || fail "without a lock two jobs end with $ends"
grep -q "temper: runs/harm/lock is gone: another job may use the folder" harm1.err ||
    fail "harm: $(cat harm1.err)"

# a job that another took its folder from saves no more, and leaves the other's lock
train 1 frozen train.eval_steps=100 >frozen.out 2>frozen.err </dev/null &
until [ -s runs/frozen/metrics.jsonl ]; do sleep 0.05; done
lock frozen elsewhere 5 1 88
cp runs/frozen/lock kept
wait $!
[ $? = 1 ] || fail "a job goes on in the folder of another: $(cat frozen.err)"
grep -q "temper: runs/frozen/lock was taken over by process 5 on elsewhere (job 88)" frozen.err ||
    fail "frozen: $(cat frozen.err)"
cmp -s kept runs/frozen/lock || fail "the other's lock is gone"
[ -z "$(ls runs/frozen/checkpoints)" ] || fail "$(ls runs/frozen/checkpoints)"
exit 0
