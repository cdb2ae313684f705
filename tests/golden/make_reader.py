#!/usr/bin/env python3
"""What Python's csv module reads in the files of tests/golden/reader and in the SMS data.

python 3.11 (csv, hashlib)

    make_reader.py [PROJECT]

Writes reader/*.csv (seeded random text; kept, so that the values stay true) and reader.json: for
each file the number of records that are not blank, of fields, and the SHA-256 of "row number,
fields", each field behind 0x1F and each record behind 0x1E.
"""

import csv
import hashlib
import io
import json
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "..")
csv.field_size_limit(1 << 30)

# A lone carriage return ends a line for Python and is text for us: it is not in the soup.
PIECES = [
    "a",
    "bc",
    " ",
    ",",
    ",",
    '"',
    '"',
    '""',
    "\n",
    "\r\n",
    "\u00e9",
    "\u4f60\u597d",
    "\U0001f600",
    "don't",
    ',"',
    '",',
    '"\n',
]


def read(text, **how):
    # row numbers count blank lines too
    return [
        (i, row) for i, row in enumerate(csv.reader(io.StringIO(text, newline=""), **how), 1) if row
    ]


def soup(seed):
    draw = random.Random(seed)
    while True:
        text = "".join(draw.choice(PIECES) for _ in range(3000)) + "\nthe,end\n"
        if read(text)[-1][1] == ["the", "end"]:  # no quote is open
            return text


def digest(rows):
    data = b"".join(
        str(i).encode()
        + b"".join(b"\x1f" + field.encode("utf-8", "surrogateescape") for field in row)
        + b"\x1e"
        for i, row in rows
    )
    return {
        "records": len(rows),
        "fields": sum(len(row) for _, row in rows),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def main():
    os.makedirs(os.path.join(HERE, "reader"), exist_ok=True)
    values = {}
    for seed in range(4):
        name, text = f"soup-{seed}.csv", soup(seed)
        with open(os.path.join(HERE, "reader", name), "w", newline="", encoding="utf-8") as file:
            file.write(text)
        values[f"tests/golden/reader/{name}"] = {
            "quote": '"',
            "delimiter": ",",
            **digest(read(text)),
        }
    with open(
        os.path.join(PROJECT, "jobs/data/sms-spam.tsv"),
        newline="",
        encoding="utf-8",
        errors="surrogateescape",
    ) as file:
        rows = read(file.read(), delimiter="\t", quoting=csv.QUOTE_NONE)
    values["jobs/data/sms-spam.tsv"] = {"quote": "", "delimiter": "\t", **digest(rows)}
    with open(os.path.join(HERE, "reader.json"), "w", encoding="utf-8") as file:
        json.dump(values, file, indent=1)
        file.write("\n")


main()
