"""What the comparisons with other programs share: runs with their memory, rates of this machine."""

import json
import os
import pathlib
import platform
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
TEMPER = pathlib.Path(os.environ.get("TEMPER", ROOT / "build" / "temper"))


def children(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += children(int(child))
    return found


def pss_kib(pid, program):
    """Proportional memory of `program`'s processes below pid, at this moment."""
    total = 0
    for process in children(pid):
        try:
            folder = pathlib.Path(f"/proc/{process}")
            if program not in (folder / "comm").read_text():
                continue
            for line in (folder / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:  # it has just ended
            pass
    return total


def run(command, program, log, threads=1):
    """(standard output, peak PSS in GiB of `program`); the command's messages go to `log`."""
    peak = 0
    with open(log, "w") as messages, open(f"{log}.out", "w+") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=messages,
            cwd=ROOT,
            env=environment(threads),
        )
        while process.poll() is None:
            begin = time.perf_counter()
            peak = max(peak, pss_kib(process.pid, program))
            # the kernel walks all pages: a twentieth of the time that is measured, not more
            time.sleep(max(0.2, 20 * (time.perf_counter() - begin)))
        if process.returncode:
            sys.exit(f"{command[0]} failed with {process.returncode}: see {log}")
        output.seek(0)
        return output.read(), peak / 2**20


def environment(threads):
    """As tests run MPI; `threads` a rank."""
    settings = dict(
        line.split("=", 1)
        for line in (ROOT / "cmake" / "mpi.env").read_text().split()
        if "yield" not in line
    )
    settings["OMP_NUM_THREADS"] = str(threads)
    return {**os.environ, **settings, "TOKENIZERS_PARALLELISM": "false"}


def measured_rate(script):
    """What a script of this folder prints, with two threads and the kernels that Temper chooses:
    old OpenBLAS does not know new CPUs."""
    settings = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text():
        settings.setdefault("OPENBLAS_CORETYPE", "SkylakeX")
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "bench" / script],
        check=True,
        env=settings,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def sgemm_gflops():
    return measured_rate("sgemm.py")


def reading_gb_per_s():
    return measured_rate("reading.py")


def temper_steps(folder):
    """(tokens, seconds) of every step of a run."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "split" not in line]
    return [step["tokens"] for step in steps], [step["seconds"] for step in steps]


def ratio(value, bar, at_most=False):
    met = value <= bar if at_most else value >= bar
    return dict(value=value, bar=bar, at_most=at_most, met=met)


def print_ratios(ratios):
    for name, one in ratios.items():
        sign, said = "<=" if one["at_most"] else ">=", "yes" if one["met"] else "NO"
        print(f"  {name.replace('_', ' '):20} {one['value']:6.2f}  {sign} {one['bar']:.2f}  {said}")


def finish(results, path, **settings):
    """Prints all as one line of JSON, and into `path`; 1 if a ratio does not reach its bar."""
    document = json.dumps(dict(machine=machine(), **settings, cases=results))
    print(document)
    if path:
        path.write_text(document + "\n")
    return 0 if all(one["met"] for case in results for one in case["ratios"].values()) else 1


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return dict(
        cpu=names[0] if names else platform.processor(),
        cpus=os.cpu_count(),
        date=time.strftime("%Y-%m-%d"),
    )
