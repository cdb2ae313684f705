#!/usr/bin/env python3
"""Writes the properties of every code point, asked of tokenizers 0.23.3 itself.

    pip install tokenizers==0.23.3
    python3 src/token/make_unicode_tables.py tables > src/token/unicode_tables.c
    python3 src/token/make_unicode_tables.py classes > src/token/unicode_classes.c
"""
import ctypes
import ctypes.util
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

assert tokenizers.__version__ == "0.23.3"
CODES = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def bert(**flag):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**(flags | flag)).normalize_str


clean, chinese = bert(clean_text=True), bert(handle_chinese_chars=True)
strip, lower, nfd = bert(strip_accents=True), bert(lowercase=True), normalizers.NFD().normalize_str
nfc = normalizers.NFC().normalize_str
split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str


def words(code):
    return [word for word, _ in split("a" + chr(code) + "b")]


def matches(pattern):
    """A function: does the regular expression match this code point?"""
    remove = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str
    return lambda code: not remove(chr(code))


def combines(code):
    """Moves behind a mark of class 1, or before one of class 240."""
    c = chr(code)
    behind = nfd(c + "\u0334")[0] == "\u0334" and c != "\u0334"
    return behind or nfd("\u0345" + c) != "\u0345" + nfd(c)


def later_words():
    """\\w by a token that must stand alone, less what utf8proc (Unicode 15.0) already says."""
    library = ctypes.CDLL(ctypes.util.find_library("utf8proc"))
    library.utf8proc_unicode_version.restype = ctypes.c_char_p
    assert library.utf8proc_unicode_version() == b"15.0.0"
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("<m>", single_word=True, normalized=False)])
    unassigned = [code for code in CODES if library.utf8proc_category(code) == 0]
    return [code for code in unassigned if 1 not in tokenizer.encode(chr(code) + "<m>").ids]


def ranges(codes):
    out = []
    for code in codes:
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


def case_ranges():
    rows = []
    for code in CODES:
        low = lower(chr(code))
        if low == chr(code) or len(low) > 1:
            continue
        delta = ord(low) - code
        row = rows[-1] if rows else None
        step = code - row[1] if row else 0
        if row and row[3] == delta and (step == row[2] or (row[0] == row[1] and step <= 2)):
            row[1], row[2] = code, step
        else:
            rows.append([code, code, 1, delta])
    return rows


def print_rows(kind, name, rows):
    print(f"{kind} {name}[] = {{")
    line = "   "
    for row in rows:
        item = " {" + ",".join(f"0x{x:X}" if i < 2 else str(x) for i, x in enumerate(row)) + "},"
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")


def print_sets(sets):
    for name, codes in sets.items():
        rows = ranges(codes)
        print()
        print_rows("static const CodeRange", f"{name}_ranges", rows)
        print(f"const CodeSet unicode_{name} = {{ {name}_ranges, {len(rows)} }};")


def print_case_ranges():
    assert [code for code in CODES if len(lower(chr(code))) > 1] == [0x130]
    rows = case_ranges()
    print()
    print_rows("const CaseRange", "unicode_lower_ranges", rows)
    print(f"const int unicode_lower_count = {len(rows)};")


digits = pre_tokenizers.Digits(True).pre_tokenize_str
CLASSES = {
    "letters": matches(r"\p{L}"),
    "numbers": matches(r"\p{N}"),
    "digits": lambda c: len(digits("a" + chr(c) + "b")) > 1,
    "joined_marks": matches(r"\p{M}"),
    "uppercase": matches(r"[\p{Lu}\p{Lt}]"),
    "lowercase": matches(r"\p{Ll}"),
}
TABLES = {
    "dropped": lambda c: clean(chr(c)) == "",
    "spaces": lambda c: words(c) == ["a", "b"],
    "chinese": lambda c: chinese(chr(c)) != chr(c),
    "marks": lambda c: strip(chr(c)) == "",
    "punctuation": lambda c: words(c) == ["a", chr(c), "b"],
    "decomposing": lambda c: nfd(chr(c)) != chr(c),
    "excluded": lambda c: nfc(chr(c)) != chr(c),
    "combining": combines,
}

classes = sys.argv[1] == "classes"
tests = CLASSES if classes else TABLES
print("// Made by make_unicode_tables.py with tokenizers 0.23.3: not for editing.")
print('#include "token/unicode_tables.h"\n\n// clang-format off')
sets = {name: [code for code in CODES if has(code)] for name, has in tests.items()}
if classes:
    is_space = matches(r"\s")
    assert all(is_space(code) == (words(code) == ["a", "b"]) for code in CODES)
else:
    sets["later_words"] = later_words()
print_sets(sets)
if not classes:
    print_case_ranges()
