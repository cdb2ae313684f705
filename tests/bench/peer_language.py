"""A causal language model in PyTorch and transformers: training steps on prepared rows, or text.

    peer_language.py train GGUF PREPARED --batch-size N --steps N
    peer_language.py generate GGUF --prompt TEXT --tokens N

`train` takes the rows of a prepared data set in file order, padded to the longest of a batch;
`generate` is greedy. Prints one JSON line: the real tokens (no padding) and the wall time of every
step, or the tokens and the time of each length.

torch 2.13.0, transformers 5.23.0, gguf 0.19.0, h5py 3.16.0
"""

import argparse
import json
import os
import time

import h5py
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NO_TARGET = -100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "generate"])
    parser.add_argument("model", help="GGUF file")
    parser.add_argument("rows", nargs="?", help="prepared data set")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--prompt")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def load(path):
    folder, name = os.path.split(os.path.abspath(path))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    return tokenizer, model


def read_rows(path, count):
    """[(ids, targets)] of the first training rows."""
    with h5py.File(path) as file:
        ids, offsets, splits = (file[name][:] for name in ("tokens", "offsets", "splits"))
        wanted = file["wanted"][:] if "wanted" in file else None
    rows = []
    for row in (splits == 0).nonzero()[0][:count]:
        place = slice(offsets[row], offsets[row + 1])
        inputs = torch.from_numpy(ids[place].astype("int64"))
        targets = inputs.clone()
        if wanted is not None:
            targets[torch.from_numpy(wanted[place] == 0)] = NO_TARGET
        rows.append((inputs, targets))
    return rows


def pad(tensors, value):
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def train_step(model, optimizer, rows):
    inputs, targets = zip(*rows)
    batch = dict(input_ids=pad(inputs, 0), labels=pad(targets, NO_TARGET))
    if len({len(row) for row in inputs}) > 1:
        batch["attention_mask"] = pad([torch.ones_like(row) for row in inputs], 0)
    loss = model(**batch, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item(), sum(len(row) for row in inputs)


def train(options, model):
    rows = read_rows(options.rows, options.batch_size * options.steps)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, weight_decay=0.01, fused=True)
    model.train()
    tokens, seconds, losses = [], [], []
    for first in range(0, len(rows), options.batch_size):
        begin = time.perf_counter()
        loss, count = train_step(model, optimizer, rows[first : first + options.batch_size])
        seconds.append(time.perf_counter() - begin)
        tokens.append(count)
        losses.append(loss)
    return dict(tokens=tokens, seconds=seconds, losses=losses)


def generate(options, tokenizer, model):
    inputs = tokenizer(options.prompt, return_tensors="pt")
    model.eval()
    tokens, seconds = [], []
    for count in (1, options.tokens + 1):
        begin = time.perf_counter()
        with torch.no_grad():
            out = model.generate(
                **inputs, do_sample=False, max_new_tokens=count, min_new_tokens=count
            )
        seconds.append(time.perf_counter() - begin)
        tokens.append(out.shape[1] - inputs["input_ids"].shape[1])
    return dict(tokens=tokens, seconds=seconds)


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    tokenizer, model = load(options.model)
    if options.what == "train":
        result = train(options, model)
    else:
        result = generate(options, tokenizer, model)
    print(json.dumps(result))


main()
