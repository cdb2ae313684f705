"""Fine-tuning steps with PyTorch and transformers on the rows of a file, in file order.

Batches are padded to their longest row; --sorted sorts the rows by length first. Prints one JSON
line with the real tokens (no padding) and the wall time of every step.

torch 2.13.0, transformers 5.23.0
"""

import argparse
import csv
import json
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="CSV, or TSV without quoting, with a header")
    parser.add_argument("--text", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sorted", action="store_true")
    return parser.parse_args()


def read_rows(path, text, label):
    """(texts, label ids); labels are numbered by byte order."""
    tabs = path.endswith(".tsv")
    style = dict(delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else {}
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, **style))
    names = sorted({row[label] for row in rows}, key=str.encode)
    return [row[text] for row in rows], [names.index(row[label]) for row in rows]


def train_step(model, optimizer, batch, labels):
    loss = model(**batch, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    texts, labels = read_rows(options.data, options.text, options.label)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(
        options.model, num_labels=max(labels) + 1
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
    cut = dict(truncation=True, max_length=options.max_length)
    order = list(range(len(texts)))
    if options.sorted:
        lengths = [len(ids) for ids in tokenizer(texts, **cut)["input_ids"]]
        order.sort(key=lambda row: lengths[row])
    tokens, seconds, losses = [], [], []
    for first in range(0, len(order), options.batch_size):
        begin = time.perf_counter()
        rows = order[first : first + options.batch_size]
        batch = tokenizer([texts[row] for row in rows], padding=True, return_tensors="pt", **cut)
        target = torch.tensor([labels[row] for row in rows])
        losses.append(train_step(model, optimizer, batch, target))
        tokens.append(int(batch["attention_mask"].sum()))
        seconds.append(time.perf_counter() - begin)
    print(json.dumps(dict(tokens=tokens, seconds=seconds, losses=losses)))


main()
