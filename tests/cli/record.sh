#!/usr/bin/env bash
# TEST labels=train timeout=120
# RUN/record.json says what a run was made with and what it wrote; a run that goes on adds a part.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

# hashes FOLDER: of the last part, the lines of sha256sum.
hashes() {
    python3 - "$1" <<'END'
import json, sys
run = sys.argv[1]
part = json.load(open(run + "/record.json"))["parts"][-1]
for file in part["data"] + [part["model"]]:
    print(file["sha256"] + "  " + file["path"])
for file in part["outputs"]:
    print(file["sha256"] + "  " + run + "/" + file["path"])
END
}

# parts FOLDER: a line each.
parts() {
    python3 - "$1" <<'END'
import json, sys
for part in json.load(open(sys.argv[1] + "/record.json"))["parts"]:
    print(part["from_step"], part.get("to_step"), part.get("state"), part["ranks"])
END
}

# expect_parts FOLDER LINE...
expect_parts() {
    [ "$(parts "$1")" = "$(printf '%s\n' "${@:2}")" ] || fail "$1 has the parts $(parts "$1")"
}

expect_exit 0 train 2 one train.max_steps=3
expect_parts runs/one "0 3 done 2"
hashes runs/one >sums
expect_exit 0 sha256sum --check sums
for file in tiny.h5 sms.tsv run.log metrics.jsonl metrics.h5 recipe.yaml report.json report.html \
    loss.svg test.jsonl step-0000000003.h5; do
    grep -q "[ /]$file\$" sums || fail "no hash of $file"
done
python3 - runs/one <<'END' || fail "the fields of the record"
import datetime, json, os, subprocess, sys
part, = json.load(open(sys.argv[1] + "/record.json"))["parts"]
version = json.loads(subprocess.check_output([os.environ["TEMPER"], "version", "--json"]))
assert part["program"] == version, part["program"]
assert part["command"][1:] == ["train", "recipe.yaml", "output.folder=runs/one",
                               "train.max_steps=3"], part["command"]
assert part["folder"] == os.getcwd() and part["recipe"]["train.max_steps"] == "3"
assert part["grid"] == {"data": 2, "rows": 1, "cols": 1, "leaves": 16}, part["grid"]
node, = part["nodes"]
assert [r["rank"] for r in node["ranks"]] == [0, 1] and node["host"] == os.uname().nodename
assert all(r["threads"] == 1 and r["cpus"] for r in node["ranks"]), node
assert part["seeds"]["train.seed"] == 7 and part["environment"]["OMP_NUM_THREADS"] == "1"
started, ended = (datetime.datetime.fromisoformat(part[k].rstrip("Z"))
                  for k in ("started_utc", "ended_utc"))
now = datetime.datetime.utcnow()
assert started <= ended <= now and (now - started).total_seconds() < 60, (started, ended, now)
told = os.access("/sys/class/powercap/intel-rapl:0/energy_uj", os.R_OK)
assert ("energy_j" in part) == told, part
END

# a run that goes on, one that is done already, and one that begins anew
expect_exit 0 train 1 one
expect_exit 0 train 1 one
expect_parts runs/one "0 3 done 2" "3 8 done 1" "8 8 done 1"
hashes runs/one >sums
expect_exit 0 sha256sum --check sums
expect_exit 0 train 1 one train.resume=never
expect_parts runs/one "0 8 done 1"

# a run that fails, or is stopped
TEMPER_FAULT=loss-nan:0:1 expect_exit 1 train 2 diverged
expect_text err "training diverged"
expect_parts runs/diverged "0 0 failed 2"
SLURM_JOB_ID=17 "${launch[@]}" -n 2 "$TEMPER" train recipe.yaml \
    output.folder=runs/stopped train.epochs=2000 >stopped.out 2>&1 &
launcher=$!
for _ in $(seq 400); do
    [ -s runs/stopped/metrics.jsonl ] && break
    sleep 0.05
done
kill -USR1 $launcher
interrupted $launcher 85 stopped.out
parts runs/stopped | grep -qE "^0 [0-9]+ stopped 2$" || fail "$(parts runs/stopped)"
grep -q '"job": "17"' runs/stopped/record.json || fail "no job"
grep -q '"frame_sha256"' runs/stopped/record.json || fail "no outputs"
! grep -q '"outputs"' runs/diverged/record.json || fail "outputs of a run that failed"

# a record that nobody can read does not stop the run
echo '{"parts": [' >runs/one/record.json
expect_exit 0 train 1 one
expect_text err "the record begins anew"
expect_parts runs/one "8 8 done 1"

# files of folders
mkdir more other
head -n 120 sms.tsv >more/a.tsv
(head -n 1 sms.tsv; sed -n '121,$p' sms.tsv) >more/b.tsv
cp sms.tsv other/a.tsv
expect_exit 0 train 1 files data.path=more data.split.test=other \
    data.split.validation=other/a.tsv
hashes runs/files >sums
expect_exit 0 sha256sum --check sums
found=$(grep -oE '(more|other)/.*' sums | tr '\n' ' ')
[ "$found" = "more/a.tsv more/b.tsv other/a.tsv other/a.tsv " ] || fail "the data is $found"
