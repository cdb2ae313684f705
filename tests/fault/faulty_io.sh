#!/usr/bin/env bash
# TEST labels=train timeout=120
# Disks that take part of a write, interrupt calls, fail, or have a quota: the file is whole, or the
# save fails on all ranks and says why.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
: "${TEMPER_FAULTY_IO:?the library to preload}"
settings=(output.save_steps=2 output.save_total_limit=2 data.split.validation=0)
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0

# faulty WHAT RANKS FOLDER [key=value ...]
faulty() {
    local what=$1
    shift
    FAULTY_IO=$what LD_PRELOAD=$TEMPER_FAULTY_IO train "$@" "${settings[@]}"
}

# the control: what is preloaded does what it says
mkdir checkpoints
for what in short:500 write:5:1:EIO sync:122:1:EDQUOT; do
    said=$(FAULTY_IO=${what%:*} LD_PRELOAD=$TEMPER_FAULTY_IO python3 -c 'import errno, os
file = os.open("checkpoints/x", os.O_CREAT | os.O_WRONLY)
try:
    print(os.write(file, bytes(1000)))
    os.fsync(file)
except OSError as error:
    print(errno.errorcode[error.errno])' | xargs)
    case "$what" in *"${said##* }") ;; *) fail "$what gives $said" ;; esac
done

expect_exit 0 train 1 whole "${settings[@]}"
for what in short interrupted; do
    expect_exit 0 faulty $what 3 $what
    same_run whole $what
    sound $what
    expect_exit 0 faulty $what 2 "$what" # read again
    grep -q warning "$work/err" && fail "$what: $(cat "$work/err")"
done

# fails FAULT MESSAGE: the second save fails and is named, the others are made.
fails() {
    expect_exit 0 faulty "$1" 1 "$1"
    [ "$(grep -c '^warning: ' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
    expect_text err "$2; training goes on"
    same_run whole "$1"
    sound "$1"
}
# each number of error, of the first call, the last ones and those between
EIO=5 ENOSPC=28 EDQUOT=122
for nth in 1 2 20 60; do
    fails write:$EIO:$nth "Input/output error"
    fails write:$EDQUOT:$nth "Disk quota exceeded"
done
for nth in 1 2 3 4; do fails sync:$EIO:$nth "Input/output error"; done
fails folder:$EIO:1 "checkpoints: cannot be synced: Input/output error"
fails reserve:$EDQUOT:1 "Disk quota exceeded"
fails reserve:$ENOSPC:2 "No space left on device"

# from some call on nothing works: periodic saves warn, the last fails, the older stays
for what in write:$EDQUOT:-150 sync:$EIO:-4 reserve:$ENOSPC:-2; do
    begun=$SECONDS
    expect_exit 1 faulty $what 3 "dead-$what"
    [ $((SECONDS - begun)) -lt 30 ] || fail "$what: $((SECONDS - begun)) s"
    [ "$(grep -c '^temper: ' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
    expect_text err "temper: runs/dead-$what/checkpoints/step-0000000008.h5: "
    expect_text err "training goes on"
    [ "$(ls "runs/dead-$what/checkpoints" | head -n 1)" = step-0000000002.h5 ] ||
        fail "$what: $(ls "runs/dead-$what/checkpoints")"
    [ -z "$(find "runs/dead-$what" -name '*partial*')" ] || fail "$what left a partial file"
    sound "dead-$what"
    expect_exit 0 train 2 "dead-$what" "${settings[@]}"
    same_run whole "dead-$what"
done
