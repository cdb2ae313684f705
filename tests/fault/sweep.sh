#!/usr/bin/env bash
# TEST labels=train,long timeout=1500
# Every fault point of the program on every rank of three, in a run that goes on and saves: it ends
# in time with the right exit code and one message, the checkpoint from before is what it was,
# nothing is left behind, and the run can be gone on with to the bits of an undisturbed one.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen # every rank writes
settings=(output.save_steps=2 output.save_total_limit=2 data.split.validation=0 train.leaves=3
    train.hang_seconds=4)
export TEMPER_RANKS_PER_NODE=3

# Points, the ranks that pass them, and what becomes of the run: it fails (its saves do), dies,
# hangs, diverges or goes on.
cat >expected <<'END'
write-create        0   fails
write-payload       012 fails
write-fsync         012 fails
write-close         0   fails
write-rename        0   fails
map                 012 refuses
share               0   goes_on
reserve-unsupported 0   goes_on
reserve-nothing     0   goes_on
kill-after-create   012 dies
kill-payload        012 dies
kill-after-close    0   dies
kill-before-rename  0   dies
kill-after-rename   0   dies
kill-before-rotate  012 dies
hang-step           012 hangs
hang-save           012 hangs
hang-evaluation     012 hangs
loss-nan            012 diverges
leaf-slow           012 goes_on
infer-slow          012 goes_on
features-keep       012 goes_on
save-slow           012 goes_on
delivery-late       012 goes_on
spool-in-memory     012 goes_on
memory-none         012 refuses
disk-none           012 goes_on
cores-of-two        012 goes_on
END
[ "$(cut -d ' ' -f 1 expected)" = "$("$TEMPER" help --faults | cut -d ' ' -f 1)" ] ||
    fail "other points: $(diff <(cut -d ' ' -f 1 expected) <("$TEMPER" help --faults))"

# intact: the checkpoints from before the fault, which are step 2 and 4, are as they were.
intact() {
    local file
    for file in runs/before/checkpoints/*.h5; do
        # rotation may have taken them where there are newer ones
        [ ! -e "runs/$1/checkpoints/${file##*/}" ] ||
            cmp -s "$file" "runs/$1/checkpoints/${file##*/}" || fail "$1: ${file##*/} is another"
    done
    [ -n "$(ls "runs/$1/checkpoints")" ] || fail "$1: no checkpoint is left"
    sound "$1"
}

# judge NAME OUTCOME CODE: the job ended as it should.
judge() {
    local messages leftovers
    messages=$(grep -c '^temper: ' "$work/err")
    leftovers=$(find "runs/$1" -name '*.partial-*' | wc -l)
    case $2 in
    goes_on) [ "$3 $messages $leftovers" = "0 0 0" ] ;;
    fails | diverges | refuses | hangs) [ "$3 $messages" = "1 1" ] ;;
    dies) [ "$3" != 0 ] && [ "$3" != 124 ] && [ "$messages" = 0 ] ;;
    esac || fail "$1: $2 with exit code $3, $messages messages, $leftovers leftovers:
$(cat "$work/err")"
    case $2 in
    fails | diverges | refuses) [ "$leftovers" = 0 ] || fail "$1: $leftovers partial files" ;;
    esac
}

# trial POINT RANK NTH OUTCOME
trial() {
    local name=${1%%:*}$2 begun=$SECONDS
    cp -r runs/before "runs/$name"
    TEMPER_FAULT=${1%%:*}:$2:$3${1#"${1%%:*}"} timeout 60 "${launch[@]}" -n 3 \
        "$TEMPER" train recipe.yaml "output.folder=runs/$name" "${settings[@]}" \
        >"$work/out" 2>"$work/err" </dev/null
    judge "$name" "$4" $?
    [ $((SECONDS - begun)) -lt 45 ] || fail "$name took $((SECONDS - begun)) s"
    intact "$name"
    expect_exit 0 train 2 "$name" "${settings[@]}"
    same_run whole "$name"
    [ -z "$(find "runs/$name" -name '*partial*' -o -name 'pulse-*')" ] || fail "$name: leftovers"
    rm -r "runs/$name"
    trials=$((trials + 1))
}

expect_exit 0 train 1 whole "${settings[@]}"
expect_exit 0 train 1 before "${settings[@]}" train.max_steps=4
trials=0
while read -r -u 3 point passing outcome; do
    for rank in 0 1 2; do
        case $passing in
        *$rank*) becomes=$outcome ;;
        *) becomes=goes_on ;; # this rank does not come by
        esac
        case $outcome in
        fails | goes_on | refuses) trial "$point" $rank 0 "$becomes" ;; # at every passage
        *) trial "$point" $rank 1 "$becomes" ;;
        esac
    done
done 3<expected
# other numbers of error
for error in ENOSPC EDQUOT; do
    for rank in 0 1 2; do
        trial write-payload:$error $rank 0 fails
    done
done
echo "$trials trials"
[ $trials = $((3 * $(wc -l <expected) + 6)) ] || fail "not all"

# the controls: an undisturbed run is none that fails, and a damaged checkpoint not intact
cp -r runs/before runs/control
expect_exit 0 train 3 control "${settings[@]}"
expect_failure judge control fails 0
expect_failure judge control dies 0
cp -r runs/before runs/damaged
printf 'x' | dd of="$(newest damaged)" bs=1 seek=20000 conv=notrunc status=none
expect_failure intact damaged
