#!/usr/bin/env python3
"""Writes the files bpe-* of tests/golden/tokens: what Hugging Face tokenizers makes of generated
strings by byte-level BPE.

    pip install tokenizers==0.23.3
    python3 tests/golden/make_bpe.py jobs/data/sms-spam.tsv

bpe-FAMILY.json  a tokenizer.json with a small vocabulary, trained on the messages
bpe-hashes.txt   FAMILY KIND and one CRC-32 per chunk of results (token_check.h says which)
bpe-cases.json   single results, to be read
"""

import json
import os
import struct
import sys
import zlib

import tokenizers
from make_tokens import CHUNK, CODE_CHUNK, FOLDER, STRINGS, case, chunks, pair
from token_families import FAMILIES, small
from token_strings import atoms, code_point_strings, crc, decode, encoded, placed, string
from tokenizers import Tokenizer

assert tokenizers.__version__ == "0.23.3"
LONGER_PAIRS = 5000
WITH_CODES = ("qwen2", "o200k")  # between them they ask for every class of code points
TEXTS = [
    "",
    " ",
    "Hello,  world! it's 2024",
    "\u4f60\u597d, \u00e9e\u0301 \uac00 \u1100\u1161",
    "I'LL we\u2019re DON'T\n\n  x\r\n",
    "HTTPServer's 12345 \u00b2\u00b3",
    "<s> a <mask>b</s> <|im_start|>user",
    "b" * 100 + " unaffable",
    "\u00f1 \u00a0\u3000\t",
]


def longer_pair(i):
    first, second, length = pair(i)
    return first, second, length + 1


def batches(tokenizer, texts):
    """Encodings of (text, where its characters begin)."""
    for first in range(0, len(texts), CHUNK):
        part = texts[first : first + CHUNK]
        yield part, tokenizer.encode_batch([text for text, _ in part])


def crcs(tokenizer, texts):
    for part, results in batches(tokenizer, texts):
        yield crc(placed(result, at) for (_, at), result in zip(part, results))


def decoded_crcs(tokenizer, texts):
    for first, (_, results) in enumerate(batches(tokenizer, texts)):
        value = 0
        for i, result in enumerate(results, first * CHUNK):
            data = tokenizer.decode(result.ids, skip_special_tokens=i % 2 == 1).encode()
            value = zlib.crc32(struct.pack("<i", len(data)) + data, value)
        yield value


def hashes(name, tokenizer, strings, atom_strings):
    pairs = (encoded(tokenizer, *longer_pair(i)) for i in range(LONGER_PAIRS))
    kinds = {"longer-pairs": chunks(pairs, CHUNK)}
    tokenizer.no_truncation()
    kinds["strings"] = crcs(tokenizer, strings)
    kinds["atoms"] = crcs(tokenizer, atom_strings)
    kinds["decoded"] = decoded_crcs(tokenizer, strings)
    if name in WITH_CODES:
        codes = (s for code in range(0x110000) for s in code_point_strings(code))
        kinds["codes"] = chunks((encoded(tokenizer, s) for s in codes), 2 * CODE_CHUNK)
    for kind, values in kinds.items():
        yield f"{name} {kind} " + " ".join(f"{value:08x}" for value in values)


def main(messages):
    with open(messages, encoding="utf-8") as file:
        lines = file.read().split("\n")
    strings = [decode(string(i)) for i in range(STRINGS)]
    atom_strings = [decode(atoms(i)) for i in range(STRINGS)]
    rows = []
    with open(os.path.join(FOLDER, "bpe-hashes.txt"), "w", encoding="utf-8") as file:
        for name in FAMILIES:
            path = os.path.join(FOLDER, f"bpe-{name}.json")
            if not os.path.exists(path):  # training is not bound to give the same bits again
                small(name, lines).save(path, pretty=False)
            tokenizer = Tokenizer.from_file(path)
            rows += [case(name, tokenizer, text.encode()) for text in TEXTS]
            rows.append(case(name, tokenizer, b"a b", b" c 'd", 5))
            for line in hashes(name, tokenizer, strings, atom_strings):
                print(line, file=file, flush=True)
    with open(os.path.join(FOLDER, "bpe-cases.json"), "w", encoding="utf-8") as file:
        texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
        file.write("[" + ",\n".join(texts) + "]\n")


if __name__ == "__main__":
    main(sys.argv[1])
