"""SmolLM2-135M in Temper and its peers in turn; see compare_language."""

import argparse
import csv
import json
import os
import pathlib
import re
import shutil
import sys

from measure import (
    CACHE,
    ROOT,
    TEMPER,
    finish,
    print_ratios,
    ratio,
    reading_gb_per_s,
    run,
    sgemm_gflops,
    temper_steps,
)

FOLDER = CACHE / "language"
GGUF, MODEL = ROOT / "models" / "smollm2-135m.gguf", FOLDER / "smollm2-135m.h5"
F32 = FOLDER / "smollm2-135m-f32.gguf"
SMS = ROOT / "jobs" / "data" / "sms-spam.tsv"
LLAMA_CPP = pathlib.Path(os.environ["LLAMA_CPP"])
SKIPPED_STEPS = 2  # caches and allocators settle
BLOCK, GENERATED = 256, 128
ROUNDS = 3  # of generation, in turn; the best counts
PROMPT = "The history of the steam engine begins"

# hidden, keys, ffn, layers, vocabulary of SmolLM2-135M
H, KV, F, L, V = 576, 192, 1536, 30, 49152
FLOPS_PER_TOKEN = 3 * (L * 2 * (2 * H * H + 2 * H * KV + 3 * H * F) + 2 * H * V)
WEIGHT_BYTES = 4 * (V * H + L * (2 * H * H + 2 * H * KV + 3 * H * F + 2 * H) + H)

RECIPE = """model:  {{path: {model}, task: causal_lm}}
data:   {{path: {data}, {columns}, max_length: {length}}}
train:  {{max_steps: {steps}, batch_size: {batch}, learning_rate: 2e-5, dropout: 0, shuffle: false,
         leaves: 1}}
output: {{folder: {folder}/run}}
"""
CHAT = (
    "prompt: SMS, completion: Label, chat_template: smollm2, "
    'system: "Is the message spam or ham? Answer in one word."'
)


def temper(*arguments, log):
    return run([TEMPER, *arguments], "temper", FOLDER / log, threads=2)


