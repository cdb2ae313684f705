#!/usr/bin/env bash
# TEST labels=train timeout=240
# Disks that fill: a save that does not fit fails on all ranks and leaves the older one, training
# goes on and the next save tries again. Each trial has a file system of its own.
if [ -z "${TEMPER_OWN_MOUNTS:-}" ]; then
    for how in "--mount" "--mount --map-root-user"; do
        # shellcheck disable=SC2086 # words
        unshare $how true 2>/dev/null && TEMPER_OWN_MOUNTS=1 exec unshare $how bash "$0"
    done
    echo "SKIPPED full_disk.sh: no file system can be mounted here" >&2
    exit 77
fi
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(output.save_steps=2 output.save_total_limit=1 data.split.validation=0)
mkdir disk
mount -t tmpfs -o size=8m tmpfs disk 2>/dev/null || skip "no file system can be mounted here"
umount disk

used() {
    df --output=used -k disk | tail -n 1 | tr -d ' '
}

on_disk() {
    timeout 60 "${launch[@]}" -n "$1" "$TEMPER" train recipe.yaml \
        output.folder=disk/run "${settings[@]}" "${@:2}" </dev/null
}

# trial MARGIN_KIB FAULT: one checkpoint is there and so much room; FAULT as in TEMPER_FAULT.
trial() {
    mount -t tmpfs -o size=8m tmpfs disk
    expect_exit 0 on_disk 1 train.max_steps=2
    local files
    files=$(cd disk/run && sha256sum checkpoints/*)
    mount -o "remount,size=$(($(used) + $1))k" disk
    TEMPER_FAULT=$2 on_disk 3 >"$work/out" 2>"$work/err"
    case $? in
    0)
        fitted=$((fitted + 1))
        ;;
    1)
        failed=$((failed + 1))
        [ "$(grep -c '^temper: ' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
        grep -q "^temper: disk/run/.*No space left on device" "$work/err" ||
            fail "at $1 KiB, $2: $(cat "$work/err")"
        (cd disk/run && echo "$files" | sha256sum --quiet -c) ||
            fail "at $1 KiB, $2: the older checkpoint is not what it was"
        [ "$(ls disk/run/checkpoints | wc -l)" = 1 ] || fail "left: $(ls disk/run/checkpoints)"
        ;;
    *) fail "at $1 KiB, $2: $(cat "$work/err")" ;;
    esac
    mount -o remount,size=8m disk
    expect_exit 0 on_disk 2
    expect_exit 0 "$TEMPER" compare runs/whole disk/run
    umount disk || fail "a file is still open"
}

expect_exit 0 train 1 whole "${settings[@]}"
need=$((($(stat -c %s "$(newest whole)") + 4095) / 4096 * 4))
for fault in "" reserve-unsupported:0:0 reserve-nothing:0:0; do
    fitted=0 failed=0
    for margin in 4 $((need / 2)) $need $((need - 4)) $((need + 4)) $((need + 80)) 8000; do
        trial "$margin" "$fault"
    done
    echo "with $need KiB a checkpoint, '$fault': $failed failed, $fitted fitted"
    [ $failed -ge 4 ] && [ $fitted -ge 1 ] || fail "$failed failed, $fitted fitted"
done

# a save that failed is tried again at the next one: room is made when the first has failed
mount -t tmpfs -o size=8m tmpfs disk
expect_exit 0 on_disk 1 train.max_steps=2 train.epochs=40
mount -o "remount,size=$(($(used) + need - 40))k" disk
on_disk 3 train.epochs=40 >job.out 2>job.err &
job=$!
until grep -q "No space left on device; training goes on" job.err; do
    kill -0 $job 2>/dev/null || break
    sleep 0.02
done
mount -o remount,size=8m disk
wait $job || fail "exit code $? where room was made: $(tail -n 3 job.err)"
grep -q "^warning: disk/run/checkpoints/step-.*No space left on device; training goes on" job.err ||
    fail "no save failed: $(tail -n 3 job.err)"
expect_exit 0 train 1 long "${settings[@]}" train.epochs=40
expect_exit 0 "$TEMPER" compare runs/long disk/run
[ "$(losses long)" = "$(losses ../disk/run)" ] || fail "lines of metrics are lost"

# asked to stop on a full disk: exit code 1, not "saved"
rm -r disk/run
expect_exit 0 on_disk 1 train.max_steps=2 train.epochs=1000
mount -o "remount,size=$(($(used) + 8))k" disk
"${launch[@]}" -n 2 "$TEMPER" train recipe.yaml output.folder=disk/run \
    "${settings[@]}" train.epochs=1000 output.save_steps=0 >job.out 2>job.err </dev/null &
job=$!
until [ "$(wc -l <disk/run/metrics.jsonl)" -gt 6 ]; do
    kill -0 $job 2>/dev/null || break
    sleep 0.02
done
kill -USR1 $job
interrupted $job 1 job.err
grep -q "^temper: .*No space left on device" job.err || fail "$(tail -n 3 job.err)"
umount disk || fail "a file is still open"
