"""Usage: wide_model.py TINY_BERT TEXTS FOLDER

A Hugging Face folder of a BERT wide enough for several ranks to own parts of its weights: some
320,000 elements beside the word embeddings, and a row there for each of 1,200 words and letters,
those of TEXTS first. Weights are random numbers, always the same ones.
"""

import array
import json
import os
import random
import re
import sys

HIDDEN, FEED, LAYERS, WORDS, POSITIONS = 128, 320, 2, 1200, 40


def shapes():
    yield "bert.embeddings.word_embeddings.weight", (WORDS, HIDDEN)
    yield "bert.embeddings.position_embeddings.weight", (POSITIONS, HIDDEN)
    yield "bert.embeddings.token_type_embeddings.weight", (2, HIDDEN)
    yield from norm("bert.embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = "bert.encoder.layer.%d." % layer
        for part in "query", "key", "value":
            yield from dense(at + "attention.self." + part, HIDDEN, HIDDEN)
        yield from dense(at + "attention.output.dense", HIDDEN, HIDDEN)
        yield from norm(at + "attention.output.LayerNorm")
        yield from dense(at + "intermediate.dense", FEED, HIDDEN)
        yield from dense(at + "output.dense", HIDDEN, FEED)
        yield from norm(at + "output.LayerNorm")
    yield from dense("bert.pooler.dense", HIDDEN, HIDDEN)


def dense(name, rows, cols):
    yield name + ".weight", (rows, cols)
    yield name + ".bias", (rows,)


def norm(name):
    yield name + ".weight", (HIDDEN,)
    yield name + ".bias", (HIDDEN,)


def vocabulary(specials, text):
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    found = re.findall("[a-z]{2,}", text.lower())
    words = sorted(dict.fromkeys(found), key=lambda word: (-found.count(word), word))
    pieces = specials + letters + ["##" + letter for letter in letters] + words
    pieces += ["unused%d" % i for i in range(WORDS)]
    return {piece: i for i, piece in enumerate(pieces[:WORDS])}


def write_weights(path):
    draw = random.Random(3)
    header, data = {"__metadata__": {"format": "pt"}}, bytearray()
    for name, shape in shapes():
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        center = float(name.endswith("LayerNorm.weight"))
        values = array.array("f", [center + 0.2 * (draw.random() - 0.5) for _ in range(count)])
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + 4 * count]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)


def main(tiny, texts, folder):
    os.makedirs(folder)
    with open(tiny + "/tokenizer.json") as file:
        tokenizer = json.load(file)
    with open(texts, encoding="utf-8") as file:
        words = vocabulary([row["content"] for row in tokenizer["added_tokens"]], file.read())
    tokenizer["model"]["vocab"] = words
    with open(tiny + "/config.json") as file:
        config = json.load(file)
    config.update(vocab_size=len(words), hidden_size=HIDDEN, intermediate_size=FEED,
                  num_hidden_layers=LAYERS, max_position_embeddings=POSITIONS)
    for name, value in ("tokenizer.json", tokenizer), ("config.json", config):
        with open("%s/%s" % (folder, name), "w") as file:
            json.dump(value, file)
    write_weights(folder + "/model.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
