#!/usr/bin/env bash
# TEST labels=cli timeout=60
# Programs without a launcher share no folder of MPI, and leave none behind.
source tests/support/cli.sh
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
: >"$TMPDIR/ompi.$(hostname).$(id -u)" # where they would meet nothing can be made

# the control: there it would have been
doctor=("$TEMPER" doctor --folder "$work" --megabytes 1)
expect_exit 1 env "OMPI_MCA_orte_tmpdir_base=$TMPDIR" "${doctor[@]}"
expect_text err "unable to create"
rm -rf "$TMPDIR"/temper-*

programs=()
for _ in 1 2 3 4; do
    "${doctor[@]}" >/dev/null 2>>"$work/err" &
    programs+=($!)
done
for program in "${programs[@]}"; do
    wait "$program" || fail "exit code $?: $(cat "$work/err")"
done
[ "$(ls "$TMPDIR")" = "ompi.$(hostname).$(id -u)" ] || fail "left behind: $(ls "$TMPDIR")"
