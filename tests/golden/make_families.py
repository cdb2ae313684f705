#!/usr/bin/env python3
"""A small model of every family but BERT, with all its heads: makes the folders tiny-FAMILY.

python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, tokenizers 0.23.3, safetensors 0.8.0,
numpy 2.4.6
"""

import json
import os

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from digest import splitmix64

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY, LABELS = 96, 3
LENGTHS = [7, 1, 12, 4]
CLASSES = [2, 0, 1, 1]
NAMES = {i: name for i, name in enumerate(["bad", "good", "neutral"])}
LLAMA = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=40,
    max_position_embeddings=64,
    rms_norm_eps=1e-5,
    hidden_act="silu",
    bos_token_id=2,
    eos_token_id=3,
)
ENCODER = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=40,
    max_position_embeddings=40,
    hidden_act="gelu",
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=500.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
# family: language model, classifier, configuration
FAMILIES = {
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2ForSequenceClassification",
        dict(n_embd=32, n_layer=2, n_head=4, n_positions=40, activation_function="gelu_new"),
    ),
    "llama": (
        "LlamaForCausalLM",
        "LlamaForSequenceClassification",
        dict(LLAMA, tie_word_embeddings=True, rope_parameters=LLAMA3),
    ),
    "qwen2": (
        "Qwen2ForCausalLM",
        "Qwen2ForSequenceClassification",
        dict(LLAMA, num_key_value_heads=1, tie_word_embeddings=False),
    ),
    "roberta": (
        "RobertaForMaskedLM",
        "RobertaForSequenceClassification",
        dict(ENCODER, type_vocab_size=1, layer_norm_eps=1e-5),
    ),
    "distilbert": (
        "DistilBertForMaskedLM",
        "DistilBertForSequenceClassification",
        dict(
            dim=32,
            n_layers=2,
            n_heads=4,
            hidden_dim=40,
            max_position_embeddings=40,
            activation="gelu",
        ),
    ),
}


def uniform(seed, shape):
    """Uniform in [-1, 1): splitmix64 of the element."""
    z = splitmix64(seed << 32, np.arange(int(np.prod(shape))))
    return ((z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0).reshape(shape)


def fill(model):
    """Weights large enough that every operator shows in the logits; gains near 1."""
    gains = ("LayerNorm.weight", "layer_norm.weight", "norm.weight", "layernorm.weight")
    gains += ("ln_1.weight", "ln_2.weight", "ln_f.weight")
    with torch.no_grad():
        for seed, (name, p) in enumerate(model.named_parameters()):
            value = uniform(seed, tuple(p.shape)) * (0.3 if p.dim() == 1 else 0.35)
            p.copy_(torch.from_numpy(value + (1.0 if name.endswith(gains) else 0.0)))


def save(path, tensors):
    arrays = {name: np.ascontiguousarray(t) for name, t in tensors.items()}
    save_file(arrays, path, {"format": "pt"})
    os.chmod(path, 0o644)
    print(f"{path}: {os.path.getsize(path)} bytes")


def write_tokenizer(folder):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [f"w{i}" for i in range(VOCABULARY - len(tokens))]
    tokenizer = Tokenizer(
        models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(tokens[:5])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(os.path.join(folder, "tokenizer.json"))


def sequences():
    ids = (uniform(1000, (sum(LENGTHS),)) * 0.5 + 0.5) * (VOCABULARY - 5) + 5
    ends = np.cumsum(LENGTHS)
    return [ids.astype(np.int64)[e - n : e] for e, n in zip(ends, LENGTHS)]


def language_loss(model, causal):
    """The mean over all targets, its rows of hidden values, and the logits of every token."""
    rows, targets, losses, logits, start = [], [], [], [], 0
    for k, ids in enumerate(sequences()):
        out = model(input_ids=torch.tensor(ids)[None]).logits[0]
        if causal:
            places, wanted = np.arange(len(ids) - 1), ids[1:]
        else:
            places = np.arange(k % 2, len(ids), 3)
            wanted = (ids[places] * 7) % VOCABULARY
        chosen = torch.nn.functional.cross_entropy(
            out[torch.tensor(places, dtype=torch.long)], torch.tensor(wanted), reduction="sum"
        )
        losses.append(chosen)
        logits.append(out)
        rows.extend(start + places)
        targets.extend(wanted)
        start += len(ids)
    return sum(losses) / len(targets), rows, targets, torch.cat(logits)


def make(family):
    language, classifier, options = FAMILIES[family]
    folder = os.path.join(HERE, f"tiny-{family}")
    os.makedirs(folder, exist_ok=True)
    config = transformers.AutoConfig.for_model(
        family, vocab_size=VOCABULARY, pad_token_id=0 if family != "roberta" else 1, **options
    )
    model = getattr(transformers, language)(config).double().eval()
    fill(model)
    causal = "Masked" not in language
    loss, rows, targets, logits = language_loss(model, causal)
    loss.backward()
    expected = {f"lm_gradient/{n}": p.grad.float().numpy() for n, p in model.named_parameters()}
    weights = {name: p.detach().float().numpy() for name, p in model.named_parameters()}
    config.id2label, config.label2id = NAMES, {name: i for i, name in NAMES.items()}
    other = getattr(transformers, classifier)(config).double().eval()
    fill(other)
    with torch.no_grad():
        for name, p in other.named_parameters():
            if name in weights:
                p.copy_(torch.from_numpy(weights[name]).double())
            weights[name] = p.float().numpy()
    scores = torch.cat([other(input_ids=torch.tensor(ids)[None]).logits for ids in sequences()])
    torch.nn.functional.cross_entropy(scores, torch.tensor(CLASSES)).backward()
    expected["class_gradient_norms"] = np.array(
        [p.grad.norm().item() for _, p in other.named_parameters()], dtype=np.float64
    )
    expected.update(
        cu_seqlens=np.cumsum([0] + LENGTHS).astype(np.int32),
        ids=np.concatenate(sequences()).astype(np.int32),
        rows=np.array(rows, dtype=np.int32),
        targets=np.array(targets, dtype=np.int32),
        lm_loss=np.array([loss.item()]),
        lm_logits=logits.detach().float().numpy(),
        classes=np.array(CLASSES, dtype=np.int32),
        class_logits=scores.detach().float().numpy(),
    )
    config.architectures = [language]
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config.to_diff_dict() | {"model_type": family}, file, indent=2, sort_keys=True)
        file.write("\n")
    write_tokenizer(folder)
    save(os.path.join(folder, "model.safetensors"), weights)
    save(os.path.join(folder, "expected.safetensors"), expected)


if __name__ == "__main__":
    torch.manual_seed(0)
    for name in FAMILIES:
        make(name)
