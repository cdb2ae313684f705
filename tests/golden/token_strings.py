"""Strings that are made the same way in Python and in C (token_strings.h), and the tokenizers they
are given to."""

import codecs
import json
import struct
import zlib

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

MASK = (1 << 64) - 1
RANGES = [
    (0x61, 0x7A), (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0x30, 0x39), (0x20, 0x20),
    (0x20, 0x20),
    (0x00, 0x7F), (0x21, 0x2F), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x8FF),
    (0x900, 0xDFF), (0xE00, 0xFFF), (0x1100, 0x11FF), (0x1B00, 0x1BFF), (0x1D00, 0x1FFF),
    (0x2000, 0x20FF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xFFFF),
    (0x10000, 0x10FFF), (0x11000, 0x11FFF), (0x1D100, 0x1D1FF), (0x1E000, 0x1E94F),
    (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0x2F800, 0x2FA1F), (0, 0x10FFFF),
]  # fmt: skip
WORDS = [
    b"[CLS]", b"[SEP]", b"[MASK]", b"[UNK]", b"[PAD]", b"[cls]", b"[[SEP]]", b"<one>", b"<left>",
    b"<right>", b"Caf\xc3\xa9", b"\xe4\xbd\xa0\xe5\xa5\xbd", b"the", b"unaffable", b"Tokenization",
    b"don't", b"e-mail", b"a" * 99, b"b" * 100, b"c" * 101, b"\xc3\xa9" * 100, b"e\xcc\x81" * 101,
    b"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", b"\xef\xb8\x8f",
    b"\xf0\x9f\x8f\xbd", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98",
    b"\xe4\xb8", b"\xef\xbf\xbd", b"\xe2\x80\x8b", b"\xc4\xb0", b"\xce\xa3\xce\xa3",
    b"\xe3\x80\xae\xe1\xad\x84\xcc\x81", b"\xf0\x9d\x85\xa0\xf0\x9d\x85\xa5\xcc\x96",
    b"\xcc\x81\xe1\xad\x84", b"\xea\xb0\x80", b"\xef\xbc\xa1\xef\xbc\xa2", b"\xc2\xa0", b"\t\r\n",
]  # fmt: skip

ATOMS = [
    " ", " ", "  ", "\n", "\r\n", "\t", "\xa0", "\u3000", "\x85", "'s", "'S", "'\u017f", "'re",
    "'LL", "'ve", "'x", "'", "a", "the", "A", "Ab", "aB", "Hello", "\u01c5", "\u02b0", "\xaa",
    "\u4e2d", "\u4f60\u597d", "\u0301", "\u0323", "1", "12", "2024", "\xb2", "\u2167", "\u0663",
    ".", "!?", "/", "_", "...", "\xe9", "e", "\u1100", "\u1161", "\u11a8", "\uac00", "\u0915\u093c",
    "\u1e0b", "\u0344", "\u2126", "\u2581", "<mask>", "<|endoftext|>", "<|begin_of_text|>",
    "<|im_end|>", "<s>", "</s>", "\U0001f600", "\x00", "\x7f", "\xad",
]  # fmt: skip


class Draws:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        """splitmix64"""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) % n


def string(index):
    """String number `index` as bytes, not always well-formed UTF-8."""
    draws = Draws(index * 0x1000003)
    out = b""
    for _ in range(1 + draws.below(12)):
        kind = draws.below(len(RANGES) + 6)
        if kind == len(RANGES):
            out += bytes(0x80 + draws.below(0x80) for _ in range(1 + draws.below(3)))
        elif kind > len(RANGES):
            out += WORDS[draws.below(len(WORDS))]
        else:
            first, last = RANGES[kind]
            for _ in range(1 + draws.below(6)):
                code = first + draws.below(last - first + 1)
                out += chr(code).encode("utf-8", "surrogatepass")
    return out


def atoms(index):
    """String number `index` of what split rules and compositions turn on."""
    draws = Draws(index * 0x1000003 + 1)
    return "".join(ATOMS[draws.below(len(ATOMS))] for _ in range(1 + draws.below(16))).encode()


def code_point_strings(code):
    c = chr(code).encode("utf-8", "surrogatepass")
    return [c, b"a" + c + b"b"]


errors = []


def replace(error):
    errors.append((error.start, error.end))
    return "\ufffd", error.end


codecs.register_error("noted", replace)


def decode(data):
    """The text and the byte where each character begins, as errors='replace' reads it."""
    errors.clear()
    text = data.decode("utf-8", "noted")
    if not errors:
        starts, at = [], 0
        for c in text:
            starts.append(at)
            at += len(c.encode())
        return text, starts + [len(data)]
    starts, at, left = [], 0, list(errors)
    for c in text:
        starts.append(at)
        if c == "\ufffd" and left and left[0][0] == at:
            at = left.pop(0)[1]
        else:
            at += len(c.encode())
    assert at == len(data) and not left
    return text, starts + [at]


def encoded(tokenizer, data, pair=None, max_length=0):
    """(ids, types, starts, ends) with byte offsets."""
    if max_length:
        tokenizer.enable_truncation(max_length)
    else:
        tokenizer.no_truncation()
    text, at = decode(data)
    second, at_second = decode(pair) if pair is not None else (None, None)
    return placed(tokenizer.encode(text, second), at, at_second)


def placed(result, at, at_second=None):
    """An encoding with offsets in bytes, where its characters begin there."""
    starts, ends = [], []
    for (start, end), sequence in zip(result.offsets, result.sequence_ids):
        places = at_second if sequence == 1 else at
        special = sequence is None
        starts.append(0 if special else places[start])
        ends.append(0 if special else places[end])
    return result.ids, result.type_ids, starts, ends


def packed(lists):
    """Count, then the lists one after the other, as little-endian int32."""
    numbers = [len(lists[0])] + [x for part in lists for x in part]
    return struct.pack(f"<{len(numbers)}i", *numbers)


def crc(results):
    value = 0
    for lists in results:
        value = zlib.crc32(packed(lists), value)
    return value


def bert(vocabulary, lower, chinese, strip, clean=True):
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(clean, chinese, strip, lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    cls, sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    specials = ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]
    tokenizer.add_special_tokens(specials)
    return tokenizer


def with_added(vocabulary):
    """Added tokens of every sort, text not cleaned, the older post-processor."""
    tokenizer = bert(vocabulary, True, True, None, clean=False)
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    tokenizer.add_tokens(
        [
            AddedToken("<one>", single_word=True, normalized=False),
            AddedToken("<left>", lstrip=True, normalized=False),
            AddedToken("<right>", rstrip=True, normalized=True),
            AddedToken("Caf\u00e9", normalized=True),
            AddedToken("\u4f60\u597d", normalized=True),
            AddedToken("the", single_word=True, normalized=True),
            AddedToken("[[SEP", lstrip=True, rstrip=True, normalized=False),
        ]
    )
    return tokenizer


def from_json(path, **normalizer):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    document["normalizer"].update(normalizer)
    document["padding"] = document["truncation"] = None
    return Tokenizer.from_str(json.dumps(document))
