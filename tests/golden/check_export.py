#!/usr/bin/env python3
"""transformers loads an exported folder as it is and finds what went in.

python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, safetensors 0.8.0

    check_export.py TEMPER SOURCE_FOLDER [RUN]

TEMPER is the program. SOURCE_FOLDER is imported and exported again: every tensor must keep its
bytes, the tokenizer its ids, the model its outputs. RUN, a run folder or a checkpoint, is exported
too and must load with its labels and give the logits of `temper predict`. Language models, and
what continues a text like `temper generate`: check_export_language.py.
"""

import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

TEXTS = ["Hello there, World!", "Zürich is 中文 fine", "", "free entry: call 0800 now!!! ÀÉ"]


def tensors(folder):
    with safe_open(os.path.join(folder, "model.safetensors"), "pt") as file:
        assert file.metadata() and file.metadata().get("format") == "pt", "metadata lacks format"
        return {name: file.get_tensor(name) for name in file.keys()}


def compare_tensors(source, exported):
    compared = 0
    for name, tensor in tensors(exported).items():
        before = source.get(name, source.get(name.removeprefix("bert.")))
        assert before is not None, f"{name} came from nowhere"
        assert before.dtype == tensor.dtype and before.shape == tensor.shape, name
        assert before.numpy().tobytes() == tensor.numpy().tobytes(), f"{name} changed"
        compared += 1
    print(f"{compared} tensors keep their bytes")


def load(folder):
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True, ignore_mismatched_sizes=False
    )
    wrong = [key for key in info["missing_keys"] if not key.startswith("classifier.")]
    assert not wrong and not info["unexpected_keys"], info
    return model.eval(), info


def compare_outputs(source, exported):
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (source, exported)]
    models = [load(folder)[0].base_model for folder in (source, exported)]
    for text in TEXTS:
        ids = [tokenizer(text, text[:9])["input_ids"] for tokenizer in tokenizers]
        assert ids[0] == ids[1], (text, ids)
        with torch.no_grad():
            outputs = [model(torch.tensor([ids[0]])).last_hidden_state for model in models]
        assert torch.equal(*outputs), text
    print(f"{len(TEXTS)} texts give the same ids and outputs")


def compare_logits(temper, run, logits):
    """The logits of `temper predict` on the same texts, within 1e-5 of the largest."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("".join(text + "\n" for text in TEXTS))
        file.flush()
        command = [temper, "predict", run, "--input", file.name, "--logits"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    own = torch.tensor([json.loads(line)["logits"] for line in done.stdout.splitlines()])
    apart = ((own - logits).abs().max() / logits.abs().max()).item()
    assert apart <= 1e-5, f"logits differ by {apart:.2g} of the largest"
    print(f"{run}: logits of temper predict differ by {apart:.2g} of the largest")


def check_run(folder):
    model, info = load(folder)
    assert not info["missing_keys"], info["missing_keys"]
    config = AutoConfig.from_pretrained(folder)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        names = json.load(file)["id2label"]
    assert config.architectures == ["BertForSequenceClassification"], config.architectures
    assert {str(i): name for i, name in config.id2label.items()} == names, config.id2label
    assert config.label2id == {name: int(i) for i, name in names.items()}, config.label2id
    assert model.num_labels == len(names) and model.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == config.max_position_embeddings
    batch = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**batch).logits
    assert logits.shape == (len(TEXTS), len(names)) and torch.isfinite(logits).all()
    print(f"{folder}: {type(model).__name__}, labels {list(names.values())}")
    return logits


def main():
    temper, source = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as scratch:
        model, folder = os.path.join(scratch, "model.h5"), os.path.join(scratch, "exported")
        subprocess.run([temper, "import", source, "-o", model], check=True)
        subprocess.run([temper, "export", model, "-o", folder], check=True)
        compare_tensors(tensors(source), folder)
        compare_outputs(source, folder)
        for run in sys.argv[3:]:
            folder = os.path.join(scratch, "run")
            subprocess.run([temper, "export", run, "-o", folder], check=True)
            compare_logits(temper, run, check_run(folder))


main()
