#!/usr/bin/env bash
# TEST labels=train timeout=200
# The messages and bytes that temper plan says a step sends are those that Open MPI counts.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
[ "$TEMPER_TEST_MPI" = openmpi ] || skip "only Open MPI counts what ranks send"
widen
steps=(data.split.validation=0 data.split.test=0 train.batch_size=24 train.leaves=2
    output.checkpoint_async=false)

# sent RANKS STEPS [key=value ...]: messages between two ranks and bytes, collectives' too, that the
# first rank sent in all.
sent() {
    local count=$1 most=$2
    shift 2
    rm -rf counts.* runs/sent
    expect_exit 0 "${launch[@]}" --mca pml_monitoring_enable 2 \
        --mca pml_monitoring_enable_output 3 --mca pml_monitoring_filename counts -n "$count" \
        "$TEMPER" train recipe.yaml "${steps[@]}" train.max_steps="$most" \
        output.folder=runs/sent "$@" >&2
    awk '$1 == "E" || $1 == "I" { bytes += $4 } $1 == "E" { messages += $6 }
         END { print messages, bytes }' counts.0.prof
}

# counted DATAx1xCOLS [key=value ...]: of a step, the difference of runs of six and of two.
counted() {
    local grid=$1 data rows cols few many planned
    shift
    IFS=x read -r data rows cols <<<"$grid"
    few=$(sent $((data * cols)) 2 grid.cols="$cols" "$@")
    many=$(sent $((data * cols)) 6 grid.cols="$cols" "$@")
    expect_exit 0 "$TEMPER" plan recipe.yaml "${steps[@]}" train.max_steps=6 \
        --ranks-per-node $((data * cols)) --memory-per-node 1000 "$@"
    planned=$(awk -v grid="$grid" '$1 == grid { print $9, 1e6 * $10 }' "$work/out")
    echo "$few $many $planned" | awk -v what="$grid $*" '{
        messages = ($3 - $1) / 4; bytes = ($4 - $2) / 4
        printf "%-50.50s %4d messages planned, %6.1f sent; %6.3f MB planned, %6.3f sent\n", what,
               $5, messages, $6 / 1e6, bytes / 1e6
        as_many = $5 > 0.95 * messages && $5 < 1.05 * messages
        exit !(NF == 6 && (as_many || what ~ /scalapack/) &&
               $6 > 0.9 * bytes && $6 < 1.1 * bytes) }' || fail "$grid $*: $few, $many; $planned"
}

# PBLAS sends panels, by collectives of its own where they are few: only bytes are told
counted 1x1x2
counted 1x1x2 grid.reproducible=strict train.recompute=layer
counted 1x1x2 grid.backend=scalapack
counted 2x1x2

# what a step waits for: most of it where the network is slow
waits() {
    expect_exit 0 "$TEMPER" plan recipe.yaml "${steps[@]}" --nodes 2 --ranks-per-node 1 \
        --memory-per-node 1000 --gflops 1 --network "$1"
    awk '$1 == "grid" { named = $NF == "waits" }
         $1 == "1x1x2" && named && $11 > 0 { print $13 / $11 }' "$work/out"
}
slow=$(waits 0.01Gb/s,2us) fast=$(waits 1000Gb/s,0us)
echo "$slow $fast" | awk '{ exit !(NF == 2 && $1 > 0.8 && $1 < 1 && $2 < 0.1) }' ||
    fail "a slow network does not show: $slow and $fast of a step"
