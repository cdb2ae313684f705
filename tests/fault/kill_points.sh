#!/usr/bin/env bash
# TEST labels=train timeout=240
# Killed at every named point of a save: what is there is whole, and the run ends in the same bits.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
settings=(output.save_steps=2 output.save_total_limit=2)

expect_exit 0 train 1 whole "${settings[@]}"
for point in after-create payload after-close before-rename after-rename before-rotate; do
    for nth in 1 2; do
        name=$point$nth
        TEMPER_FAULT=kill-$point:0:$nth train 2 "$name" "${settings[@]}" >"$work/out" 2>"$work/err"
        [ $? != 0 ] || fail "$point did not kill"
        sound "$name"
        partials=$(find "runs/$name" -name '*.partial-*' | wc -l)
        wanted=$([[ $point = after-rename || $point = before-rotate ]] && echo 0 || echo 1)
        [ "$partials" = "$wanted" ] || fail "$name left $partials partial files"
        # the file that was written whole but not renamed is no checkpoint
        if [ $name = before-rename1 ]; then
            partial=$(find "runs/$name" -name '*.partial-*')
            expect_exit 0 "$TEMPER" inspect "$partial" --validate
            expect_exit 2 "$TEMPER" evaluate "runs/$name"
            expect_text err "holds no checkpoint"
        fi
        expect_exit 0 train 3 "$name" "${settings[@]}"
        same_run whole "$name"
        [ -z "$(find "runs/$name" -name '*partial*')" ] || fail "$name: a partial file was left"
    done
done
