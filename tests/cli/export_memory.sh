#!/usr/bin/env bash
# TEST labels=cli,memory timeout=60
# Export leaves the weights in their file: its own memory is less than half of what they take.
source "${TEMPER_SOURCE:?}/tests/support/cli.sh"
model=$TEMPER_SOURCE/models/minilm-l6
[ -d "$model" ] || skip "models/minilm-l6 is not there"
cd "$work" || exit 1
expect_exit 0 "$TEMPER" import "$model" -o minilm.h5
weights=$(($(stat -c %s minilm.h5) / 1024))

# peak COMMAND ARGUMENT...: KiB of its own.
peak() {
    expect_exit 0 python3 "$TEMPER_SOURCE/tests/support/peak_memory.py" peak.txt "$TEMPER" "$@"
    cat peak.txt
}

own=$(peak export minilm.h5 -o exported)
[ "$own" -gt 1000 ] && [ $((2 * own)) -lt "$weights" ] || fail "$own KiB of $weights"
echo "export $own KiB, weights $weights KiB"
expect_exit 0 "$TEMPER" import exported -o again.h5
expect_exit 1 "$TEMPER" compare minilm.h5 again.h5 # the type of what was imported first
expect_text out "different: 0 tensors and 1 value differ"

# a damaged weight is found all the same
python3 - <<'P'
import os
size = os.path.getsize("minilm.h5")
with open("minilm.h5", "r+b") as file:
    file.seek(size // 2)
    file.write(b"\xff\xff\xff\xff")
P
expect_exit 1 "$TEMPER" export minilm.h5 -o damaged
expect_text err "is damaged in block"
[ ! -e damaged/config.json ] || fail "a damaged model is exported"
