#!/usr/bin/env bash
# TEST labels=train timeout=200
# Features of a linear probe: a stop, a deadline or a kill leaves what was computed, and lives on
# ever other numbers of ranks end in the bits of a run that nothing stopped. A damaged file of them
# is made again.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
head -n 1000 "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >sms.tsv # some leaves
sed -i 's/leaves: 16/method: linear_probe/' recipe.yaml
slow=infer-slow:-1:0

expect_exit 0 train 2 whole
! grep -q "have their features" "$work/err" || fail "features of nothing: $(cat "$work/err")"

# kept: rows whose features the last command told to be in the file, at its end.
kept() {
    sed -nE 's/^linear probe: ([0-9]+) of [0-9]+ rows have their features.*/\1/p' "$work/err" |
        tail -n 1
}

# stopped FOLDER REASON LEAST: the last command was, for that, with so many rows at least: $rows.
stopped() {
    rows=$(kept)
    [ "$rows" -ge "$3" ] || fail "$1: features of $rows rows, not of $3: $(cat "$work/err")"
    grep -q "\"reason\": \"$2\"" "runs/$1/state.json" || fail "$1: $(cat "runs/$1/state.json")"
    expect_text err ": what was done is kept; run the same command to go on"
    [ -z "$(ls "runs/$1/checkpoints")" ] || fail "$1: $(ls "runs/$1/checkpoints")"
    [ ! -e "runs/$1/lock" ] || fail "$1: the lock was left"
}

# flops FOLDER: of the step of the life that ended it.
flops() {
    python3 -c 'import json, sys
e = json.load(open(sys.argv[1]))["efficiency"]
print(int(e["gflops"] * e["seconds"] * 1e6))' "runs/$1/report.json"
}

# a chain of lives; each computes something, however little time it has
TEMPER_FAULT=$slow "${launch[@]}" -n 2 "$TEMPER" train recipe.yaml output.folder=runs/chain \
    >"$work/out" 2>"$work/err" &
launcher=$!
for _ in $(seq 300); do
    grep -q '^steps 1 ' "$work/err" && break
    sleep 0.05
done
sleep 1.2
begun=$SECONDS
kill -USR1 $launcher
interrupted $launcher 85 "$work/err"
[ $((SECONDS - begun)) -le 3 ] || fail "a signal was heard after $((SECONDS - begun)) s"
stopped chain signal 1
expect_exit 0 "$TEMPER" inspect runs/chain/features.h5 --validate
TEMPER_FAULT=$slow expect_exit 85 train 3 chain train.max_seconds=0.01
expect_text err "linear probe: $rows of "
stopped chain max_seconds $((rows + 1))
SLURM_JOB_END_TIME=$(($(date +%s) + 13)) TEMPER_FAULT=$slow expect_exit 85 train 1 chain
expect_text err " before the job's end"
stopped chain job_end $((rows + 1))
left=$(sed -nE 's/^stopping: ([0-9]+)\..*/\1/p' "$work/err")
[ "$left" -ge 10 ] || fail "stopped $left s before the job's end"
before=$rows
touch runs/chain/STOP
expect_exit 85 train 2 chain
stopped chain stop_file "$before"
[ "$rows" = "$before" ] || fail "a stop that was there computed something"
expect_exit 0 train 4 chain
same_run whole chain
expect_exit 0 "$TEMPER" compare runs/whole/features.h5 runs/chain/features.h5
some=$(flops chain) all=$(flops whole)
[ "$some" -gt 0 ] && [ "$some" -lt $((all * 9 / 10)) ] || fail "computed anew: $some of $all"
# the control: a run of other bits
expect_exit 0 train 2 other train.seed=8
expect_failure same_run other chain

# time that is too short for the solver is left to a life that has all of it
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o bytes.h5 --config-only
awk -F '\t' -v OFS='\t' 'NR > 1 && NR % 3 == 0 { $1 = "eggs" } { print }' sms.tsv >three.tsv
wide=(model.path=bytes.h5 model.init=random model.hidden_size=1024 model.num_hidden_layers=1
    model.num_attention_heads=16 data.path=three.tsv data.max_length=4)
SLURM_JOB_END_TIME=$(($(date +%s) + 30)) expect_exit 85 train 2 wide "${wide[@]}" \
    train.probe=logistic
expect_text err " before the job's end, what is left of the step takes "
stopped wide job_end 799
SLURM_JOB_END_TIME=$(($(date +%s) + 30)) expect_exit 0 train 2 wide "${wide[@]}"
expect_text err "linear probe: 799 of 799 rows have their features in "

# killed: what was kept until then stays
all=(data.path=all.tsv)
cp "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" all.tsv
expect_exit 0 train 2 undisturbed "${all[@]}"
TEMPER_FAULT=features-keep:-1:0 "${launch[@]}" -n 2 "$TEMPER" train recipe.yaml "${all[@]}" \
    output.folder=runs/killed >"$work/out" 2>"$work/err" &
launcher=$!
until grep -qs computed runs/killed/features.h5; do
    kill -0 $launcher 2>/dev/null || fail "never kept: $(cat "$work/err")"
    sleep 0.01
done
# shellcheck disable=SC2046 # words
kill -KILL $(ranks_of $launcher)
wait $launcher
[ ! -s runs/killed/metrics.jsonl ] || fail "it ended before"
TEMPER_FAULT=features-keep:-1:0 expect_exit 0 train 3 killed "${all[@]}"
expect_text err "rows have their features in runs/killed/features.h5"
same_run undisturbed killed

# again KIND: the file that is there, damaged so, is made again.
again() {
    expect_exit 0 train 2 whole train.resume=never
    expect_text err "$file: "
    expect_text err "; it is computed again"
    same_run chain whole
    expect_exit 0 "$TEMPER" compare runs/chain/features.h5 $file
}
file=runs/whole/features.h5
truncate -s $(($(stat -c %s $file) / 2)) $file
again cut
truncate -s 0 $file
again empty
printf '\377' | dd of=$file bs=1 seek=$(($(stat -c %s $file) / 2)) conv=notrunc status=none
again overwritten
cp "$(newest whole)" $file
again foreign
expect_exit 0 train 2 whole train.resume=never # the control
! grep -q "computed again" "$work/err" || fail "$(cat "$work/err")"
rm $file
mkdir $file
for count in 1 2; do
    expect_exit 1 train $count whole train.resume=never
    expect_text err "$file is a folder: remove it"
done
