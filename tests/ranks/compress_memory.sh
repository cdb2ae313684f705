#!/usr/bin/env bash
# TEST labels=train,memory timeout=300
# What a rank has of a model that is compressed: its blocks of one matrix, its rows of all factors.
# So one rank has less than the model, and the more ranks there are, the less each.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
export OMP_NUM_THREADS=1
folder=$TEMPER_SOURCE/models/minilm-l6
[ -d "$folder" ] || skip "models/minilm-l6 is not there"

# peak RANKS COMMAND...: the most KiB that a rank had of its own.
peak() {
    local count=$1
    shift
    expect_exit 0 python3 "$TEMPER_SOURCE/tests/support/peak_memory.py" peak.txt \
        "${launch[@]}" --oversubscribe -n "$count" "$TEMPER" "$@"
    cat peak.txt
}

whole=$(peak 1 import "$folder" -o minilm.h5) # the control: it has all weights
model=$(($(stat -c %s minilm.h5) / 1024))
one=$(peak 1 compress minilm.h5 --rank 96 -o 1.h5)
four=$(peak 4 compress minilm.h5 --rank 96 -o 4.h5)
echo "a model of $model KiB: imported with $whole, compressed with $one, on four ranks with $four"
[ "$whole" -gt "$model" ] || fail "not measured"
[ "$one" -lt $((model * 6 / 10)) ] || fail "one rank has most of the model"
[ "$four" -lt $((one * 7 / 10)) ] || fail "four ranks have as much each"
expect_exit 0 "$TEMPER" compare 1.h5 4.h5 --tolerance 1e-5
