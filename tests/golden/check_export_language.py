#!/usr/bin/env python3
"""transformers loads exported language models as they are, and goes on with texts as we do.

python 3.11, torch 2.13.0 (CPU), transformers 5.23.0

    check_export_language.py TEMPER GGUF FOLDER ...

TEMPER is the program. Each Hugging Face FOLDER is imported and exported again: no tensor may come,
go or change, and token ids must stay. GGUF, of a causal language model, is imported and exported:
transformers must go on with PROMPTS from that folder, greedily, with the text of `temper generate`.
"""

import json
import os
import subprocess
import sys
import tempfile

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

TEXTS = ["Hello there, World!", "Zürich is 中文 fine", "", "it's 1234  of  them\n\nnow"]
PROMPTS = ["Once upon a time", "The capital of France is", "import numpy as np\n"]
TOKENS = 24


def temper(program, *arguments):
    done = subprocess.run([program, *arguments], check=True, stdout=subprocess.PIPE)
    return done.stdout


def export(program, source, folder):
    model = os.path.join(folder, "model.h5")
    temper(program, "import", source, "-o", model)
    temper(program, "export", model, "-o", os.path.join(folder, "exported"))
    return model, os.path.join(folder, "exported")


def load(folder):
    """The class that the configuration names."""
    (name,) = AutoConfig.from_pretrained(folder).architectures
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    return model.eval(), info


def check_folder(program, source):
    with tempfile.TemporaryDirectory() as scratch:
        _, exported = export(program, source, scratch)
        before, info_before = load(source)
        after, info = load(exported)
        assert type(before) is type(after), (type(before), type(after))
        for kind in "missing_keys", "unexpected_keys":  # a folder may hold heads of other tasks
            assert set(info[kind]) == set(info_before[kind]), (source, kind, info[kind])
        values = before.state_dict()
        for name, value in after.state_dict().items():
            assert torch.equal(value, values[name]), f"{source}: {name} changed"
        tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (source, exported)]
        for text in TEXTS:
            ids = [tokenizer(text)["input_ids"] for tokenizer in tokenizers]
            assert ids[0] == ids[1], (source, text, ids)
        print(f"{source}: {type(after).__name__}, {len(values)} tensors and the tokenizer stay")


def continuation(model, tokenizer, prompt):
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.no_grad():
        out = model.generate(**inputs, do_sample=False, max_new_tokens=TOKENS)
    return tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def check_texts(program, gguf):
    with tempfile.TemporaryDirectory() as scratch:
        model, exported = export(program, gguf, scratch)
        theirs = AutoModelForCausalLM.from_pretrained(exported).eval()
        tokenizer = AutoTokenizer.from_pretrained(exported)
        for prompt in PROMPTS:
            flags = ["--prompt", prompt, "--max-tokens", str(TOKENS)]
            said = temper(program, "generate", model, *flags)
            own, other = json.loads(said)["text"], continuation(theirs, tokenizer, prompt)
            assert own == other, (prompt, own, other)
        print(f"{gguf}: {len(PROMPTS)} texts of {TOKENS} tokens are the same")


def main():
    program, gguf, *folders = sys.argv[1:]
    for folder in folders:
        check_folder(program, folder)
    check_texts(program, gguf)


main()
