"""Usage: hostile.py SOUND: from a sound Hugging Face folder makes here folders and GGUF files that
claim more than they hold; prints the name of each and what a reader must say of it."""

import json
import os
import shutil
import struct
import sys

HUGE = 2**60
sound = sys.argv[1]


def folder(name, says):
    os.mkdir(name)
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(os.path.join(sound, file), name)
    print(name, says)


def weights(name, says, header, data=b""):
    folder(name, says)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with open(name + "/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def tensor(shape, end, dtype="F32"):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


def changed(name, says, file, change):
    folder(name, says)
    path = os.path.join(name, file)
    with open(path) as source:
        document = json.load(source)
    change(document)
    with open(path, "w") as target:
        json.dump(document, target)


def gguf(name, says, tensors, values, rest):
    with open(name, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, tensors, values) + rest)
    print(name, says)


def text(value):
    return struct.pack("<Q", len(value)) + value


# weights
weights("elements", "tensor a has no valid shape", tensor([HUGE], 8), bytes(8))
weights("wraps", "tensor a has no valid shape", tensor([2**31, 2**31, 4], 0))
weights("offsets", "tensor a has no valid shape", tensor([HUGE], 4 * HUGE))
weights("beyond", "it may be truncated", tensor([2**40], 2**42))
weights("dims", "tensor a has no valid shape", tensor([1] * 5000, 4), bytes(4))
weights("deep", "maximum parsing depth reached", b'{"a":' + b"[" * 99999)
folder("sparse", "bytes after the last tensor belong to none")
os.truncate("sparse/model.safetensors", 2**42)

# shards
for name, shard, says in (
    ("above", "../elements/model.safetensors", "the file of tensor a is no file name"),
    ("absolute", "/etc/passwd", "the file of tensor a is no file name"),
    ("parent", "..", "parent/..: not a regular file"),
    ("itself", "model.safetensors.index.json", "not a safetensors file"),
):
    folder(name, says)
    os.remove(name + "/model.safetensors")
    with open(name + "/model.safetensors.index.json", "w") as file:
        json.dump({"weight_map": {"a": shard}}, file)

# texts
for file in ("config.json", "tokenizer.json"):
    folder("long-" + file, "bytes are more than a text of ours has")
    os.truncate("long-%s/%s" % (file, file), 2**42)
for key in (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "type_vocab_size",
):
    says = key + " must be a whole number from 1 to"
    changed(key, says, "config.json", lambda config: config.update({key: HUGE}))
changed("id", "the id of token 'z'", "tokenizer.json", lambda t: t["model"]["vocab"].update(z=HUGE))

# GGUF
gguf("tensors.gguf", "(the list of tensors)", HUGE, 0, b"")
gguf("values.gguf", "(the metadata)", 0, HUGE, b"")
gguf("string.gguf", "(the metadata)", 0, 1, struct.pack("<Q", HUGE) + b"abc")
gguf("wraps.gguf", "(the metadata)", 0, 1, struct.pack("<Q", 2**64 - 8) + b"abc")
gguf("array.gguf", "(an array", 0, 1, text(b"k") + struct.pack("<IIQ", 9, 8, HUGE))
gguf("nested.gguf", "an array in an array", 0, 1, text(b"k") + struct.pack("<IIQ", 9, 9, 1) * 99)
gguf("rank.gguf", "(the list of tensors)", 1, 0, text(b"t") + struct.pack("<I", 2**30))
shape = struct.pack("<IQQQIQ", 3, 2**31, 2**31, 4, 0, 0)
gguf("shape.gguf", "tensor t has no valid shape", 1, 0, text(b"t") + shape + bytes(64))
place = struct.pack("<IQIQ", 1, 1, 0, 2**63)
gguf("place.gguf", "the file may be truncated", 1, 0, text(b"t") + place + bytes(64))
