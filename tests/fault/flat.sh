#!/usr/bin/env bash
# TEST labels=train,long timeout=900
# A long run stays flat: 2,000 steps with a checkpoint every 50 and an evaluation every 100, on 2
# ranks: memory, open files, threads and the time of a step at its end are those of its beginning.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
: "${TEMPER_FAULTY_IO:?the library to preload}"
grep -q __asan_init "$TEMPER" && skip "memory of a sanitized program tells nothing"
settings=(train.epochs=0 output.save_steps=50 train.eval_steps=100 output.logging_steps=100)

# watch NAME STEPS: a run, whose ranks are sampled: step, rank, memory (KiB), descriptors, threads.
# Memory is the PSS without that of files, of which libraries count by how many other programs of
# the machine have them in use.
watch() {
    local launcher step rank pid
    "${launch[@]}" -n 2 "$TEMPER" train recipe.yaml "output.folder=runs/$1" \
        "${settings[@]}" "train.max_steps=$2" >"$1.out" 2>"$1.err" </dev/null &
    launcher=$!
    while kill -0 $launcher 2>/dev/null; do
        step=$(cat "runs/$1/metrics.jsonl" 2>/dev/null | wc -l)
        rank=0
        for pid in $(ranks_of $launcher); do
            # one that has ended between leaves an incomplete line, which is not read
            echo "$step $rank $(awk '/^Pss_(Anon|Shmem):/ { sum += $2 } END { print sum }' \
                "/proc/$pid/smaps_rollup") \
$(ls "/proc/$pid/fd" | wc -l) $(ls "/proc/$pid/task" | wc -l)"
            rank=$((rank + 1))
        done 2>/dev/null
        sleep 0.1
    done >"$1.samples"
    wait $launcher || fail "$1: exit code $?: $(tail -n 3 "$1.err")"
}

# flat NAME FROM TO: between steps FROM and TO medians of the first and last tenth differ by 1 % and
# 64 KiB of memory (sixteen pages: 10 were seen, of libc and libraries, that come once and stay) and
# by no descriptor or thread at all; a step takes at most twice as long.
flat() {
    awk -v from="$2" -v to="$3" '
        NF == 5 && $1 >= from && $1 < to {
            tenth = int(10 * ($1 - from) / (to - from))
            if (tenth == 0 || tenth == 9)
                for (i = 3; i <= 5; i++) values[$2, tenth, i, ++count[$2, tenth, i]] = $i
        }
        function median(rank, tenth, i,    n, j, k, x) {
            n = count[rank, tenth, i]
            for (j = 1; j <= n; j++) x[j] = values[rank, tenth, i, j]
            for (j = 2; j <= n; j++)
                for (k = j; k > 1 && x[k - 1] > x[k]; k--) {
                    t = x[k]
                    x[k] = x[k - 1]
                    x[k - 1] = t
                }
            return n ? x[int((n + 1) / 2)] : -1
        }
        END {
            split("KiB descriptors threads", names, " ")
            for (rank = 0; rank < 2; rank++) {
                for (i = 3; i <= 5; i++) {
                    a = median(rank, 0, i); b = median(rank, 9, i)
                    printf "rank %d: %d %s, then %d\n", rank, a, names[i - 2], b
                    bad = bad || a < 0 || b < 0 || (i == 3 ? b > 1.01 * a + 64 : b != a)
                }
            }
            exit bad
        }' "$1.samples" || fail "$1 grows: $(tail -n 4 "$1.samples")"
    sed -nE 's/.*"step": ([0-9]+),.*"seconds": ([0-9.e-]+).*/\1 \2/p' "runs/$1/metrics.jsonl" |
        sort -k 2g | awk -v from="$2" -v to="$3" '
            $1 >= from && $1 < from + 400 { early[++m] = $2 }
            $1 >= to - 400 && $1 < to { late[++n] = $2 }
            END {
                a = early[int((m + 1) / 2)]; b = late[int((n + 1) / 2)]
                printf "a step: %.2g s, then %.2g s\n", a, b
                exit !(m && n && b <= 2 * a)
            }' || fail "$1: steps slow down"
}

watch long 2000
flat long 200 2000
# the control: what every sync loses is found, in memory and in descriptors
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0
FAULTY_IO=leak LD_PRELOAD=$TEMPER_FAULTY_IO watch leaks 1000
expect_failure flat leaks 200 1000
(failures=0; flat leaks 200 1000) 2>/dev/null | awk '
    /KiB|descriptors/ && $NF <= $3 * 1.01 + (/KiB/ ? 64 : 0) { print "not found: " $0; bad = 1 }
    END { exit bad }' || fail "a leak that was planted is not found"
