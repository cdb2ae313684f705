#!/usr/bin/env python3
"""Reference values of MiniLM-L6 with a classification head, as described in README.md.

python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, tokenizers 0.23.3, safetensors 0.8.0,
numpy 2.4.6

    make_minilm.py MODEL_FOLDER SMS_TSV [all | parity | training]

MODEL_FOLDER holds config.json, model.safetensors and tokenizer.json of all-MiniLM-L6-v2.
"""

import math
import os
import sys
import time

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import AutoTokenizer, BertForSequenceClassification

from digest import digest

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_LENGTH = 128
SMOOTHING, CLASS_WEIGHTS = 0.1, [0.5, 2.0]
STEPS, BATCH, RATE, DECAY, WARMUP = 20, 32, 5e-5, 0.01, 2


def read_rows(path, tokenizer):
    """(ids, label) of every row; labels are numbered by byte order: ham 0, spam 1."""
    with open(path, encoding="utf-8", newline="") as file:
        lines = [line.rstrip("\r") for line in file.read().split("\n")]
    rows = [line.split("\t", 1) for line in lines[1:] if line]
    names = sorted({label for label, _ in rows})
    ids = tokenizer([text for _, text in rows], truncation=True, max_length=MAX_LENGTH)["input_ids"]
    return [(i, names.index(label)) for i, (label, _) in zip(ids, rows)]


def mixed_rows(rows):
    """64 rows from the shortest to the longest, in file order."""
    order = sorted(range(len(rows)), key=lambda row: (len(rows[row][0]), row))
    return sorted(order[i * (len(rows) - 1) // 63] for i in range(64))


def load(folder, gelu="gelu", dtype=torch.float32):
    model = BertForSequenceClassification.from_pretrained(
        folder,
        num_labels=2,
        hidden_act=gelu,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        dtype=torch.float32,
    )
    width = model.config.hidden_size
    at = np.arange(2 * width, dtype=np.float64).reshape(2, width)
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(0.02 * np.sin(1 + 0.37 * at)).float())
        model.classifier.bias.zero_()
    return model.to(dtype).train()


def pad(sequences):
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, sequence in enumerate(sequences):
        ids[i, : len(sequence)] = torch.tensor(sequence)
        mask[i, : len(sequence)] = 1
    return dict(input_ids=ids, attention_mask=mask)


def batch_tensors(rows):
    lengths = [len(ids) for ids, _ in rows]
    return {
        "ids": np.concatenate([ids for ids, _ in rows]).astype(np.int16),
        "cu_seqlens": np.cumsum([0] + lengths).astype(np.int32),
        "labels": np.array([label for _, label in rows], np.int32),
    }


def gradients(model):
    return {name: p.grad.double().numpy() for name, p in model.named_parameters()}


def write(name, tensors, **metadata):
    path = os.path.join(HERE, name)
    metadata["made_by"] = f"make_minilm.py, torch {torch.__version__}"
    save_file(tensors, path, {key: str(value) for key, value in metadata.items()})
    os.chmod(path, 0o644)
    print(f"{path}: {os.path.getsize(path)} bytes")


def smoothed(logits, labels):
    """Loss and gradient of the logits with label smoothing and class weights, in double."""
    logits = torch.from_numpy(logits).double().requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        logits, labels, torch.tensor(CLASS_WEIGHTS).double(), label_smoothing=SMOOTHING
    )
    loss.backward()
    return loss.item(), logits.grad.float().numpy()


def parity(folder, rows, gelu, file, samples):
    model = load(folder, gelu)
    labels = torch.tensor([label for _, label in rows])
    logits = model(**pad([ids for ids, _ in rows])).logits
    logits.retain_grad()
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    out = batch_tensors(rows)
    out["logits"], out["logits_gradient"] = logits.detach().numpy(), logits.grad.numpy()
    out["loss"] = np.array([loss.item()])
    if samples:
        smooth_loss, out["smoothed_logits_gradient"] = smoothed(out["logits"], labels)
        out["smoothed_loss"] = np.array([smooth_loss])
        out["class_weights"] = np.array(CLASS_WEIGHTS)
    named = gradients(model)
    digest(out, named, out["ids"].astype(np.int64), samples)
    out["global_norm"] = np.array([math.sqrt(sum((g * g).sum() for g in named.values()))])
    write(file, out, parameters="\n".join(named), hidden_act=gelu, label_smoothing=SMOOTHING)


def rate_factor(step):
    return step / WARMUP if step < WARMUP else (STEPS - step) / (STEPS - WARMUP)


def backward(model, rows, parts):
    """Adds the gradient of the mean loss; `parts` passes over rows of similar length."""
    ordered = sorted(rows, key=lambda row: len(row[0])) if parts > 1 else rows
    total = 0.0
    for part in range(parts):
        some = ordered[part * len(rows) // parts : (part + 1) * len(rows) // parts]
        logits = model(**pad([ids for ids, _ in some])).logits
        labels = torch.tensor([label for _, label in some])
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum") / len(rows)
        loss.backward()
        total += loss.item()
    return total


def train(folder, rows, dtype, parts):
    model = load(folder, dtype=dtype)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": DECAY},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        begin = time.time()
        for group in groups:
            group["lr"] = RATE * rate_factor(step)
        losses.append(backward(model, rows[step * BATCH : (step + 1) * BATCH], parts))
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        print(f"{dtype} step {step} loss {losses[-1]:.6f} {time.time() - begin:.1f} s", flush=True)
    weights = {name: p.detach().double().numpy() for name, p in model.named_parameters()}
    return losses, norms, weights


def training(folder, rows):
    start = {name: p.detach().double().numpy() for name, p in load(folder).named_parameters()}
    single_losses, single_norms, single = train(folder, rows, torch.float32, 1)
    losses, norms, weights = train(folder, rows, torch.float64, 8)
    out = batch_tensors(rows)
    out["losses"], out["gradient_norms"] = np.array(losses), np.array(norms)
    out["torch_losses"] = np.array(single_losses)
    out["torch_gradient_norms"] = np.array(single_norms)
    out["learning_rates"] = np.array([RATE * rate_factor(step) for step in range(STEPS)])
    moved = {name: weights[name] - start[name] for name in start}
    digest(out, moved, out["ids"].astype(np.int64), projection_type=np.float64)
    apart = [np.linalg.norm(single[name] - weights[name]) for name in start]
    out["torch_distances"] = np.array(apart)
    out["torch_distance"] = np.array([np.linalg.norm(apart)])
    norm = math.sqrt(sum((m * m).sum() for m in moved.values()))
    print(f"moved {norm:.6g}, torch fp32 from float64 {np.linalg.norm(apart):.6g}")
    write(
        "minilm-training.safetensors",
        out,
        parameters="\n".join(start),
        batch_size=BATCH,
        steps=STEPS,
        weight_decay=DECAY,
        max_grad_norm=1.0,
    )


def main():
    folder, data = sys.argv[1:3]
    what = sys.argv[3] if len(sys.argv) > 3 else "all"
    torch.set_float32_matmul_precision("highest")
    torch.set_num_threads(2)
    rows = read_rows(data, AutoTokenizer.from_pretrained(folder))
    if what in ("all", "parity"):
        some = [rows[row] for row in mixed_rows(rows)]
        parity(folder, some, "gelu", "minilm-parity.safetensors", True)
        parity(folder, some, "gelu_new", "minilm-parity-tanh.safetensors", False)
    if what in ("all", "training"):
        training(folder, rows[: STEPS * BATCH])


main()
