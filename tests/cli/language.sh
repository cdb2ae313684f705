#!/usr/bin/env bash
# TEST labels=cli timeout=120
# What language models refuse, and how they say it.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

gpt2=(model.path=gpt2.h5 model.task=causal_lm)
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
expect_exit 1 "$TEMPER" train recipe.yaml "${gpt2[@]}"
expect_text err "the tensor transformer.wpe.weight is missing"
expect_exit 2 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.hidden_size=32
expect_text err "model sizes are for model.init random"
expect_exit 2 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.init=random model.num_key_value_heads=2
expect_text err "model.num_key_value_heads: a gpt2 model has no such size"
expect_exit 1 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.init=random model.hidden_size=50 \
    model.num_attention_heads=4
expect_text err "no multiple of num_attention_heads"
expect_exit 2 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.init=random data.max_length=500
expect_text err "exceeds the 256 positions"
expect_exit 2 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.init=random data.end_token=none
expect_text err "data.end_token: 'none' is no token of the model"
expect_exit 2 "$TEMPER" train recipe.yaml model.task=causal_lm
expect_text err "a bert model has no head for model.task causal_lm"
expect_exit 2 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.init=random model.task=masked_lm
expect_text err "it has: causal_lm, text_classification"
expect_exit 2 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.init=random data.completion=label
expect_text err "there is no column"
expect_exit 2 "$TEMPER" train recipe.yaml "${gpt2[@]}" model.init=random data.messages=m
expect_text err "data.messages needs JSONL"

# messages
cat >chat.jsonl <<'END'
{"m": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "good day"}]}
{"m": [{"role": "user", "content": "and you"}, {"role": "assistant", "content": "well, thank you"}]}
END
chat=("${gpt2[@]}" model.init=random data.path=chat.jsonl data.messages=m data.split.validation=
    data.split.test= train.leaves=1)
expect_exit 2 "$TEMPER" train recipe.yaml "${chat[@]}"
expect_text err "messages need a data.chat_template"
chat+=(data.chat_template=chatml)
expect_exit 0 "$TEMPER" train recipe.yaml "${chat[@]}" output.folder=runs/chat
echo '{"m": [{"role": "user"}]}' >>chat.jsonl
expect_exit 1 "$TEMPER" train recipe.yaml "${chat[@]}" output.folder=runs/bad
expect_text err "chat.jsonl:3: message 1 has no role or no content"

# generate
expect_exit 2 "$TEMPER" generate runs/chat
expect_text err "generate needs one of --prompt and --input"
expect_exit 0 "$TEMPER" generate runs/chat --prompt "hello" --max-tokens 3
[ "$(wc -l <"$work/out")" = 1 ] || fail "not one line"
expect_exit 0 "$TEMPER" generate runs/chat --chat --prompt "hello" --max-tokens 3
expect_exit 1 "$TEMPER" generate runs/chat --prompt "$(printf 'word%.0s ' $(seq 300))"
expect_text err "leaves no room for an answer"
expect_exit 1 "$TEMPER" generate gpt2.h5 --prompt "hello"
expect_exit 2 "$TEMPER" generate tiny.h5 --prompt "hello"
expect_text err "bert"
expect_exit 2 "$TEMPER" generate nothing.h5 --prompt "hello"

# a decoder that labels texts, an empty one too
printf 'Label\tSMS\nham\t\nspam\tyou won\nham\thello\nspam\twin now\n' >few.tsv
labels=(model.path=gpt2.h5 model.init=random data.path=few.tsv data.split.validation=
    data.split.test= train.leaves=2 output.folder=runs/labels)
expect_exit 0 ranks 2 "$TEMPER" train recipe.yaml "${labels[@]}"
printf 'win\n\nhello\n' >texts.txt
expect_exit 0 "$TEMPER" predict runs/labels --input texts.txt
[ "$(wc -l <"$work/out")" = 3 ] || fail "not one line a text"
expect_exit 2 "$TEMPER" generate runs/labels --prompt "hello"
expect_text err "does not write texts"
expect_exit 2 "$TEMPER" predict runs/chat --text "hello"
expect_text err "is a language model, it has no labels"

# GGUF there and back
expect_exit 0 "$TEMPER" export runs/chat -o chat.gguf --format gguf-f32
expect_exit 0 "$TEMPER" import chat.gguf -o chat.h5
expect_exit 0 "$TEMPER" compare chat.h5 "$(newest chat)"
expect_exit 0 "$TEMPER" export runs/chat -o small.gguf --format gguf-q8_0
[ "$(stat -c %s small.gguf)" -lt "$(stat -c %s chat.gguf)" ] || fail "Q8_0 is not smaller"
expect_exit 1 "$TEMPER" export runs/labels -o labels.gguf --format gguf-f16
