#!/usr/bin/env bash
# TEST labels=long timeout=1200
# The Debian package in a new Debian: it brings what it needs, and trains there with the bits that
# it has here. Root only.
source tests/support/cli.sh
source tests/support/debian.sh
debian_start

expect_exit 0 packaging/deb
package=$(cat "$work/out")
cp "$package" "$debian/temper.deb"
# the control: there is nothing there that it could run on
expect_exit 1 inside dpkg --install /temper.deb
expect_text err "temper depends on"
expect_exit 127 inside temper --version
debian_install -f
debian_install /temper.deb

expect_exit 0 inside temper --version
expect_text out "temper $version"
expect_text out "USE_OPENMP"
expect_exit 0 inside temper doctor --folder /tmp --megabytes 1
expect_text out "1 rank"
for file in share/man/man1/temper-train.1 share/bash-completion/completions/temper \
    share/temper/jobs/sms-spam.yaml share/temper/slurm/train.sbatch \
    share/temper/hdf5_schemas/model.json share/doc/temper/{copyright,LICENSE,README.md} \
    share/doc/temper/docs/OPTIONS.md; do
    [ -s "$debian/usr/$file" ] || fail "no /usr/$file"
done
! [ -e "$debian/usr/share/temper/modulefiles" ] || fail "a module file for /usr"

# two ranks there, one here; what chooses other kernels counts in neither
unset OPENBLAS_CORETYPE
mkdir "$debian/w"
cp -r tests/golden/tiny-bert "$debian/w"
cat >"$debian/w/recipe.yaml" <<'END'
model:  {path: /w/tiny.h5, task: text_classification}
data:   {path: /usr/share/temper/jobs/data/sms-spam.tsv, text: SMS, label: Label, max_length: 32,
         split: {validation: 0.1, test: 0.1}}
train:  {max_steps: 5, batch_size: 32, learning_rate: 1e-3, seed: 7, leaves: 4, eval_steps: 1000}
output: {folder: /w/run}
END
expect_exit 0 inside temper import /w/tiny-bert -o /w/tiny.h5
expect_exit 0 inside mpirun --oversubscribe -n 2 temper train /w/recipe.yaml
expect_text err "ranks 2"
sed "s#/w/#$debian/w/#; s#/usr/share#$debian/usr/share#; s#/run}#/here}#" "$debian/w/recipe.yaml" \
    >"$work/recipe.yaml"
expect_exit 0 build-deb/temper train "$work/recipe.yaml"
checkpoint=checkpoints/step-0000000005.h5
expect_exit 0 build-deb/temper compare "$debian/w/run/$checkpoint" "$debian/w/here/$checkpoint"
expect_exit 0 build-deb/temper train "$work/recipe.yaml" train.seed=8 "output.folder=$work/other"
expect_exit 1 build-deb/temper compare "$debian/w/run/$checkpoint" "$work/other/$checkpoint"

expect_exit 0 inside dpkg --purge temper
! [ -e "$debian/usr/share/temper" ] || fail "files stay behind"
