#!/usr/bin/env bash
# TEST labels=train timeout=300
# verify finds every file that is not as the record says, and a repetition has the same bits on any
# number of ranks; where it has not, what differs between then and now is named.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen
settings=(output.save_steps=2 output.save_total_limit=2)

# verify RANKS FOLDER [flag ...]
verify() {
    ranks "$1" "$TEMPER" verify "runs/$2" "${@:3}"
}

# expect_found FOLDER LINE...: it exits with 1 and says just these lines.
expect_found() {
    expect_exit 1 verify 1 "$1"
    expect_lines out "${@:2}"
    expect_nothing err
}

# sum FILE: the first digits of its SHA-256.
sum() {
    sha256sum "$1" | cut -c 1-16
}

expect_exit 0 train 2 one "${settings[@]}"
expect_exit 0 verify 1 one
expect_lines out "13 files of runs/one are what they were when it was done"
expect_nothing err
expect_exit 0 verify 2 one
expect_lines out "13 files of runs/one are what they were when it was done"

# one flipped bit, whatever the file; what is longer, or gone
for file in runs/one/checkpoints/step-0000000006.h5 runs/one/metrics.h5 sms.tsv wide.h5; do
    did=written
    case $file in sms.tsv | wide.h5) did=read ;; esac
    cp "$file" kept
    python3 -c '
import sys
file = open(sys.argv[1], "r+b")
file.seek(1000)
byte = file.read(1)[0]
file.seek(1000)
file.write(bytes([byte ^ 1]))' "$file"
    expect_found one "$file has changed since it was $did: its SHA-256 is $(sum "$file")... \
and was $(sum kept)..."
    echo >>"$file"
    size=$(stat -c %s kept)
    expect_found one "$file has changed since it was $did: it has $((size + 1)) bytes and had \
$size"
    rm "$file"
    expect_found one "$file is missing: it was $did; its SHA-256 was $(sum kept)..."
    mv kept "$file"
done
expect_exit 0 verify 1 one

# what was exported of it, again to the same place, is part of it
expect_exit 0 "$TEMPER" export runs/one -o exported
expect_exit 0 "$TEMPER" export runs/one -o exported
expect_nothing err
expect_exit 0 verify 1 one
expect_lines out "17 files of runs/one are what they were when it was done"
echo >>exported/config.json
mv exported/model.safetensors kept
expect_exit 1 verify 1 one
expect_text out "exported/config.json has changed since it was exported: it has "
expect_text out "exported/model.safetensors is missing: it was exported; its SHA-256 was $(sum \
    kept)"
[ "$(wc -l <"$work/out")" = 2 ] || fail "$(cat "$work/out")"
expect_exit 0 "$TEMPER" export runs/one -o exported
expect_exit 0 verify 1 one

# all of them at once, and nothing is repeated then
mv runs/one/report.html kept
mv wide.h5 kept.h5
expect_exit 1 verify 2 one --rerun 2
[ "$(wc -l <"$work/out")" = 3 ] || fail "$(cat "$work/out")"
expect_text out "wide.h5 is missing"
expect_text out "runs/one/report.html is missing"
expect_text out "nothing is repeated from files that changed"
mv kept runs/one/report.html
mv kept.h5 wide.h5

# the same steps, the same bits, on any number of ranks; nothing is left
for count in 1 2 3; do
    expect_exit 0 verify "$count" one --rerun 2
    expect_text out "steps 7 to 8 repeated from runs/one/checkpoints/step-0000000006.h5 on $count"
    expect_text out "metrics: 3 lines, equal in every bit"
    expect_text out "weights and state: equal in every bit"
    [ "$(wc -l <"$work/out")" = 4 ] || fail "something differs: $(cat "$work/out")"
done
expect_exit 0 verify 1 one --rerun 1
expect_text out "metrics: 1 line, equal"
expect_text out "not compared, the next checkpoint is of step 8; --rerun 2 reaches it"
expect_exit 0 verify 1 one --rerun 100 --scratch .
expect_text out "steps 7 to 8 repeated"
[ -z "$(ls -d runs/*.verify-* verify-* 2>/dev/null)" ] || fail "left: $(ls -d runs/* verify-*)"

# from the start where there is one checkpoint
expect_exit 0 train 1 start output.save_total_limit=1 train.max_steps=3
expect_exit 0 verify 2 start --rerun 3
expect_text out "steps 1 to 3 repeated from the start on 2 ranks"
expect_text out "metrics: 3 lines, equal"
expect_text out "weights and state: equal"

# a run whose horizon is max_steps, gone on with by others
expect_exit 0 train 2 parts "${settings[@]}" train.max_steps=5
expect_exit 0 train 1 parts "${settings[@]}"
expect_exit 0 verify 2 parts --rerun 2
expect_text out "steps 7 to 8"

