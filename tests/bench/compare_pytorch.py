"""Runs Temper and its peer in turn on the same rows; see compare_pytorch."""

import argparse
import csv
import json
import pathlib
import random
import shutil
import statistics
import sys

from measure import (
    CACHE,
    ROOT,
    TEMPER,
    finish,
    print_ratios,
    ratio,
    run,
    sgemm_gflops,
    temper_steps,
)

SKIPPED_STEPS = 3  # caches and allocators settle
BATCH = 32
MINILM, BASE = ROOT / "models" / "minilm-l6", CACHE / "bert-base-shape"

# What a case needs of Temper: times the padded peer, times the sorted peer, share of sgemm, share
# of the padded peer's memory.
CASES = {
    "minilm-sms": dict(model=MINILM, data="sms", max_length=128, bars=(3.0, 1.4, 0.62, 0.5)),
    "minilm-reviews": dict(
        model=MINILM, data="reviews", max_length=256, bars=(4.0, 2.0, 0.62, 0.3)
    ),
    "base-sms": dict(model=BASE, data="sms", max_length=128, bars=(3.3, 1.6, 0.65, 0.6)),
}
DATA = {
    "sms": dict(file="sms.tsv", text="SMS", label="Label"),
    "reviews": dict(file="reviews.csv", text="review", label="label"),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--reviews", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["peer", "temper"])
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    can_run = [name for name in CASES if options.reviews or CASES[name]["data"] != "reviews"]
    options.case = options.case or can_run
    if "minilm-reviews" in options.case and not options.reviews:
        parser.error("minilm-reviews needs --reviews CSV")
    if options.only != "peer" and not TEMPER.exists():
        parser.error(f"{TEMPER} is not built (or say --only peer)")
    return options


def write_rows(source, target, tabs, count):
    """The first `count` rows of a fixed shuffle, with the header."""
    style = dict(delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else {}
    with open(source, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, **style)
    random.Random(0).shuffle(rows)
    with open(target, "w", encoding="utf-8", newline="") as file:
        if tabs:
            file.writelines("\t".join(row) + "\n" for row in [header] + rows[:count])
        else:
            csv.writer(file).writerows([header] + rows[:count])


def make_base_model():
    """A folder with random weights in BERT-base's shape and MiniLM's tokenizer."""
    if (BASE / "model.safetensors").exists():
        return
    from transformers import AutoConfig, AutoModelForSequenceClassification

    shape = dict(
        num_hidden_layers=12, hidden_size=768, num_attention_heads=12, intermediate_size=3072
    )
    config = AutoConfig.from_pretrained(MINILM, num_labels=2, **shape)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(BASE)
    for name in "tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json":
        shutil.copy(MINILM / name, BASE / name)


def prepare(options):
    CACHE.mkdir(parents=True, exist_ok=True)
    count = BATCH * (options.steps + SKIPPED_STEPS)
    write_rows(ROOT / "jobs" / "data" / "sms-spam.tsv", CACHE / "sms.tsv", True, count)
    if options.reviews:
        write_rows(options.reviews, CACHE / "reviews.csv", False, count)
    if "base-sms" in options.case:
        make_base_model()


def peer(name, rows_sorted):
    case, log = CASES[name], CACHE / f"{name}-peer.log"
    data = DATA[case["data"]]
    command = [
        sys.executable,
        ROOT / "tests" / "bench" / "peer_pytorch.py",
        "--model",
        case["model"],
        "--data",
        CACHE / data["file"],
        "--text",
        data["text"],
        "--label",
        data["label"],
        "--max-length",
        case["max_length"],
        "--batch-size",
        BATCH,
        "--threads",
        2,
    ]
    output, memory = run(command + ["--sorted"] * rows_sorted, "python", log)
    steps = json.loads(output.splitlines()[-1])
    return steps["tokens"], steps["seconds"], memory


def temper(name):
    case, log = CASES[name], CACHE / f"{name}-temper.log"
    data, folder = DATA[case["data"]], CACHE / "run"
    model = CACHE / (case["model"].name + ".h5")
    if not model.exists():
        run([TEMPER, "import", case["model"], "-o", model], "temper", log)
    shutil.rmtree(folder, ignore_errors=True)
    command = [
        "mpirun",
        "-n",
        2,
        TEMPER,
        "train",
        ROOT / "jobs" / "sms-spam.yaml",
        f"model.path={model}",
        f"data.path={CACHE / data['file']}",
        f"data.text={data['text']}",
        f"data.label={data['label']}",
        f"data.max_length={case['max_length']}",
        "data.split.validation=0",
        "data.split.test=0",
        "train.epochs=1",
        "train.shuffle=false",
        f"train.batch_size={BATCH}",
        f"output.folder={folder}",
        "output.save_steps=0",
    ]
    memory = run(command, "temper", log)[1]
    return *temper_steps(folder), memory


def layer_flops(model):
    """Useful flops of a training step per real token: forward and twice that for backward."""
    shape = json.loads((model / "config.json").read_text())
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    return 3 * shape["num_hidden_layers"] * (8 * width * width + 4 * width * inner)


def measured(name, result):
    tokens, seconds, memory = result
    tokens, seconds = tokens[SKIPPED_STEPS:], seconds[SKIPPED_STEPS:]
    return dict(
        gflops=sum(tokens) * layer_flops(CASES[name]["model"]) / sum(seconds) / 1e9,
        tokens_per_s=sum(tokens) / sum(seconds),
        memory_gib=memory,
        step_s=statistics.mean(seconds),
    )


def measure(name, options):
    """Every contender once a round, between two measurements of sgemm."""
    contenders = {}
    if options.only != "temper":
        contenders["padded"] = lambda: peer(name, False)
        contenders["sorted"] = lambda: peer(name, True)
    if options.only != "peer":
        contenders["temper"] = lambda: temper(name)
    rounds, sgemm = {contender: [] for contender in contenders}, [sgemm_gflops()]
    for _ in range(options.rounds):
        for contender, start in contenders.items():
            print(f"{name}: {contender} ...", file=sys.stderr, flush=True)
            rounds[contender].append(measured(name, start()))
            sgemm.append(sgemm_gflops())
    out = {
        contender: {key: statistics.median(one[key] for one in results) for key in results[0]}
        for contender, results in rounds.items()
    }
    return dict(case=name, sgemm_gflops=statistics.median(sgemm), **out)


def ratios(result):
    if not all(contender in result for contender in ("padded", "sorted", "temper")):
        return {}
    own, padded = result["temper"], result["padded"]
    bars = CASES[result["case"]]["bars"]
    return dict(
        times_padded=ratio(own["gflops"] / padded["gflops"], bars[0]),
        times_sorted=ratio(own["gflops"] / result["sorted"]["gflops"], bars[1]),
        share_of_sgemm=ratio(own["gflops"] / result["sgemm_gflops"], bars[2]),
        share_of_memory=ratio(own["memory_gib"] / padded["memory_gib"], bars[3], at_most=True),
    )


def print_table(result):
    print(f"\n{result['case']}: sgemm {result['sgemm_gflops']:.0f} GFLOP/s on 2 threads")
    print(f"  {'':8} {'GFLOP/s':>8} {'of sgemm':>9} {'tokens/s':>9} {'s a step':>9} {'PSS GiB':>8}")
    for name in "padded", "sorted", "temper":
        if name in result:
            one = result[name]
            print(
                f"  {name:8} {one['gflops']:8.1f} {one['gflops'] / result['sgemm_gflops']:9.2f} "
                f"{one['tokens_per_s']:9.0f} {one['step_s']:9.3f} {one['memory_gib']:8.2f}"
            )
    print_ratios(result["ratios"])


def main():
    options = arguments()
    prepare(options)
    results = []
    for name in options.case:
        result = measure(name, options)
        result["ratios"] = ratios(result)
        print_table(result)
        results.append(result)
    return finish(results, options.json, steps=options.steps, rounds=options.rounds)


if __name__ == "__main__":
    sys.exit(main())
