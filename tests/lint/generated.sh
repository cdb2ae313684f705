#!/usr/bin/env bash
# TEST labels=generated timeout=60
# Documents that the program writes itself are what it writes now.
source "$(dirname "$0")/support.bash"

# command | document
generated=(
    "help --markdown|docs/OPTIONS.md"
)

check() {
    local row command document status=0
    for row in "${generated[@]}"; do
        IFS='|' read -r command document <<<"$row"
        if ! $TEMPER $command | diff - "$1/$document"; then
            echo "$document is not what the program writes: temper $command >$document"
            status=1
        fi
    done
    return $status
}

if ! "${TEMPER:?names the program}" help --markdown >"$scratch/options.md" 2>/dev/null; then
    echo "SKIPPED generated: 'temper help --markdown' does not work" >&2
    exit 77
fi
(cat "$scratch/options.md"; echo "| old | row |") | plant docs/OPTIONS.md
expect_caught "a row that is no more" 'OPTIONS.md is not what'
plant docs/OPTIONS.md <"$scratch/options.md"
expect_clean "an equal document"

lint_tree
