#!/usr/bin/env python3
"""Tokens per second of one thread of Hugging Face `tokenizers` (pip install tokenizers==0.23.3):
bench_tokenizer.py TOKENIZER.json LINES.txt [SECONDS]"""

import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402

tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_padding()
tokenizer.no_truncation()
with open(sys.argv[2], "rb") as file:
    lines = file.read().decode("utf-8", "replace").split("\n")
if lines and not lines[-1]:
    lines.pop()
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 3
tokens, best, begin = 0, 0.0, time.perf_counter()
while not best or time.perf_counter() - begin < seconds:
    start = time.perf_counter()
    encodings = tokenizer.encode_batch_fast(lines)
    elapsed = time.perf_counter() - start
    tokens = sum(len(encoding.ids) for encoding in encodings)
    best = max(best, tokens / elapsed)
print(f"tokenizers {best / 1e6:8.3f} Mtok/s  {'':13}  ({tokens} tokens)")
