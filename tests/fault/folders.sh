#!/usr/bin/env bash
# TEST labels=train timeout=120
# Run folders that cannot be written, are not there, have odd names or are elsewhere.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"
expect_exit 0 train 1 whole

# a file in the way, at the end of the path and within it
refused 2 "temper: output.folder sms.tsv: not a folder" train recipe.yaml output.folder=sms.tsv
refused 2 "temper: output.folder sms.tsv/run: cannot be made: Not a directory" train recipe.yaml \
    output.folder=sms.tsv/run
alone=true refused 2 "output.folder sms.tsv: not a folder" validate recipe.yaml \
    output.folder=sms.tsv
mkdir runs/blocked
: >runs/blocked/checkpoints
refused 1 "temper: runs/blocked/checkpoints is a link or a file: remove it" train recipe.yaml \
    output.folder=runs/blocked

# names
long=$(printf 'x%.0s' {1..256})
refused 2 "cannot be made: File name too long" train recipe.yaml "output.folder=runs/$long"
refused 2 "is not short enough" train recipe.yaml "output.folder=$long/$long/$long/$long"
deep=$(printf 'deep/%.0s' {1..60})
for folder in "runs/${long:0:250}" "runs/$deep" "runs/with space, ünd % sign" "runs/end/"; do
    expect_exit 0 ranks 2 "$TEMPER" train recipe.yaml "output.folder=$folder"
    expect_exit 0 "$TEMPER" compare runs/whole "$folder"
    expect_exit 0 "$TEMPER" predict "$folder" --text "a text"
done

# symbolic links
mkdir elsewhere
ln -s ../elsewhere runs/link
expect_exit 0 train 2 link
expect_exit 0 "$TEMPER" compare runs/whole elsewhere
ln -s nowhere runs/dangling
refused 2 "temper: output.folder runs/dangling: cannot be made: " train recipe.yaml \
    output.folder=runs/dangling

# without HDF5's own file locks, with its ban on them, and on a folder of the root
for setting in FALSE TRUE BEST_EFFORT; do
    HDF5_USE_FILE_LOCKING=$setting expect_exit 0 train 2 "locks-$setting"
    HDF5_USE_FILE_LOCKING=$setting expect_exit 0 train 1 "locks-$setting"
    same_run whole "locks-$setting"
done

# without rights: another user
if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
    skip "folders without rights: needs root and setpriv"
fi
chmod 755 "$work" runs
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
cp "$TEMPER" program # its own folder may be closed to others
as_nobody() {
    HOME=$work TMPDIR=/tmp "${nobody[@]}" "$work/program" "$@"
}
mkdir -m 755 runs/closed
mkdir -m 777 open
expect_exit 1 as_nobody train recipe.yaml output.folder=runs/new
expect_text err "output.folder runs/new: cannot be made: Permission denied"
expect_exit 1 as_nobody train recipe.yaml output.folder=runs/closed
expect_text err "runs/closed/lock"
expect_text err "cannot be written: Permission denied"
expect_exit 1 as_nobody validate recipe.yaml output.folder=runs/closed
expect_text err "output.folder runs/closed: runs/closed cannot be written: Permission denied"
[ -z "$(ls -A runs/closed)" ] || fail "something was written: $(ls -A runs/closed)"
# the control: where there are rights it works, and what others made can be read
expect_exit 0 as_nobody train recipe.yaml output.folder=open/run
expect_exit 0 "$TEMPER" compare runs/whole open/run
expect_exit 0 as_nobody predict runs/whole --text "a text"
expect_exit 0 as_nobody evaluate runs/whole
# what is done can be shown, what is not cannot be gone on with
expect_exit 0 as_nobody train recipe.yaml output.folder=runs/whole
expect_text out "test (runs/whole"
expect_text err "warning: output.folder runs/whole cannot be written: its results are shown alone"
expect_exit 0 train 1 part train.max_steps=2
expect_exit 1 as_nobody train recipe.yaml output.folder=runs/part
expect_text err "output.folder runs/part cannot be written, and step 2 is not the last"
# a checkpoint and data that cannot be read
chmod 600 runs/whole/checkpoints/*.h5
expect_exit 1 as_nobody predict runs/whole --text "a text"
expect_text err "$(ls runs/whole/checkpoints/*.h5 | head -n 1): Permission denied"
chmod 600 sms.tsv
expect_exit 1 as_nobody train recipe.yaml output.folder=open/other
expect_text err "sms.tsv: Permission denied"
# a folder of checkpoints that cannot be listed is not taken for an empty one
chmod 700 runs/whole/checkpoints
expect_exit 1 as_nobody evaluate runs/whole
expect_text err "cannot read runs/whole/checkpoints: Permission denied"
