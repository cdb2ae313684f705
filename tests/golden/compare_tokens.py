#!/usr/bin/env python3
"""Compares with Hugging Face tokenizers 0.23.3, token by token: ids, types, byte ranges.

    compare_tokens.py TEST_PROGRAM MODEL [TEXT_FILE...]

TEST_PROGRAM is test_wordpiece or test_bpe (they answer with --dump), MODEL a folder with a
tokenizer.json, or such a file, TEXT_FILE lines of any text (of a CSV or TSV file too). Ends with 1
if anything differs.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

from token_strings import (
    Draws,
    atoms,
    bert,
    code_point_strings,
    encoded,
    from_json,
    string,
    with_added,
)
from tokenizers import Tokenizer

LIST_NAMES = ("ids", "types", "starts", "ends")


def answers(program, path, questions):
    with tempfile.TemporaryFile() as file:
        for first, second, length in questions:
            bytes_second = 0xFFFFFFFF if second is None else len(second)
            file.write(struct.pack("<3I", len(first), bytes_second, length))
            file.write(first + (second or b""))
        file.seek(0)
        out = subprocess.run(
            [program, "--dump", path], stdin=file, stdout=subprocess.PIPE, check=True
        )
    at = 0
    for _ in questions:
        (count,) = struct.unpack_from("<i", out.stdout, at)
        numbers = struct.unpack_from(f"<{4 * count}i", out.stdout, at + 4)
        at += 4 + 16 * count
        yield [list(numbers[i * count : (i + 1) * count]) for i in range(4)]


def compare(program, name, tokenizer, questions):
    """Returns how many differ, and shows the first three."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(tokenizer.to_str())
        file.flush()
        wrong = tokens = 0
        for question, got in zip(questions, answers(program, file.name, questions)):
            expected = [list(numbers) for numbers in encoded(tokenizer, *question)]
            tokens += len(expected[0])
            wrong += expected != got
            if expected != got and wrong <= 3:
                print(f"{name}: {question}")
                for key, a, b in zip(LIST_NAMES, expected, got):
                    print(f"  {key} expected {a}\n  {key} got      {b}")
    print(f"{name}: {len(questions)} texts, {tokens} tokens, {wrong} differ", flush=True)
    return wrong


def chinese_vocabulary():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [chr(c) for c in range(0x21, 0x7F)]
    ranges = [(0x30, 0x7B), (0xC0, 0x180), (0x3000, 0x3100), (0x4E00, 0x9FA6)]
    codes = [code for first, end in ranges for code in range(first, end)]
    tokens += [p + chr(c) for c in codes for p in ("", "##")]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def long_lines():
    yield b"".join(string(i) for i in range(20000))[:1000000]
    yield from (b"a" * 1000000, b" " * 1000000, b"[" * 1000000, b"[CLS]" * 200000, b"the " * 250000)
    yield from ("中".encode() * 333333, b"e\xcc\x81" * 333333, b"\xcc\x81" * 500000)
    yield b"\xe1\xad\x84\xcc\x81" * 200000


def bert_variants(path, vocabulary):
    return {
        "as it is": from_json(path),
        "cased": from_json(path, lowercase=False),
        "accents kept": from_json(path, strip_accents=False),
        "not cleaned": from_json(path, clean_text=False),
        "added tokens": with_added(vocabulary),
        "Chinese, cased": bert(chinese_vocabulary(), False, True, None),
        "Chinese not spaced": bert(chinese_vocabulary(), True, False, False),
    }


def main(program, model, *files):
    path = os.path.join(model, "tokenizer.json") if os.path.isdir(model) else model
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    if document["model"]["type"] == "WordPiece":
        tokenizers = bert_variants(path, document["model"]["vocab"])
    else:
        tokenizers = {os.path.basename(path): Tokenizer.from_file(path)}
    draws = Draws(7)
    pairs = [(string(i), string(i + 1), 4 + draws.below(40)) for i in range(20000)]
    pairs += [(string(i), None, 2 + draws.below(20)) for i in range(20000)]
    sets = {
        "strings": [(string(i), None, 0) for i in range(100000)],
        "atoms": [(atoms(i), None, 0) for i in range(100000)],
        "pairs and truncation": pairs,
        "code points": [(s, None, 0) for c in range(0x110000) for s in code_point_strings(c)],
        "long lines": [(line, None, length) for line in long_lines() for length in (0, 128)],
    }
    for name in files:
        with open(name, "rb") as file:
            sets[os.path.basename(name)] = [(s, None, 0) for s in file.read().split(b"\n")]
    wrong = 0
    for name, tokenizer in tokenizers.items():
        for kind, questions in sets.items():
            wrong += compare(program, f"{name}, {kind}", tokenizer, questions)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