def prepare(name, columns, batch, steps):
    """(recipe, prepared data set) of a case, with nothing left of an earlier run."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    recipe = folder / "recipe.yaml"
    settings = dict(columns=columns, batch=batch, steps=steps, folder=folder)
    recipe.write_text(RECIPE.format(model=MODEL, data=SMS, length=BLOCK, **settings))
    temper("prepare", recipe, log=f"{name}-temper.log")
    (prepared,) = folder.glob("prepared-*.h5")
    return recipe, prepared


def rates(tokens, seconds, memory):
    tokens, seconds = tokens[SKIPPED_STEPS:], seconds[SKIPPED_STEPS:]
    return dict(tokens_per_s=sum(tokens) / sum(seconds), memory_gib=memory)


def peer(log, *arguments):
    script = ROOT / "tests" / "bench" / "peer_language.py"
    output, memory = run([sys.executable, script, *arguments], "python", FOLDER / log)
    return json.loads(output.splitlines()[-1]), memory


def training(name, columns, batch, steps, bars):
    """Against transformers, on the rows of one prepared data set. One rank of 2 threads: one copy
    of the gradients, and a step may be one leaf, whose products are the largest."""
    recipe, prepared = prepare(name, columns, batch, steps)
    before = sgemm_gflops()
    theirs, memory = peer(
        f"{name}-peer.log", "train", GGUF, prepared, "--batch-size", batch, "--steps", steps
    )
    theirs = rates(theirs["tokens"], theirs["seconds"], memory)
    memory = temper("train", recipe, log=f"{name}-temper.log")[1]
    ours = rates(*temper_steps(recipe.parent / "run"), memory)
    sgemm = max(before, sgemm_gflops())
    ratios = dict(times=ratio(ours["tokens_per_s"] / theirs["tokens_per_s"], bars[0]))
    if len(bars) > 1:
        ratios["share_of_sgemm"] = ratio(
            ours["tokens_per_s"] * FLOPS_PER_TOKEN / 1e9 / sgemm, bars[1]
        )
        ratios["share_of_memory"] = ratio(
            ours["memory_gib"] / theirs["memory_gib"], bars[2], at_most=True
        )
    return dict(case=name, sgemm_gflops=sgemm, transformers=theirs, temper=ours, ratios=ratios)


def blocks():
    return training("blocks", "text: SMS", 4, 8, (1.6, 0.70, 0.95))


def chat():
    return training("chat", CHAT, 16, 8, (3.0,))


def make_f32():
    if not F32.exists():
        quantize = [LLAMA_CPP / "llama-quantize", "--allow-requantize", GGUF, F32, "f32"]
        run(quantize, "llama-quantize", FOLDER / "quantize.log")


def updates():
    """Against llama.cpp's training with a step every block, which says its seconds as a whole."""
    steps = 40
    make_f32()
    text = FOLDER / "updates.txt"
    with open(SMS, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        lines = [row["SMS"] for row in rows]
    text.write_text("\n".join(lines[: steps * 8]), encoding="utf-8")
    log = FOLDER / "updates-peer.log"
    output, memory = run(
        [LLAMA_CPP / "llama-finetune", "--file", text, "--model", F32, "-c", BLOCK, "-b", BLOCK]
        + ["-ub", BLOCK, "-t", 2, "-o", FOLDER / "updates-peer.gguf"],
        "llama-finetune",
        log,
    )
    theirs = dict(tokens_per_s=llama_cpp_rate(output + log.read_text()), memory_gib=memory)
    recipe, _ = prepare("updates", "text: SMS", 1, steps)
    memory = temper("train", recipe, log="updates-temper.log")[1]
    ours = rates(*temper_steps(recipe.parent / "run"), memory)
    times = ratio(ours["tokens_per_s"] / theirs["tokens_per_s"], 1.15)
    return dict(case="updates", llama_cpp=theirs, temper=ours, ratios=dict(times=times))


def llama_cpp_rate(messages):
    """Of the last line of a training pass: blocks done and the time since its start."""
    done = re.findall(r"train:.*?data=0*(\d+)/0*\1\b.*?t=(\d+):(\d+):(\d+)", messages)
    blocks, hours, minutes, seconds = map(int, done[0])
    return blocks * BLOCK / (3600 * hours + 60 * minutes + seconds)


def generation():
    make_f32()
    reading = reading_gb_per_s()
    theirs, memory = peer(
        "generation-peer.log", "generate", GGUF, "--prompt", PROMPT, "--tokens", GENERATED
    )
    transformers = dict(tokens_per_s=added_rate(theirs), memory_gib=memory)
    rounds = [(llama_cpp_generation(), temper_generation()) for _ in range(ROUNDS)]
    llama_cpp, ours = (max(some, key=lambda one: one["tokens_per_s"]) for some in zip(*rounds))
    reading = max(reading, reading_gb_per_s())
    share = ours["tokens_per_s"] * WEIGHT_BYTES / 1e9 / reading
    return dict(
        case="generation",
        reading_gb_per_s=reading,
        share_of_reading=share,
        transformers=transformers,
        llama_cpp=llama_cpp,
        temper=ours,
        ratios=dict(
            times_transformers=ratio(ours["tokens_per_s"] / transformers["tokens_per_s"], 2.5),
            times_llama_cpp=ratio(ours["tokens_per_s"] / llama_cpp["tokens_per_s"], 1.0),
        ),
    )


def added_rate(result):
    """Of the tokens that the longer text has more, without the start and the prompt."""
    tokens, seconds = result["tokens"], result["seconds"]
    return (tokens[1] - tokens[0]) / (seconds[1] - seconds[0])


def llama_cpp_generation():
    bench = [LLAMA_CPP / "llama-bench", "-m", F32, "-t", 2, "-p", 0, "-n", GENERATED, "-r", 1]
    log = FOLDER / "generation-llama-cpp.log"
    output, memory = run([*bench, "-o", "json"], "llama-bench", log)
    return dict(tokens_per_s=json.loads(output)[0]["avg_ts"], memory_gib=memory)


def temper_generation():
    log, flags = "generation-temper.log", ["--prompt", PROMPT, "--max-tokens", GENERATED + 1]
    output, memory = temper("generate", MODEL, *flags, log=log)
    said = (FOLDER / log).read_text()
    tokens, seconds = re.search(r"(\d+) tokens in ([\d.]+) s", said).groups()
    if json.loads(output)["tokens"] != GENERATED + 1:
        sys.exit(f"the text ended early: {output}")
    return dict(tokens_per_s=int(tokens) / float(seconds), memory_gib=memory)


CASES = dict(blocks=blocks, chat=chat, updates=updates, generation=generation)


def print_result(result):
    measured = {key: value for key, value in result.items() if isinstance(value, float)}
    print(f"\n{result['case']} " + ", ".join(f"{k} {value:.3g}" for k, value in measured.items()))
    print(f"  {'':13} {'tokens/s':>9} {'PSS GiB':>8}")
    for name in "transformers", "llama_cpp", "temper":
        if name in result:
            print(
                f"  {name:13} {result[name]['tokens_per_s']:9.1f} {result[name]['memory_gib']:8.2f}"
            )
    print_ratios(result["ratios"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not MODEL.exists():
        temper("import", GGUF, "-o", MODEL, log="import.log")
    results = []
    for name in options.case or CASES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results.append(CASES[name]())
        print_result(results[-1])
    return finish(results, options.json)


if __name__ == "__main__":
    sys.exit(main())
