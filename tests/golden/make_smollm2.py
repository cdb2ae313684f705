#!/usr/bin/env python3
"""What transformers says with SmolLM2-135M-Instruct: make_smollm2.py GGUF SMS_TSV > smollm2.json

Greedy continuations of 20 prompts with the gap between the two largest logits of every step, and
the loss of four blocks of 256 tokens of the messages.

python 3.11, torch 2.13.0 (CPU), transformers 5.24.0, gguf 0.19.0, accelerate 1.15.0
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS, TOKENS, BLOCK, BLOCKS = 20, 32, 256, 4


def texts(path):
    with open(path, encoding="utf-8") as file:
        next(file)
        return [line.rstrip("\n").split("\t")[1] for line in file]


def continue_greedily(model, ids):
    """The likeliest tokens one by one, and how far each was ahead."""
    out, gaps, past, feed = [], [], None, ids
    for _ in range(TOKENS):
        step = model(input_ids=torch.tensor([feed]), past_key_values=past, use_cache=True)
        past = step.past_key_values
        best = step.logits[0, -1].topk(2)
        out.append(best.indices[0].item())
        gaps.append(round((best.values[0] - best.values[1]).item(), 6))
        feed = out[-1:]
    return out, gaps


def main():
    folder, name = os.path.split(os.path.abspath(sys.argv[1]))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    messages = texts(sys.argv[2])
    with torch.no_grad():
        rows = []
        for message in messages[:PROMPTS]:
            prompt = " ".join(message.split()[:8])
            ids = tokenizer(prompt)["input_ids"]
            out, gaps = continue_greedily(model, ids)
            rows.append({"prompt": prompt, "ids": ids, "tokens": out, "gaps": gaps})
        stream = tokenizer("\n".join(messages[:400]) + "\n")["input_ids"][: BLOCK * BLOCKS]
        blocks = torch.tensor(stream).view(BLOCKS, BLOCK)
        loss = model(input_ids=blocks, labels=blocks).loss.item()
    json.dump({"prompts": rows, "blocks": stream, "loss": loss}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
