"""ReFrame tests of an installed Temper: references are accuracies and shares, never times, so that
they hold on any machine.

    reframe -c packaging/reframe/temper.py -l
    reframe -C packaging/reframe/one_machine.py -c packaging/reframe/temper.py -r

One machine, with mpirun; on a cluster give the site's own configuration instead. `-S temper=PATH`
names the program, `-S ranks=N` and `-S threads=N` the layout. The quickstart needs models/minilm-l6
of a checkout (cmake/fetch), which this file is part of.
Checked with ReFrame 4.10 on one machine of two cores, not on a cluster."""

import json
import os

import reframe as rfm
import reframe.utility.sanity as sn

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class TemperTest(rfm.RunOnlyRegressionTest):
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    sourcesdir = None
    temper = variable(str, value="temper")
    ranks = variable(int, value=2)
    threads = variable(int, value=1)

    @run_after("init")
    def set_layout(self):
        self.executable = self.temper
        self.num_tasks = self.ranks
        self.num_cpus_per_task = self.threads
        self.env_vars["OMP_NUM_THREADS"] = self.threads


@rfm.simple_test
class TemperDoctor(TemperTest):
    """Ranks see each other, and none of them is much slower than the others."""

    descr = "ranks, threads, BLAS and file system"
    executable_opts = ["doctor", "--folder", "."]
    reference = {"*": {"slowest_rank": (1.0, -0.3, None, "of the fastest")}}
    sgemm = r"^\w+\s+sgemm\s+(?P<all>\S+) GFLOP/s, (?P<slowest>\d+) to (?P<fastest>\d+) a rank"

    @sanity_function
    def sees_all_ranks(self):
        return sn.all([
            sn.assert_found(rf"^ok\s+launcher\s+{self.ranks} ranks?[, ]", self.stdout),
            sn.assert_not_found(r"^fail ", self.stdout),
        ])

    @performance_function("of the fastest")
    def slowest_rank(self):
        slowest = sn.extractsingle(self.sgemm, self.stdout, "slowest", float)
        return slowest / sn.extractsingle(self.sgemm, self.stdout, "fastest", float)

    @performance_function("GFLOP/s")
    def sgemm_rate(self):
        return sn.extractsingle(self.sgemm, self.stdout, "all", float)


@rfm.simple_test
class TemperQuickstart(TemperTest):
    """MiniLM learns to tell spam from ham (jobs/sms-spam.yaml)."""

    descr = "fine-tunes MiniLM-L6 on 5,574 messages"
    time_limit = "1h"
    model = variable(str, value=os.path.join(ROOT, "models", "minilm-l6"))
    reference = {
        "*": {
            "accuracy": (0.9928, -0.01, None, "of 1"),
            "sgemm_share": (0.5, -0.8, None, "of sgemm"),
        }
    }

    @run_before("run")
    def set_recipe(self):
        self.skip_if(not os.path.isdir(self.model), f"{self.model} is not there: cmake/fetch")
        self.prerun_cmds = [f"{self.temper} import {self.model} -o minilm.h5"]
        self.executable_opts = [
            "train",
            os.path.join(ROOT, "jobs", "sms-spam.yaml"),
            "model.path=minilm.h5",
            "data.path=" + os.path.join(ROOT, "jobs", "data", "sms-spam.tsv"),
            "output.folder=run",
        ]

    @deferrable
    def report(self):
        with open(os.path.join(self.stagedir, "run", "report.json")) as file:
            return json.load(file)

    @sanity_function
    def trained_on_all_ranks(self):
        return sn.all([
            sn.assert_found(rf"; leaves \d+, ranks {self.ranks}, ", self.stderr),
            sn.assert_gt(self.report()["splits"]["test"]["accuracy"], 0.9),
        ])

    @performance_function("of 1")
    def accuracy(self):
        return self.report()["splits"]["test"]["accuracy"]

    @performance_function("of sgemm")
    def sgemm_share(self):
        return self.report()["efficiency"]["sgemm_share"]

    @performance_function("tokens/s")
    def tokens_rate(self):
        return self.report()["efficiency"]["tokens_per_second"]
