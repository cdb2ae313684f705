#!/usr/bin/env python3
"""A small BERT with every gradient, as described in README.md: makes the folder tiny-bert.

python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, tokenizers 0.23.3, safetensors 0.8.0,
numpy 2.4.6
"""

import json
import os

import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification

from digest import project, splitmix64

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tiny-bert")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the for is of and to in it you not hotel room good bad free call win".split()
VOCABULARY = (
    SPECIAL
    + list(".,!?'-")
    + [chr(c) for c in range(ord("a"), ord("z") + 1)]
    + [chr(c) for c in range(ord("0"), ord("9") + 1)]
    + ["##" + chr(c) for c in range(ord("a"), ord("z") + 1)]
    + ["##" + chr(c) for c in range(ord("0"), ord("9") + 1)]
    + WORDS
)
CONFIG = dict(
    vocab_size=len(VOCABULARY),
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=40,
    type_vocab_size=2,
    hidden_act="gelu",
    layer_norm_eps=1e-12,
    hidden_dropout_prob=0.1,
    attention_probs_dropout_prob=0.1,
    pad_token_id=0,
    id2label={0: "bad", 1: "good", 2: "neutral"},
    label2id={"bad": 0, "good": 1, "neutral": 2},
)
TEXTS = [
    ("the room is good", None),
    ("win", None),
    ("", None),
    ("the hotel is not bad!", "good room?"),
    ("call to win a free hotel room, 24-7", None),
    ("a bad room", "it is the hotel of the year"),
    ("you win", ""),
    ("Zürich is 中 fine", None),
]
LABELS = [1, 0, 2, 1, 0, 0, 2, 1]
SMOOTHING, CLASS_WEIGHTS = 0.1, [0.5, 1.0, 2.0]


def uniform(seed, shape):
    """Uniform in [-1, 1): splitmix64 of the element."""
    z = splitmix64(seed << 32, np.arange(int(np.prod(shape))))
    return ((z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0).reshape(shape)


def fill(model):
    """Weights large enough that every operator shows in the logits; gains near 1."""
    with torch.no_grad():
        for seed, (name, p) in enumerate(model.named_parameters()):
            gain = name.endswith("LayerNorm.weight")
            value = uniform(seed, tuple(p.shape)) * (0.3 if p.dim() == 1 else 0.35)
            p.copy_(torch.from_numpy(value + (1.0 if gain else 0.0)))


def make_tokenizer():
    tokenizer = Tokenizer(
        models.WordPiece(
            {token: i for i, token in enumerate(VOCABULARY)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def write_folder(model, tokenizer):
    os.makedirs(FOLDER, exist_ok=True)
    config = dict(architectures=["BertForSequenceClassification"], model_type="bert", **CONFIG)
    with open(os.path.join(FOLDER, "config.json"), "w") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    with open(os.path.join(FOLDER, "tokenizer_config.json"), "w") as file:
        json.dump(
            dict(tokenizer_class="BertTokenizer", do_lower_case=True, model_max_length=40), file
        )
        file.write("\n")
    with open(os.path.join(FOLDER, "vocab.txt"), "w") as file:
        file.write("".join(token + "\n" for token in VOCABULARY))
    tokenizer.save(os.path.join(FOLDER, "tokenizer.json"))
    weights = {name: p.detach().float().numpy() for name, p in model.named_parameters()}
    write("model.safetensors", weights, format="pt")


def write(name, tensors, **metadata):
    path = os.path.join(FOLDER, name)
    save_file(tensors, path, metadata)
    os.chmod(path, 0o644)
    print(f"{path}: {os.path.getsize(path)} bytes")


def run(model, encodings):
    """Logits sequence by sequence: no padding anywhere."""
    rows = [
        model(input_ids=torch.tensor([e.ids]), token_type_ids=torch.tensor([e.type_ids])).logits
        for e in encodings
    ]
    return torch.cat(rows)


def main():
    tokenizer = make_tokenizer()
    model = BertForSequenceClassification(BertConfig(**CONFIG)).eval()
    fill(model)
    write_folder(model, tokenizer)
    model = BertForSequenceClassification.from_pretrained(FOLDER).double().eval()
    encodings = [tokenizer.encode(text, pair) for text, pair in TEXTS]
    labels = torch.tensor(LABELS)
    logits = run(model, encodings)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    smoothed = torch.nn.functional.cross_entropy(
        logits, labels, torch.tensor(CLASS_WEIGHTS).double(), label_smoothing=SMOOTHING
    )
    (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
    (smoothed_gradient,) = torch.autograd.grad(smoothed, logits, retain_graph=True)
    loss.backward()
    tanh = (
        BertForSequenceClassification.from_pretrained(FOLDER, hidden_act="gelu_new").double().eval()
    )
    out = {
        "ids": np.concatenate([e.ids for e in encodings]).astype(np.int32),
        "types": np.concatenate([e.type_ids for e in encodings]).astype(np.int32),
        "cu_seqlens": np.cumsum([0] + [len(e.ids) for e in encodings]).astype(np.int32),
        "labels": np.array(LABELS, np.int32),
        "class_weights": np.array(CLASS_WEIGHTS),
        "logits": logits.detach().numpy(),
        "logits_gradient": gradient.numpy(),
        "loss": np.array([loss.item()]),
        "smoothed_loss": np.array([smoothed.item()]),
        "smoothed_logits_gradient": smoothed_gradient.numpy(),
        "tanh_logits": run(tanh, encodings).detach().numpy(),
    }
    named = dict(model.named_parameters())
    for name, p in named.items():
        out["gradient." + name] = p.grad.float().numpy()
    table = named["bert.embeddings.word_embeddings.weight"].grad.float().double().numpy()
    out["word_embeddings_projections"] = project(table.reshape(-1))
    write(
        "expected.safetensors",
        out,
        parameters="\n".join(named),
        label_smoothing=str(SMOOTHING),
        texts="\n".join(
            text + "\t" + (pair if pair is not None else "\\N") for text, pair in TEXTS
        ),
        made_by=f"make_tiny.py, torch {torch.__version__}",
    )
    print(logits, loss.item(), max(map(len, (e.ids for e in encodings))))
    for name, p in named.items():
        print(f"{p.grad.norm().item():.3g} {name}")


main()
