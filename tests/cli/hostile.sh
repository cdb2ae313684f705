#!/usr/bin/env bash
# TEST labels=cli,bad,memory timeout=120
# Model files that claim more than they hold are refused at once, in little memory; what lies
# outside of the folder is not read.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
ulimit -v 1500000 # KiB; the program alone maps less
sound=$TEMPER_SOURCE/tests/golden/tiny-bert

# refused TEXT ARGUMENT...: within seconds, in one sentence with the text, and leaves no model.
refused() {
    local text=$1
    shift
    expect_exit 1 timeout 10 "$TEMPER" "$@"
    expect_text err "$text"
    [ "$(grep -c '^temper: ' "$work/err")" = 1 ] || fail "not one sentence: $(cat "$work/err")"
    [ ! -e model.h5 ] || fail "a model of $2"
}

# the controls: the limit bites, sound files fit into it, and are no failures
expect_exit 1 python3 -c 'bytearray(1600000 * 1024)'
cp -r "$sound" sound
expect_failure refused "sound" import sound -o again.h5
[ -s again.h5 ] || fail "a sound folder is refused"

python3 "$TEMPER_SOURCE/tests/support/hostile.py" "$sound" >cases
[ "$(wc -l <cases)" -ge 30 ] || fail "$(wc -l <cases) cases"
while read -r name text; do
    refused "$text" import "$name" -o model.h5
    [[ $name != *.gguf ]] || refused "$text" inspect "$name"
done <cases

# a link is read like a file: Hugging Face's cache is made of them
mkdir linked
ln -s "$sound"/{config.json,model.safetensors,tokenizer.json} linked
expect_exit 0 "$TEMPER" import linked -o linked.h5

# the answers of a run: numbers that its file is too short for
expect_exit 0 "$TEMPER" train recipe.yaml train.max_steps=1
cp -r runs/one runs/two
expect_exit 0 timeout 10 "$TEMPER" report runs/one runs/two
python3 -c 'print("{\"labels\": [" + ",".join(["\"\""] * 50000) + "]}" + "\n" * 50000)' \
    >runs/two/test.jsonl
refused "runs/two/test.jsonl: is too short for 50000 labels" report runs/one runs/two
