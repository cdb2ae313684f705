"""Usage: peak_memory.py [--all] FILE COMMAND...: runs the command, exits with its code, and writes
to FILE the most memory in KiB that a process of the program $TEMPER had of its own at a time: pages
of mapped files do not count, as they go when memory is short. With --all the most that its
processes had together: what they share is counted once, mapped files too (the sum of PSS)."""
import os
import subprocess
import sys
import time

program = os.path.realpath(os.environ["TEMPER"])


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            direct = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return direct + [deep for child in direct for deep in children(child)]


def kib(pid, name, field):
    """What /proc says of a process of the program; 0 of any other."""
    try:
        if os.path.realpath("/proc/%d/exe" % pid) != program:
            return 0
        with open("/proc/%d/%s" % (pid, name)) as file:
            lines = [line.split() for line in file]
        return next((int(words[1]) for words in lines if words[0] == field), 0)
    except (OSError, IndexError):
        return 0


together = sys.argv[1] == "--all"
arguments = sys.argv[2:] if together else sys.argv[1:]
job = subprocess.Popen(arguments[1:])
peak = 0
while job.poll() is None:
    pids = [job.pid] + children(job.pid)
    if together:
        now = sum(kib(pid, "smaps_rollup", "Pss:") for pid in pids)
    else:
        now = max(kib(pid, "status", "RssAnon:") for pid in pids)
    peak = max(peak, now)
    time.sleep(0.1 if together else 0.005)
with open(arguments[0], "w") as out:
    out.write("%d\n" % peak)
sys.exit(job.returncode)
