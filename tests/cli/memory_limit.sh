#!/usr/bin/env bash
# TEST labels=cli,memory timeout=60
# The limit of a real control group, where this process may make one, is what a run may take of the
# node; pages of files that were read in it do not count.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
[ "$(stat -f -c %T .)" != tmpfs ] || skip "the folder for files is in memory"
v1=$(awk -F ' - ' '$2 ~ /^cgroup .*[ ,]memory(,|$)/ { split($1, a, " "); print a[5]; exit }' \
    /proc/self/mountinfo)
v2=$(awk -F ' - ' '$2 ~ /^cgroup2 / { split($1, a, " "); print a[5]; exit }' /proc/self/mountinfo)
if [ -n "$v1" ]; then
    own=$v1$(awk -F : '$2 ~ /(^|,)memory(,|$)/ { print $3 }' /proc/self/cgroup)
    [ -d "$own" ] || own=$v1
    limit=memory.limit_in_bytes
else
    own=$v2 limit=memory.max
fi
outer=$own/temper-$$
inner=$outer/step
remove() { rmdir "$inner" "$outer" 2>/dev/null; }
mkdir "$outer" "$inner" 2>/dev/null || skip "no control group can be made here"
trap 'remove; finish' EXIT
[ -w "$outer/$limit" ] || skip "no control group with memory can be made here"

# left GROUP COMMAND...: the GB that doctor finds after the command, both in the group.
left() {
    (echo "$BASHPID" >"$1/cgroup.procs" && shift && "$@" &&
        exec "$TEMPER" doctor --folder "$work" --megabytes 1) >out 2>err ||
        { fail "no verdicts: $(cat out err)"; return; }
    awk '$2 == "memory" { print $3 }' out
}

# between WHAT LEAST MOST VALUE
between() {
    awk -v low="$2" -v high="$3" -v x="${4:-0}" 'BEGIN { exit !(x >= low && x <= high) }' ||
        fail "$1: '$4' GB are left, not $2 to $3"
}

free=$(awk '/^MemAvailable/ { print int($2 / 1e6) }' /proc/meminfo)
[ "$free" -ge 2 ] || skip "the node has not enough memory"
read_twice() {
    head -c 400000000 /dev/zero >large && cat large large >/dev/null # dirty pages, then active ones
}
without=$(left "$inner" true)
between "no limit" 1.2 1e9 "$without"
echo 1000000000 >"$outer/$limit"
between "limit above" 0.8 1 "$(left "$inner" true)"
for try in 1 2 3 4 5; do # pages that are just on their way between the kernel's lists count as used
    after=$(left "$inner" read_twice)
    awk -v x="${after:-0}" 'BEGIN { exit !(x >= 0.8) }' && break
    echo "try $try: $after GB"
    sleep 1
done
between "after a file was read" 0.8 1 "$after"
echo 600000000 >"$inner/$limit" 2>/dev/null &&
    between "both" 0.4 0.6 "$(left "$inner" true)"

# what plan says, and what refuses to train
(echo "$BASHPID" >"$inner/cgroup.procs" && exec "$TEMPER" plan recipe.yaml --ranks-per-node 1) >out
grep -q "fit into 0\.[0-9]* GB a node" out || fail "$(cat out)"
big=(model.init=random model.hidden_size=1024 model.num_hidden_layers=16)
expect_exit 0 "$TEMPER" plan recipe.yaml --ranks-per-node 1 "${big[@]}" # the control
(echo "$BASHPID" >"$inner/cgroup.procs" && exec "$TEMPER" train recipe.yaml "${big[@]}") >out 2>err
[ $? = 1 ] || fail "trains: $(cat out err)"
grep -q "GB more on a node with 1 rank, .*: [0-9]* such nodes .*would do, see temper plan" err ||
    fail "$(cat err)"
