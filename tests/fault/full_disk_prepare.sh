#!/usr/bin/env bash
# TEST labels=data,train,long timeout=240
# Disks that fill while data is prepared, at any point of scratch files and the prepared file: one
# sentence, exit code 1, on all ranks, and nothing is left. Each trial has a file system of its own.
if [ -z "${TEMPER_OWN_MOUNTS:-}" ]; then
    for how in "--mount" "--mount --map-root-user"; do
        # shellcheck disable=SC2086 # words
        unshare $how true 2>/dev/null && TEMPER_OWN_MOUNTS=1 exec unshare $how bash "$0"
    done
    echo "SKIPPED full_disk_prepare.sh: no file system can be mounted here" >&2
    exit 77
fi
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
mkdir disk
mount -t tmpfs -o size=8m tmpfs disk 2>/dev/null || skip "no file system can be mounted here"
umount disk
messages 3 text.tsv

on_disk() {
    timeout 60 "${launch[@]}" -n "$1" "$TEMPER" prepare recipe.yaml \
        data.path=text.tsv data.max_length=64 output.folder=disk/run </dev/null
}

# trial RANKS KIB FAULT: a disk of that size; FAULT as in TEMPER_FAULT.
trial() {
    mount -t tmpfs -o "size=$2k" tmpfs disk
    TEMPER_FAULT=$3 on_disk "$1" >"$work/out" 2>"$work/err"
    case $? in
    0) fitted=$((fitted + 1)) ;;
    1)
        failed=$((failed + 1))
        [ "$(grep -c '^temper: ' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
        grep -q "^temper: disk/.*No space left on device" "$work/err" ||
            fail "with $2 KiB, $3: $(cat "$work/err")"
        grep -q "^temper: disk/.scratch-" "$work/err" && scratch=$((scratch + 1))
        [ -z "$(ls -A disk)" ] || fail "left: $(ls -A disk)"
        [ "$(df --output=used -k disk | tail -n 1 | tr -d ' ')" = 0 ] || fail "space is not freed"
        ;;
    *) fail "with $2 KiB, $3: $(cat "$work/err")" ;;
    esac
    umount disk || fail "a file is still open"
}

# what the prepared file needs; scratch files need as much beside it, but for what buffers hold
mount -t tmpfs -o size=64m tmpfs disk
expect_exit 0 on_disk 2
need=$(($(stat -c %s disk/prepared-*.h5) / 1024))
umount disk
for count in 1 2; do
    fitted=0 failed=0 scratch=0
    for kib in 8 $((need / 8)) $((need / 2)) $((need * 3 / 4)) $((need + need / 2)) \
        $((3 * need + 4096)); do
        trial $count $kib ""
    done
    trial $count $((need + need / 2)) reserve-nothing:0:0
    echo "$count rank(s), $need KiB: $failed failed, $scratch of them on scratch; $fitted fitted"
    [ $scratch -ge 2 ] && [ $failed -gt $scratch ] && [ $fitted -ge 1 ] ||
        fail "$failed failed, $scratch on scratch, $fitted fitted"
done
