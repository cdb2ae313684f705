#!/usr/bin/env bash
# TEST labels=train timeout=180
# What else may lie among the checkpoints: partial files, files of no length, other people's files,
# a folder. None is loaded, nobody's file is deleted, and rotation keeps the last sound checkpoint.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"
settings=(output.save_steps=2 output.save_total_limit=2 data.split.validation=0)

# kept FOLDER STEP...: these are its checkpoints.
kept() {
    local folder=runs/$1/checkpoints
    shift
    [ "$(cd "$folder" && echo step-??????????.h5)" = "$(printf 'step-%010d.h5\n' "$@" | xargs)" ] ||
        fail "checkpoints are $(ls "$folder")"
}

expect_exit 0 train 1 whole "${settings[@]}"
kept whole 6 8
expect_exit 0 train 1 short "${settings[@]}" train.max_steps=4
kept short 2 4

# partial files of dead processes are removed, complete or not; other files stay
cp -r runs/short runs/partial
folder=runs/partial/checkpoints
cp "$(newest whole)" "$folder/step-0000000008.h5.partial-elsewhere-1"
head -c 1000 "$(newest whole)" >"$folder/step-0000000006.h5.partial-elsewhere-1"
mine=(notes.txt step-6.h5 step-0000000006.h5.txt step-0000000006.h5.partial other.partial-1)
for name in "${mine[@]}"; do echo "not temper's" >"$folder/$name"; done
expect_exit 0 train 2 partial "${settings[@]}"
expect_text err "resumed from $folder/step-0000000004.h5"
same_run whole partial
kept partial 6 8
for name in "${mine[@]}"; do
    [ "$(cat "$folder/$name")" = "not temper's" ] || fail "$name is gone"
done
[ -z "$(find $folder -name '*.partial-elsewhere-*')" ] || fail "partial files were left"

# what has a checkpoint's name and is none is named, whatever it is, and stays
for kind in nothing text folder model; do
    cp -r runs/short "runs/$kind"
    file=runs/$kind/checkpoints/step-0000000006.h5
    case $kind in
    nothing) : >"$file" ;;
    text) echo "not temper's" >"$file" ;;
    folder) mkdir "$file" ;;
    model) cp tiny.h5 "$file" ;;
    esac
    alone=true refused 1 "temper: $file: " train recipe.yaml "output.folder=runs/$kind" \
        "${settings[@]}"
    [ $kind = folder ] || alone=true refused 1 "temper: $file: " evaluate "$file"
    expect_exit 0 "$TEMPER" export "runs/$kind" -o "$work/exported-$kind"
    expect_text err "warning: $file: "
    expect_text out "from runs/$kind/checkpoints/step-0000000004.h5"
    rm -r "$work/exported-$kind"
    # the older one is gone on from when asked: nothing is lost
    cp -r "$file" mine
    expect_exit 0 train 1 "$kind" "${settings[@]}" \
        "train.resume=runs/$kind/checkpoints/step-0000000004.h5"
    same_run whole "$kind"
    diff -r mine "$file.old" >/dev/null || fail "$kind: $file is gone"
    rm -r mine
done

alone=true refused 2 "temper: train.resume missing.h5: No such file" train recipe.yaml \
    output.folder=runs/short "${settings[@]}" train.resume=missing.h5
kept short 2 4

# one that is damaged and older is left alone by rotation, and said; the sound ones are kept
cp -r runs/short runs/rotated
file=runs/rotated/checkpoints/step-0000000002.h5
truncate -s 1000 "$file"
expect_exit 0 train 1 rotated "${settings[@]}" output.save_total_limit=1
expect_text err "warning: $file: "
expect_text err "it is left alone"
kept rotated 2 8
same_run whole rotated

# a run that starts anew, or from an older checkpoint, keeps those of the steps to come as *.old
expect_exit 0 train 1 whole "${settings[@]}" train.resume=never train.learning_rate=2e-2
expect_text err "checkpoints/step-0000000008.h5 is of a later step than this run: renamed"
kept whole 6 8
expect_exit 1 "$TEMPER" compare "$(newest whole)" "$(newest partial)"
expect_exit 0 "$TEMPER" compare runs/whole/checkpoints/step-0000000008.h5.old "$(newest partial)"
expect_exit 0 train 1 never "${settings[@]}" train.learning_rate=2e-2
expect_exit 0 "$TEMPER" compare "$(newest whole)" "$(newest never)"

# the best one stays besides the last
expect_exit 0 train 1 best output.save_steps=2 output.save_total_limit=1 train.epochs=4 \
    train.metric_for_best_model=accuracy
best=$("$TEMPER" inspect "$(newest best)" | sed -nE 's/^ *best_step +//p')
kept best "$best" 16
