"""Usage: compare_start.py TEMPER EMPTY ROUNDS; see compare_start."""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

BAR_S = 0.5
LAUNCHER = ["mpirun", "--quiet", "-n", "2"]


def first_line(path, process):
    """The first line of a file, as soon as it is whole, and the moment."""
    while True:
        over = process.poll() is not None
        text = path.read_text() if path.exists() else ""
        if "\n" in text:
            return text.split("\n")[0], time.perf_counter()
        if over:
            sys.exit(f"{path}: the run ended without a step")
        time.sleep(0.001)


def start_s(program, folder):
    """A line of metrics.jsonl appears when its step is over, and says how long that took."""
    command = LAUNCHER + [program, "train", "jobs/sms-spam.yaml", "train.max_steps=1"]
    command += [f"output.folder={folder}", "output.save_steps=0"]
    begun = time.perf_counter()
    with open(f"{folder}.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        line, now = first_line(pathlib.Path(folder, "metrics.jsonl"), process)
        process.kill()
        process.wait()
    return now - json.loads(line)["seconds"] - begun


def empty_s(program):
    begun = time.perf_counter()
    subprocess.run(LAUNCHER + [program], check=True)
    return time.perf_counter() - begun


def main(temper, empty, rounds):
    differences = []
    with tempfile.TemporaryDirectory() as work:
        start_s(temper, f"{work}/prepares")
        for i in range(int(rounds)):
            bare, start = empty_s(empty), start_s(temper, f"{work}/run{i}")
            differences.append(start - bare)
            print(f"empty {bare:.3f} s  first step after {start:.3f} s  apart {start - bare:.3f} s")
    middle = statistics.median(differences)
    print(f"median {middle:.3f} s above an empty program (at most {BAR_S})")
    return 0 if middle <= BAR_S else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
