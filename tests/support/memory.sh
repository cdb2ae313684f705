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
        "${MPIEXEC:-mpirun}" --quiet -n "$1" "$TEMPER" prepare recipe.yaml "data.path=$2" \
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
