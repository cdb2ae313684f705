#!/usr/bin/env python3
"""What is read from GGUF files and written to them is what transformers and `gguf` see in them.

python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, tokenizers 0.23.3, gguf 0.19.0

    check_gguf.py CONVERT SMOLLM2_GGUF SMS_TSV

CONVERT is the program tests/bench/convert_gguf.c. SMOLLM2_GGUF is converted to every type that is
written and compared with what transformers loads from it: configuration, token ids, every weight
bit for bit. Small random models of each family go from a Hugging Face folder to GGUF and must give
the same logits there.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

import gguf
import numpy
import torch
from gguf import GGMLQuantizationType as Type
from gguf import quants
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, LlamaConfig, Qwen2Config

# One text of the SMS data and SHOWN, where the loader of transformers, which does not know the
# words of "smollm" (each digit alone, before all else), differs from the model's own tokenizer: two
# spaces before a digit.
SHOWN = "a  12"
OTHER_WORDS = 2


def convert(program, source, kind, folder):
    os.makedirs(folder, exist_ok=True)
    subprocess.run([program, source, kind, folder], check=True)
    return os.path.join(folder, "model.gguf")


def read(path):
    tensors = gguf.GGUFReader(path).tensors
    return {tensor.name: tensor for tensor in tensors}


def values(tensor):
    return quants.dequantize(tensor.data, tensor.tensor_type)


def load(path, **options):
    folder, name = os.path.split(path)
    return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)


def check_config(model, folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        ours = json.load(file)
    theirs = model.config.to_dict()
    theirs["rope_theta"] = theirs["rope_parameters"]["rope_theta"]
    checked = 0
    for key, value in ours.items():
        if key in ("architectures",) or key not in theirs:
            continue
        same = abs(value - theirs[key]) <= 1e-7 * value if isinstance(value, float) else None
        assert same or value == theirs[key], (key, value, theirs[key])
        checked += 1
    print(f"config.json: {checked} values are those of transformers")


def check_tokens(path, folder, lines):
    own = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    theirs = AutoTokenizer.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path))
    theirs = theirs.backend_tokenizer
    differ = [line for line in lines if own.encode(line).ids != theirs.encode(line).ids]
    theirs.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), theirs.pre_tokenizer]
    )
    wrong = [line for line in lines if own.encode(line).ids != theirs.encode(line).ids]
    assert not wrong, wrong[:3]
    assert len(differ) <= OTHER_WORDS, differ[:3]
    print(f"tokenizer.json: {len(lines)} texts have the ids of transformers with the model's words")


def check_weights(model, source, path, kind):
    """Every tensor of the file, and all that transformers loads from it."""
    before, after = read(source), read(path)
    assert before.keys() == after.keys(), before.keys() ^ after.keys()
    for name, tensor in after.items():
        wanted = values(before[name])
        assert tensor.tensor_type == (kind if wanted.ndim > 1 else Type.F32), name
        if tensor.tensor_type == Type.F16:
            wanted = wanted.astype(numpy.float16)
            assert tensor.data.tobytes() == wanted.tobytes(), name
        else:
            assert tensor.data.tobytes() == quants.quantize(wanted, tensor.tensor_type).tobytes()
    if kind != Type.F32:
        print(f"{kind.name}: {len(after)} tensors have the bytes of gguf")
        return
    again = load(path)
    for (name, left), (_, right) in zip(model.named_parameters(), again.named_parameters()):
        assert torch.equal(left, right), name
    print(f"F32: {len(after)} tensors keep their bits, transformers loads the same weights")


def digest(model):
    """The constant in test_smollm2.c."""
    sha = hashlib.sha256()
    for _, parameter in sorted(model.named_parameters()):
        sha.update(parameter.detach().numpy().tobytes())
    return sha.hexdigest()


def check_smollm2(program, source, lines, scratch):
    folder = os.path.join(scratch, "smollm2")
    model = load(source)
    print(f"SHA-256 of the weights in the order of their names: {digest(model)}")
    for kind in (Type.F32, Type.F16, Type.Q8_0):
        path = convert(program, source, kind.name, folder)
        check_weights(model, source, path, kind)
    check_config(model, folder)
    check_tokens(source, folder, lines)
    check_tokens(convert(program, path, "F32", os.path.join(scratch, "again")), folder, lines)
    return os.path.join(folder, "tokenizer.json")


def random_models():
    shared = dict(vocab_size=49152, bos_token_id=1, eos_token_id=2)
    decoder = dict(
        shared, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128,
    )
    llama3 = dict(
        rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
        high_freq_factor=4.0, original_max_position_embeddings=8192,
    )
    yield "llama", LlamaConfig(**decoder, tie_word_embeddings=False)
    yield "llama with scaled rotations", LlamaConfig(**decoder, rope_parameters=llama3)
    yield "qwen2", Qwen2Config(**decoder, tie_word_embeddings=True)
    # its loader knows GPT-2 with the usual n_positions and n_inner alone
    yield "gpt2", GPT2Config(**shared, n_embd=64, n_layer=2, n_head=4)


def check_random(program, name, config, tokenizer, scratch):
    torch.manual_seed(7)
    folder, out = (os.path.join(scratch, name, part) for part in ("hf", "gguf"))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    with open(tokenizer, "rb") as source, open(os.path.join(folder, "tokenizer.json"), "wb") as to:
        to.write(source.read())
    path = convert(program, folder, "F32", out)
    again = convert(program, path, "F32", os.path.join(out, "again"))
    with open(path, "rb") as first, open(again, "rb") as second:
        assert first.read() == second.read(), f"{name}: GGUF to GGUF changes the file"
    if "scaled" in name:  # the loader of transformers does not read their factors
        factors = values(read(path)["rope_freqs.weight"])
        own = model.model.rotary_emb.inv_freq.numpy()
        plain = 500000.0 ** (-numpy.arange(0, 16, 2) / 16)
        assert numpy.abs(plain / factors / own - 1).max() < 1e-5, (plain / factors, own)
    else:
        ids = torch.arange(40).reshape(2, 20) * 37
        with torch.no_grad():
            wanted, logits = model(ids).logits, load(path).eval()(ids).logits
        apart = ((wanted - logits).abs().max() / wanted.abs().max()).item()
        assert apart <= 1e-6, f"{name}: logits differ by {apart:.2g} of the largest"
    print(f"{name}: transformers finds in the GGUF file what was in the folder")


def main():
    program, source, data = sys.argv[1:4]
    with open(data, encoding="utf-8") as file:
        lines = file.read().splitlines()
    lines += ["", SHOWN, "<|im_start|>user\nZürich 中文 \U0001F600<|im_end|>\n", " \t\n  x"]
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = check_smollm2(program, source, lines, scratch)
        for name, config in random_models():
            check_random(program, name, config, tokenizer, scratch)


main()
