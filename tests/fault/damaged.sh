#!/usr/bin/env bash
# TEST labels=train timeout=180
# Damaged checkpoints: every reader finds it, names file and tensor, and the run does not go on from
# another one by itself.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"
settings=(output.save_steps=2 output.save_total_limit=2)

expect_exit 0 train 1 sound "${settings[@]}"
file=$(newest sound)
older=$(ls runs/sound/checkpoints/*.h5 | tail -n 2 | head -n 1)
[ "$file" != "$older" ] || fail "one checkpoint is too few"
cp "$file" whole.h5
size=$(stat -c %s "$file")
expect_exit 0 "$TEMPER" inspect "$file" --validate # the control

# lengths
for length in 0 7 1000 $((size / 2)) $((size - 1)) $((size + 1)); do
    cp whole.h5 "$file"
    truncate -s "$length" "$file"
    alone=true refused 1 "$file: " train recipe.yaml output.folder=runs/sound "${settings[@]}"
    alone=true refused 1 "$file" inspect "$file" --validate
    alone=true refused 1 "$file: " evaluate "$file"
    # what only reads takes the one before it
    expect_exit 0 "$TEMPER" evaluate runs/sound
    expect_text err "warning: $file: "
    expect_text err "an older checkpoint is used instead"
    expect_exit 2 "$TEMPER" compare runs/sound whole.h5
done

# one bit in every part of the file: found and named, or of no meaning; never another answer
"$TEMPER" inspect whole.h5 >whole.txt
cat >flip.py <<'END'
import random, re, subprocess, sys
program, trials = sys.argv[1], int(sys.argv[2])
data = open("whole.h5", "rb").read()
expected = open("whole.txt").read().replace("whole.h5", "flipped.h5")
random.seed(1)
found, passed, ranges = [], [], []

def run(*words):
    done = subprocess.run([program, "inspect", "flipped.h5", *words], capture_output=True,
                          text=True, errors="replace", timeout=30)
    return done.returncode, done.stdout, done.stdout + done.stderr

for trial in range(trials):
    at = len(data) * trial // trials + random.randrange(len(data) // trials)
    flipped = bytearray(data)
    flipped[at] ^= 1 << random.randrange(8)
    open("flipped.h5", "wb").write(flipped)
    code, _, said = run("--validate")
    (passed if code == 0 else found).append(at)
    if code == 0 and run()[1] != expected:
        print("byte %d: not found, and another answer" % at)
    if code not in (0, 1) or (code == 1 and "flipped.h5" not in said):
        print("byte %d: exit code %d: %s" % (at, code, said[-300:]))
    named = re.search(r"(\S+) is damaged in block \d+ \(bytes (\d+) to (\d+)", said)
    if named:
        ranges.append((named[1], int(named[2]), int(named[3])))
        if not int(named[2]) <= at <= int(named[3]):
            print("byte %d: another place is named: %s" % (at, named[0]))
for at in passed:
    for name, first, last in ranges:
        if first <= at <= last:
            print("byte %d of %s: not found" % (at, name))
for group in "model/", "optim/exp_avg/", "optim/exp_avg_sq/":
    name, first, last = next(r for r in ranges if r[0].startswith(group))
    print("tensor", name, (first + last) // 2)
print("%d flips: %d found, %d of them in payload, %d of no meaning" %
      (trials, len(found), len(ranges), len(passed)))
END
python3 flip.py "$TEMPER" 200 >flips.txt || fail "flip.py: $(cat flips.txt)"
grep '^byte' flips.txt >wrong.txt && fail "$(cat wrong.txt)"
tail -n 1 flips.txt
cp whole.h5 "$file"

# a damaged newest checkpoint stops the run, names what is damaged and says what to do
tried=0
while read -r _ name at; do
    tried=$((tried + 1))
    cp whole.h5 "$file"
    printf '\x55' | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
    refused 1 "temper: $file: $name is damaged in block 0 (bytes " train recipe.yaml \
        output.folder=runs/sound "${settings[@]}"
    expect_text err "; set train.resume=$older to go on from the one before it"
done < <(grep '^tensor' flips.txt)
[ $tried = 3 ] || fail "$tried tensors were tried"
cp -r runs/sound runs/advised
expect_exit 0 train 3 advised "${settings[@]}" "train.resume=${older/sound/advised}"
expect_text err "warning: ${file/sound/advised} is of a later step than this run: renamed to"
expect_exit 0 "$TEMPER" compare whole.h5 "${file/sound/advised}"
cmp -s "$file" "${file/sound/advised}.old" || fail "the damaged file is gone"
# the control: the sound file is gone on from
cp whole.h5 "$file"
expect_failure refused 1 "" train recipe.yaml output.folder=runs/sound "${settings[@]}"
