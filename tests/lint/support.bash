# Sourced by the lints. A lint is a function `check` that takes the root of a tree, prints one line
# for each finding and returns 1 if there are any. It runs on small planted trees first: a lint that
# finds nothing there is broken.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
broken=0

# plant FILE: the text on standard input becomes a file of the planted tree.
plant() {
    mkdir -p "$scratch/tree/$(dirname "$1")"
    cat >"$scratch/tree/$1"
}

uproot() {
    rm -rf "$scratch/tree"
}

# expect_caught WHAT PATTERN: the planted tree must give a finding that matches.
expect_caught() {
    check "$scratch/tree" >"$scratch/findings" 2>&1
    if [ $? -ne 1 ] || ! grep -qE -- "$2" "$scratch/findings"; then
        echo "This lint is broken: it does not catch $1. It says:" >&2
        cat "$scratch/findings" >&2
        broken=1
    fi
    uproot
}

# expect_clean WHAT: the planted tree must give no finding.
expect_clean() {
    if ! check "$scratch/tree" >"$scratch/findings" 2>&1; then
        echo "This lint is broken: it complains of $1:" >&2
        cat "$scratch/findings" >&2
        broken=1
    fi
    uproot
}

# The verdict of the script: the self-test's, then that of the real tree.
lint_tree() {
    [ $broken = 0 ] || exit 1
    check "${TEMPER_SOURCE:-.}"
}
