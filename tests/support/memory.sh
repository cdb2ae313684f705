# Sourced by tests of memory, after support/train.sh.

# messages MEGABYTES FILE: so much text, from the SMS Spam Collection: words turned round and
# numbered, so that no two rows are equal.
messages() {
    awk -F '\t' -v bytes="$1e6" '
        NR == 1 { print; next }
        { label[NR] = $1; text[NR] = $2 }
        END {
            while (size < bytes)
                for (i = 2; i <= NR && size < bytes; i++) {
                    count = split(text[i], word, " ")
                    line = label[i] "\t" ++number
                    for (k = 0; k < count; k++) line = line " " word[(k + number) % count + 1]
                    print line
                    size += length(line) + 1
                }
        }' "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >"$2"
}

# peak RANKS FILE FOLDER: prepares the file; prints the most KiB that a rank had of its own.
peak() {
    expect_exit 0 python3 "$TEMPER_SOURCE/tests/support/peak_memory.py" peak.txt \
        "${launch[@]}" -n "$1" "$TEMPER" prepare recipe.yaml "data.path=$2" \
        data.max_length=64 "output.folder=$3/run"
    cat peak.txt
}

# memory_stays SMALL LARGE: megabytes of text. From the one to the other a rank's memory grows by
# less than a fifth of what the arrays of its rows take, and these it takes where scratch files are
# kept in memory.
memory_stays() {
    local count few many control arrays
    messages "$1" small.tsv
    messages "$2" large.tsv
    for count in 1 2; do
        few=$(peak $count small.tsv small-$count)
        many=$(peak $count large.tsv large-$count)
        control=$(TEMPER_FAULT=spool-in-memory:-1:0 peak $count large.tsv memory-$count)
        arrays=$((($(stat -c %s large-$count/prepared-*.h5) - \
            $(stat -c %s small-$count/prepared-*.h5)) / 1024 / count))
        echo "$count rank(s): $few KiB, then $many, in memory $control; arrays of $arrays a rank"
        [ $few -gt 1000 ] || fail "not measured"
        [ $((many - few)) -lt $((arrays / 5)) ] || fail "grows from $few KiB to $many"
        [ $((control - few)) -gt $arrays ] || fail "the control has only $control KiB"
        expect_exit 0 "$TEMPER" compare large-1/prepared-*.h5 large-$count/prepared-*.h5
        expect_exit 0 "$TEMPER" compare large-1/prepared-*.h5 memory-$count/prepared-*.h5
    done
}

# plan_recipe: recipe.yaml is from here on of two steps of MiniLM on all messages.
plan_recipe() {
    local model=$TEMPER_SOURCE/models/minilm-l6
    [ -d "$model" ] || { echo "SKIPPED plan of memory: models/minilm-l6 is not there"; exit 77; }
    expect_exit 0 "$TEMPER" import "$model" -o minilm.h5
    cp "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" all.tsv
    sed -i -e 's/tiny.h5/minilm.h5/; s/sms.tsv/all.tsv/; s/, leaves: 16//' \
        -e 's/max_length: 32/max_length: 128/; s/epochs: 2/max_steps: 2/' \
        -e 's/split: {validation: 0.1, test: 0.1}/split: {test: 0.01}/' recipe.yaml
    export OMP_NUM_THREADS=1
}

# pair DATAxROWSxCOLS [key=value ...]: what is planned of it is within a tenth of what is
# measured.
pair() {
    local grid=$1 data rows cols planned measured
    shift
    IFS=x read -r data rows cols <<<"$grid"
    local count=$((data * rows * cols))
    expect_exit 0 "$TEMPER" plan recipe.yaml "$@" --ranks-per-node $count --memory-per-node 1000
    planned=$(awk -v grid="$grid" '$1 == grid { print $8 * 1e9 / 1048576 }' "$work/out")
    [ -n "$planned" ] || { fail "no plan of $grid"; return; }
    expect_exit 0 python3 "$TEMPER_SOURCE/tests/support/peak_memory.py" --all peak.txt \
        "${launch[@]}" -n $count "$TEMPER" train recipe.yaml \
        output.folder=runs/pair$((++pairs)) "grid.rows=$rows" "grid.cols=$cols" "$@"
    measured=$(awk '{ print $1 / 1024 }' peak.txt)
    awk -v p="$planned" -v m="$measured" -v what="$grid $*" 'BEGIN {
        printf "%-60.60s %6.0f MiB planned, %6.0f measured, %.3f\n", what, p, m, p / m
        exit !(p > 0.9 * m && p < 1.1 * m) }' ||
        fail "$grid $*: $planned planned, $measured measured"
}
