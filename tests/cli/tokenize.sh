#!/usr/bin/env bash
# TEST labels=cli timeout=60
# Lines in, ids out; the tokenizer from a model file, a tokenizer.json or a folder. The ids are
# those of tokenizers 0.23.3; offsets are in bytes, where it counts characters.
source tests/support/cli.sh
folder=tests/golden/tiny-bert
printf 'The room is GOOD!\n\na free hotel-room, z中\nZürich wins' >"$work/text"
ids=("2 83 94 85 95 7 3" "2 3" "2 11 97 93 10 94 6 36 1 3" "2 36 67 64 55 49 54 99 65 3")

expect_exit 0 "$TEMPER" import "$folder" -o "$work/tiny.h5"
mkdir "$work/vocab"
cp "$folder/vocab.txt" "$folder/tokenizer_config.json" "$work/vocab"
for source in "$work/tiny.h5" "$folder/tokenizer.json" "$folder" "$work/vocab"; do
    expect_exit 0 "$TEMPER" tokenize "$source" "$work/text"
    expect_lines out "${ids[@]}"
    expect_nothing err
done

expect_exit 0 "$TEMPER" tokenize "$folder" <"$work/text"
expect_lines out "${ids[@]}"
expect_exit 0 "$TEMPER" tokenize "$folder" - <"$work/text"
expect_lines out "${ids[@]}"
expect_exit 0 "$TEMPER" tokenize "$folder" </dev/null
expect_nothing out
expect_exit 0 "$TEMPER" tokenize "$folder" --max-length 4 "$work/text"
expect_lines out "2 83 94 3" "2 3" "2 11 97 3" "2 36 67 3"

expect_exit 0 "$TEMPER" tokenize "$folder" --json <<<'good 中 "win"'
expect_lines out "$(tr -d '\n' <<'END'
{"ids":[2,95,1,1,99,1,3],
"tokens":["[CLS]","good","[UNK]","[UNK]","win","[UNK]","[SEP]"],
"offsets":[[0,0],[0,4],[5,8],[9,10],[10,13],[13,14],[0,0]],
"types":[0,0,0,0,0,0,0]}
END
)"
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$work/out" || fail "no JSON"

# ill-formed UTF-8 is read, counted and reported; a NUL does not end a line
printf 'win \xff\xfe\nwin\0win\n' >"$work/bad"
expect_exit 0 "$TEMPER" tokenize "$folder" "$work/bad"
[ "$(wc -l <"$work/out")" = 2 ] || fail "not two lines: $(cat "$work/out")"
expect_lines err "warning: $work/bad: 2 ill-formed UTF-8 sequences were read as U+FFFD"

expect_exit 2 "$TEMPER" tokenize "$folder" "$work/none"
expect_lines err "temper: $work/none: No such file or directory"
expect_exit 2 "$TEMPER" tokenize "$work/vocab/none.json" "$work/text"
expect_text err "none.json"
mkdir "$work/empty"
expect_exit 1 "$TEMPER" tokenize "$work/empty" "$work/text"
expect_text err "$work/empty: no tokenizer.json, vocab.txt, or vocab.json with merges.txt is in"

# byte-level BPE, from a tokenizer.json and from vocab.json and merges.txt; and back to text
bpe=tests/golden/tokens/bpe-gpt2.json
mkdir "$work/merges"
python3 - "$bpe" "$work/merges" <<'END'
import json, sys
model = json.load(open(sys.argv[1]))["model"]
json.dump(model["vocab"], open(sys.argv[2] + "/vocab.json", "w"))
with open(sys.argv[2] + "/merges.txt", "w", encoding="utf-8") as file:
    file.write("#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in model["merges"]))
json.dump({"tokenizer_class": "GPT2Tokenizer"}, open(sys.argv[2] + "/tokenizer_config.json", "w"))
END
printf 'Hello,  we'"'"'ll call\nZürich 中<|endoftext|>\n\n' >"$work/text"
expect_exit 0 "$TEMPER" tokenize "$bpe" "$work/text"
cp "$work/out" "$work/ids"
expect_exit 0 "$TEMPER" tokenize "$work/merges" "$work/text"
cmp -s "$work/out" "$work/ids" || fail "other ids from vocab.json and merges.txt"
expect_exit 0 "$TEMPER" tokenize "$bpe" --decode "$work/ids"
cmp -s "$work/out" "$work/text" || fail "another text: $(cat "$work/out")"
expect_exit 0 "$TEMPER" tokenize "$bpe" --decode --skip-special "$work/ids"
expect_text out "Zürich 中"
grep -q endoftext "$work/out" && fail "a special token was not skipped"
expect_exit 1 "$TEMPER" tokenize "$bpe" --decode <<<$'1 2\n3 x'
expect_text err "temper: standard input: line 2, column 3: not an id from 0 to"
expect_exit 1 "$TEMPER" tokenize "$bpe" --decode <<<'1 99999'
expect_text err "line 1, column 3: not an id"
