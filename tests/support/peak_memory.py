"""Usage: peak_memory.py FILE COMMAND...: runs the command, exits with its code, and writes to FILE
the most memory in KiB that a process of the program $TEMPER had of its own at a time: pages of
mapped files do not count, as they go when memory is short."""
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


def own_kib(pid):
    try:
        if os.path.realpath("/proc/%d/exe" % pid) != program:
            return 0
        with open("/proc/%d/status" % pid) as file:
            lines = [line.split() for line in file]
        return next((int(words[1]) for words in lines if words[0] == "RssAnon:"), 0)
    except (OSError, IndexError):
        return 0


job = subprocess.Popen(sys.argv[2:])
peak = 0
while job.poll() is None:
    peak = max([peak] + [own_kib(pid) for pid in [job.pid] + children(job.pid)])
    time.sleep(0.005)
with open(sys.argv[1], "w") as out:
    out.write("%d\n" % peak)
sys.exit(job.returncode)