# metrics that are another run's, and a state that is
resum() {
    python3 - "$@" <<'END'
import hashlib, json, os, sys
run = sys.argv[1]
record = json.load(open(run + "/record.json"))
for file in record["parts"][-1]["outputs"]:
    data = open(run + "/" + file["path"], "rb").read()
    file.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
for change in sys.argv[2:]:
    name, value = change.split("=", 1)
    record["parts"][-1]["program"][name] = value
json.dump(record, open(run + "/record.json", "w"))
END
}
cp -r runs/one runs/forged
sed -i 's/"step": 7, \(.*\)"loss": 0\./"step": 7, \1"loss": 9./' runs/forged/metrics.jsonl
resum runs/forged
expect_exit 0 verify 1 forged
expect_exit 1 verify 1 forged --rerun 2
expect_text out "metrics differ: {\"step\": 7"
expect_text out "1 of 3 lines of metrics.jsonl differ"
expect_text out "weights and state: equal"
expect_text out "program, libraries, kernels and grid are those of the record"
cp runs/one/metrics.jsonl runs/forged/
expect_exit 0 train 2 columns "${settings[@]}" grid.cols=2
cp runs/columns/checkpoints/step-0000000008.h5 runs/forged/checkpoints
resum runs/forged
expect_exit 1 verify 1 forged --rerun 2
expect_text out "metrics: 3 lines, equal in every bit"
grep -qE "^weights and state: [0-9]+ tensors and 0 values differ$" "$work/out" ||
    fail "$(cat "$work/out")"
expect_exit 0 train 1 seed "${settings[@]}" data.split.seed=5
cp runs/seed/checkpoints/step-0000000008.h5 runs/forged/checkpoints
resum runs/forged
expect_exit 2 verify 1 forged --rerun 2
expect_text err "was made with data.split.seed"

# a linear probe: it has features, and the same bits on any number of ranks
expect_exit 0 train 2 probe train.method=linear_probe
grep -q '"path": "features.h5"' runs/probe/record.json || fail "no hash of features.h5"
expect_exit 0 verify 2 probe --rerun 1
expect_text out "metrics: 2 lines, equal"
expect_exit 0 verify 1 probe --rerun 1
expect_text out "metrics: 2 lines, equal"
expect_text out "ranks: 1 here and 2 then: the last bits of a linear_probe with more than 2112"

# what differs is told where the bits are the same too
cp -r runs/one runs/compiled
resum runs/compiled compiler="GNU 1.2" kernels=portable
expect_exit 0 verify 1 compiled --rerun 2
expect_text out "the compiler is GNU "
expect_text out " here and was GNU 1.2 then"
expect_text out "the kernel variant is x86-64-"
[ "$(wc -l <"$work/out")" = 6 ] || fail "not just these: $(cat "$work/out")"

# another grid: other bits, unless it is strict
expect_exit 0 verify 2 one --rerun 2 grid.data=2
expect_exit 1 verify 2 one --rerun 2 grid.cols=2
expect_text out "the grid has 1 rows and 2 columns here and had 1 and 1 then"
expect_exit 0 train 1 strict "${settings[@]}" grid.reproducible=strict
expect_exit 0 verify 2 strict --rerun 2 grid.cols=2
expect_text out "weights and state: equal"
files=$(find runs | sort)
expect_exit 2 verify 1 one --rerun 2 train.seed=8
expect_text err "verify takes grid.* keys alone"

# what is refused, or cannot be tried, leaves the run as it was
expect_exit 2 verify 2 one --rerun 2 grid.cols=abc
expect_exit 2 verify 1 one --rerun 2 grid.col=2
expect_exit 1 verify 1 one --rerun 2 --scratch "$work/no/such/folder"
expect_text err ": cannot be made: No such file or directory; --scratch names another folder"
no_text err "cannot be removed"
find runs | sort | diff - <(echo "$files") || fail "the runs are not as they were"

# a run that is not done, a folder without a record
python3 - <<'END'
import json
record = json.load(open("runs/start/record.json"))
for key in "outputs", "state", "to_step", "ended_utc":
    del record["parts"][-1][key]
json.dump(record, open("runs/start/record.json", "w"))
END
expect_exit 1 verify 1 start
expect_text err "runs/start: the last part of the run, from step 0, is not ended, and files are"
expect_exit 0 "$TEMPER" export runs/start -o unrecorded
expect_text err "run the command of the run again; the export is not in the record of the run"
rm runs/start/record.json
expect_exit 0 "$TEMPER" export runs/start -o unrecorded
expect_nothing err
expect_exit 2 verify 1 start
expect_text err "runs/start/record.json: No such file"
expect_exit 2 verify 1 nowhere

# another BLAS core rounds otherwise, and is named
here=$("$TEMPER" --version | sed -nE 's/^ *blas_core +//p')
for other in Prescott Nehalem Haswell SkylakeX none; do
    [ "$other" != none ] || skip "this BLAS has one core, $here"
    there=$(OPENBLAS_CORETYPE=$other "$TEMPER" --version | sed -nE 's/^ *blas_core +//p')
    [ "$there" = "$here" ] || break
done
export OPENBLAS_CORETYPE=$other
verify 2 one --rerun 2 >out 2>err
case $? in
0) skip "BLAS cores $here and $there give these products the same bits" ;;
1) ;;
*) fail "$(cat err)" ;;
esac
grep -qE "^weights and state: [0-9]+ tensors and 0 values differ$" out || fail "$(cat out)"
expect_text out "the BLAS core is $there here and was $here then"
! grep -q "the BLAS library" out || fail "the core is named twice: $(cat out)"
