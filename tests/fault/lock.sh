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

# lock NAME HOST PID START JOB [AGE]: a lock that is AGE seconds old.
lock() {
    mkdir -p "runs/$1"
    echo "host $2 pid $3 start $4 job $5" >"runs/$1/lock"
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
lock stale elsewhere 1 1 - 130
lock slurm-gone elsewhere 1 1 77
slurm "" 0 slurm-gone
lock slurm-purged elsewhere 1 1 77
slurm "slurm_load_jobs error: Invalid job id specified" 1 slurm-purged
lock slurm-alive elsewhere 1 1 77 130
slurm R 0 slurm-alive
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

for name in alive fresh stale dead reused torn old-torn folder zombie; do begin $name; done
for name in slurm-gone slurm-purged slurm-alive slurm-mute slurm-none; do
    begin $name SLURM_JOB_ID=78
done

for name in dead reused stale old-torn zombie slurm-gone slurm-purged; do
    ended $name 0 0 25
    grep -q waiting "$name.err" && fail "$name: waits for nobody: $(cat "$name.err")"
    [ ! -e "runs/$name/lock" ] || fail "$name: the lock was left"
done
ended folder 1 0 25
grep -q "runs/folder/lock is no lock of temper's: move it away" folder.err ||
    fail "folder: $(cat folder.err)"
[ -d runs/folder/lock ] || fail "what is not ours was removed"
for name in alive fresh torn slurm-alive slurm-mute slurm-none; do
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
sed -i 's/max_steps: 1/epochs: 300/' recipe.yaml
both locked
last="step-0000001200.h5 was made with train.seed"
[ "$ends" = "0 2 " ] || fail "two jobs end with $ends: $(tail -n 3 locked?.err)"
[ "$(cat locked?.err | grep -c "runs/locked is in use by process")" = 1 ] || fail "nobody waited"
[ "$(cat locked?.err | grep -c "$last")" = 1 ] || fail "$(grep -h temper: locked?.err)"

# the control: without the lock the second goes on while the first still trains
(while sleep 0.01; do rm -f runs/harm/lock; done) &
remover=$!
both harm
kill $remover
cat harm?.err | grep -q "$last" && fail "the second waits without a lock"
exit 0
