#!/usr/bin/env bash
# TEST labels=cli timeout=60
# Programs without a launcher share no folder of MPI, and leave none behind: what one that was
# killed left goes with the next.
source tests/support/cli.sh
[ "${TEMPER_TEST_MPI:-openmpi}" = openmpi ] || skip "only Open MPI has such folders"
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
host=$(hostname)
: >"$TMPDIR/ompi.$host.$(id -u)" # where they would meet nothing can be made

# the control: there it would have been
doctor=("$TEMPER" doctor --folder "$work" --megabytes 1)
expect_exit 1 env "OMPI_MCA_orte_tmpdir_base=$TMPDIR" "${doctor[@]}"
expect_text err "unable to create"
rm -rf "$TMPDIR"/temper-*

# four_at_once: they start and end well.
four_at_once() {
    local programs=() program
    for _ in 1 2 3 4; do
        "${doctor[@]}" >/dev/null 2>>"$work/err" &
        programs+=($!)
    done
    for program in "${programs[@]}"; do
        wait "$program" || fail "exit code $?: $(cat "$work/err")"
    done
}
four_at_once
[ "$(ls "$TMPDIR")" = "ompi.$host.$(id -u)" ] || fail "left behind: $(ls "$TMPDIR")"

# sessions: their folders.
sessions() {
    (cd "$TMPDIR" && compgen -G "temper-session-*")
}

# start: one that stands still with its folder in use.
start() {
    "${doctor[@]}" >/dev/null 2>&1 &
    program=$!
    until compgen -G "$TMPDIR/temper-session-*/*" >/dev/null; do
        kill -0 $program 2>/dev/null || { fail "it makes no folder"; return; }
    done
    kill -STOP $program
}

# the control: that of a living one stays
start
folder=$(sessions)
expect_exit 0 "${doctor[@]}"
[ "$(sessions)" = "$folder" ] || fail "a living one has lost $folder: $(sessions)"
kill -KILL $program
wait $program 2>/dev/null
[ "$(sessions)" = "$folder" ] || fail "who was killed left nothing: the test shows nothing"
# what only looks like one stays too: of other hosts, with files of somebody's, other names
mkdir "$TMPDIR"/{temper-session-elsewhere-abcdef,"temper-session-$host-models",temper-abcdef}
touch "$TMPDIR/temper-session-$host-models/weights"
ln -s "$work" "$TMPDIR/temper-session-$host-abcdef"
four_at_once
[ "$(sessions)" = "$(printf '%s\n' temper-session-elsewhere-abcdef \
    "temper-session-$host-abcdef" "temper-session-$host-models" | sort)" ] ||
    fail "these are left: $(sessions)"
[ -e "$TMPDIR/temper-session-$host-models/weights" ] && [ -e "$TMPDIR/temper-abcdef" ] ||
    fail "somebody's files are gone"
