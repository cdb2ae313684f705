"""Usage: judge_checkpoint.py LINES CASE "name: formula [>= bar | <= bar]" ...

LINES: "name number" a line, as bench_checkpoint prints them. Each formula is computed of every
turn; printed are the median, the least and the most, and whether the median meets the bar. 1 if one
does not.
"""

import re
import statistics
import sys


def turns(path):
    """Of each name its numbers, those of the turns alone."""
    numbers = {}
    for line in open(path):
        name, number = line.split()
        if name == "warm":
            numbers = {key: value for key, value in numbers.items() if key == "bytes"}
        else:
            numbers.setdefault(name, []).append(float(number))
    return numbers


def judge(numbers, text):
    name, formula, sign, bar = re.fullmatch(
        r"(.*?): (.*?)(?: ([<>]=) ([0-9.]+))?", text
    ).groups()
    needed = set(re.findall(r"[a-z_]+", formula))
    if any(one not in numbers for one in needed):
        print(f"  {name:14} was not seen: a save was over within a step")
        return True
    count = min(len(numbers[one]) for one in needed)
    values = [eval(formula, {one: numbers[one][i] for one in needed}) for i in range(count)]
    middle = statistics.median(values)
    met = not sign or (middle >= float(bar) if sign == ">=" else middle <= float(bar))
    said = f"  {sign} {bar}  {'yes' if met else 'NO'}" if sign else ""
    print(f"  {name:14} {middle:6.3f}  ({min(values):.3f} to {max(values):.3f}, {count}){said}")
    return met


def main(path, case, *formulas):
    numbers = turns(path)
    size = f", {numbers['bytes'][0] / 1e6:.0f} MB" if "bytes" in numbers else ""
    print(f"{case}{size}")
    for name, values in numbers.items():
        if name != "bytes":
            print(f"    {name:14} {statistics.median(values):.4f} s")
    return 0 if all([judge(numbers, formula) for formula in formulas]) else 1


sys.exit(main(*sys.argv[1:]))
