#!/usr/bin/env python3
"""Writes tests/golden/tokens: what Hugging Face tokenizers makes of generated strings.

    pip install tokenizers==0.23.3
    python3 tests/golden/make_tokens.py MODEL     (with the tokenizer.json of all-MiniLM-L6-v2)

vocab.txt   a small vocabulary
added.json  a tokenizer.json of it with added tokens of every sort
hashes.txt  VARIANT KIND and one CRC-32 per chunk of results (test_wordpiece.c says which)
cases.json  single results, to be read
"""

import json
import os
import sys

import tokenizers
from token_strings import (
    Draws,
    bert,
    code_point_strings,
    crc,
    encoded,
    from_json,
    string,
    with_added,
)
from tokenizers import normalizers

assert tokenizers.__version__ == "0.23.3"
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokens")
STRINGS, PAIRS, CHUNK, CODE_CHUNK = 100000, 20000, 1000, 0x4000
VARIANTS = {  # lower case, Chinese, strip accents
    "uncased": (True, True, None),
    "cased": (False, True, None),
    "accents": (True, True, False),
    "no-chinese": (False, False, True),
}


def small_vocabulary():
    codes = [*range(0x21, 0x7F), *range(0xC0, 0x180), *range(0x3B1, 0x3CA), *range(0x430, 0x450)]
    codes += [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]
    codes += [0x301, 0x307, 0x1B44, 0x1D165, 0x302E, *range(0x3041, 0x3060), *range(0xAC00, 0xAC10)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [prefix + chr(code) for prefix in ("", "##") for code in codes]
    tokens += [chr(code) for code in range(0x4E00, 0x4E40)] + list("你好中文的") + ["##好"]
    tokens += ["the", "un", "una", "##aff", "##able", "##ffab", "token", "##ization", "don", "mail"]
    tokens += ["##fé", "caf", "Tok", "##en", "aaaa", "##aaaa", "##bbbbbbbb", "\u6f22", "\u8c48"]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def pair(i):
    return string(i), string(i + 1), 3 + i % 40


def chunks(results, size):
    chunk, out = [], []
    for result in results:
        chunk.append(result)
        if len(chunk) == size:
            out.append(crc(chunk))
            chunk.clear()
    return out + ([crc(chunk)] if chunk else [])


def hashes(name, tokenizer, codes):
    kinds = {
        "strings": ((encoded(tokenizer, string(i)) for i in range(STRINGS)), CHUNK),
        "pairs": ((encoded(tokenizer, *pair(i)) for i in range(PAIRS)), CHUNK),
    }
    if codes:
        strings = (s for code in range(0x110000) for s in code_point_strings(code))
        kinds["codes"] = ((encoded(tokenizer, s) for s in strings), 2 * CODE_CHUNK)
    for kind, (results, size) in kinds.items():
        yield f"{name} {kind} " + " ".join(f"{value:08x}" for value in chunks(results, size))


def normalized(normalizer, code):
    """Laid out as ids are, a byte each."""
    text = ("a" + chr(code) + "b").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return [list(normalizer.normalize_str(text).encode())]


def normalized_hashes():
    for name, (lower, chinese, strip) in VARIANTS.items():
        for clean in (False, True):
            normalizer = normalizers.BertNormalizer(clean, chinese, strip, lower)
            results = (normalized(normalizer, code) for code in range(0x110000))
            values = " ".join(f"{value:08x}" for value in chunks(results, CODE_CHUNK))
            yield f"{name}{'' if clean else '-raw'} normalized {values}"


def readable(data):
    """Text where JSON and a C string can hold it, else hexadecimal."""
    try:
        if b"\0" not in data:
            return {"text": data.decode()}
    except UnicodeDecodeError:
        pass
    return {"hex": data.hex()}


def case(name, tokenizer, data, second=None, max_length=0):
    keys = ("ids", "types", "starts", "ends")
    row = {"tokenizer": name, "first": readable(data), "max_length": max_length}
    if second is not None:
        row["second"] = readable(second)
    return row | dict(zip(keys, encoded(tokenizer, data, second, max_length)))


def cases(all_tokenizers):
    texts = [
        b"",
        b" ",
        b"Hello, world!",
        "İstanbul ΑΣ".encode(),
        "我爱中文，测试！".encode(),
        b"a" * 101,
    ]
    texts += [
        b"[CLS] the [SEP][MASK]",
        "가각 ＡＢＣ".encode(),
        b"\xff\xe4\xb8a\0b",
        b"don't e-mail",
    ]
    texts += [
        "unaffable CAFÉ cafe\u0301".encode(),
        b"the<one> <one> x<left>  <right> y",
        b"\xed\xa0\x80",
    ]
    draws = Draws(1)
    for name, tokenizer in all_tokenizers.items():
        for text in texts + [string(draws.below(1 << 30)) for _ in range(12)]:
            if len(text) < 120:
                yield case(name, tokenizer, text)
    tokenizer = all_tokenizers["uncased"]
    for first, second in ((6, 5), (5, 5), (5, 6), (0, 9), (9, 0), (2, 9), (9, 2), (1, 1)):
        for length in (0, 3, 4, 5, 6, 7, 8, 9, 10):
            yield case("uncased", tokenizer, b"a " * first, b"b " * second, length)
    for length in range(2, 8):
        yield case("uncased", tokenizer, b"a b c d e", None, length)


def main(model):
    os.makedirs(FOLDER, exist_ok=True)
    vocabulary = small_vocabulary()
    with open(os.path.join(FOLDER, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
        file.writelines(token + "\n" for token in vocabulary)
    small = {name: bert(vocabulary, *flags) for name, flags in VARIANTS.items()}
    small["added"] = with_added(vocabulary)
    small["added"].save(os.path.join(FOLDER, "added.json"), pretty=False)
    path = os.path.join(model, "tokenizer.json")
    real = {"minilm": from_json(path), "minilm-cased": from_json(path, lowercase=False)}
    with open(os.path.join(FOLDER, "hashes.txt"), "w", encoding="utf-8") as file:
        for name, tokenizer in (small | real).items():
            for line in hashes(name, tokenizer, name != "no-chinese" and name != "accents"):
                print(line, file=file)
        for line in normalized_hashes():
            print(line, file=file)
    with open(os.path.join(FOLDER, "cases.json"), "w", encoding="utf-8") as file:
        rows = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in cases(small)]
        file.write("[" + ",\n".join(rows) + "]\n")


if __name__ == "__main__":
    main(sys.argv[1])
