#!/usr/bin/env bash
# TEST labels=cli timeout=120
# temper submit: the script that it writes, what sbatch gets, and that no value of a recipe or a
# command line is ever a command.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

# Slurm's programs: they note their words.
mkdir bin
cat >bin/sbatch <<'END'
#!/bin/sh
printf '%s\n' "$@" >sbatch.words
echo "${OPENBLAS_CORETYPE:-none} ${TEMPER_CHOOSES_CORETYPE:-none}" >sbatch.core
[ -z "$SBATCH_FAILS" ] || { echo "sbatch: error: no such partition" >&2; exit 1; }
echo "${SBATCH_SAYS:-4711;cluster}"
END
cat >bin/srun <<'END'
#!/bin/sh
printf '%s\n' "$*" >srun.line
while [ "$1" != train ]; do shift; done
shift
printf '%s\0' "$@" >srun.words
END
printf '#!/bin/sh\necho 2000-01-01T00:00:00\n' >bin/squeue
printf '#!/bin/sh\n' >bin/scontrol
cat >bin/lscpu <<'END'
#!/bin/sh
[ -n "$CORES" ] || exit 1
echo "# comment"
seq 0 $((CORES - 1))
seq 0 $((CORES - 1))
END
chmod +x bin/*
export PATH=$work/bin:$PATH

# queued ARGUMENT...: submitted; the job's script is $script.
queued() {
    expect_exit 0 "$TEMPER" submit "$@"
    expect_lines out 4711
    script=$(tail -n 1 sbatch.words)
    [ "$(cat sbatch.words)" = "$(printf '%s\n' --parsable "$script")" ] ||
        fail "$(cat sbatch.words)"
}

# line TEXT, no_line TEXT: the script has it, or not.
line() {
    grep -qxF -- "$1" "$script" || fail "no line '$1' in $(head -n 30 "$script")"
}
no_line() {
    ! grep -qF -- "$1" "$script" || fail "there is a '$1'"
}

# ran: the script, on a node of eight cores, as Slurm would start it.
ran() {
    rm -f srun.words
    SLURM_JOB_ID=4711 SLURM_JOB_NODELIST=n1 SLURM_JOB_NUM_NODES=${nodes:-1} SLURM_CPUS_ON_NODE=8 \
        expect_exit 0 bash "$script"
}

# words WORD...: what train got.
words() {
    [ -e srun.words ] && cmp -s srun.words <(printf '%s\0' "$@") ||
        fail "train got $(tr '\0' '|' <srun.words), not $(printf '%s|' "$@")"
}

# the options, each as a line; those that are not given are none
queued recipe.yaml
[ "$script" = runs/one/job.sbatch ] || fail "$script"
for text in --job-name=one --output=runs/one/slurm-%j.log --nodes=1 --exclusive --mem=0 --time=240 \
    --signal=B:USR1@300 --requeue --open-mode=append; do
    line "#SBATCH $text"
done
no_line "#SBATCH --partition"
no_line "#SBATCH --account"
no_line "#SBATCH --array"
ran
words recipe.yaml
grep -q -- "--nodes=1 --ntasks=8 --cpus-per-task=1 --kill-on-bad-exit=1 $TEMPER train" srun.line ||
    fail "$(cat srun.line)"
cat >>recipe.yaml <<'END'
slurm:
  nodes: 2
  ranks_per_node: 2
  time: 1-12:00:00
  partition: big,bigger
  account: my_project@site
  signal_seconds: 60
  extra: |
    --mem=4G
    --exclude=n[1-3],n7
END
queued recipe.yaml train.seed=3 slurm.nodes=3
for text in --nodes=3 --time=1-12:00:00 --partition=big,bigger --account=my_project@site \
    --signal=B:USR1@60 --mem=4G '--exclude=n[1-3],n7'; do
    line "#SBATCH $text"
done
no_line "--mem=0"
queued recipe.yaml slurm.extra=--mem-bind=local
line "#SBATCH --mem=0"
queued recipe.yaml train.seed=3 slurm.nodes=3
nodes=3 ran
words recipe.yaml train.seed=3 slurm.nodes=3
grep -q -- "--nodes=3 --ntasks=6 --cpus-per-task=4 " srun.line || fail "$(cat srun.line)"

# started NTASKS NODES KEY=VALUE...: so many ranks, of the job with these keys.
started() {
    queued recipe.yaml slurm.ranks_per_node=0 "${@:3}"
    nodes=$2 ran
    grep -q -- " --ntasks=$1 " srun.line || fail "not $1 ranks with ${*:3}: $(cat srun.line)"
}
started 8 1                                   # one a core
CORES=8 started 8 1
CORES=4 started 4 1                           # of two hardware threads
grep -q -- "--ntasks=4 --cpus-per-task=2 " srun.line || fail "$(cat srun.line)"
grep -q "ranks 4, threads a rank 1$" out || fail "$(cat out)"
CORES=4 started 2 1 train.leaves=2            # two threads on two cores, so on four CPUs
grep -q -- "--ntasks=2 --cpus-per-task=4 " srun.line || fail "$(cat srun.line)"
grep -q "ranks 2, threads a rank 2$" out || fail "$(cat out)"
started 2 1 train.leaves=1 grid.cols=2        # what a step keeps busy
started 8 1 train.leaves=2 grid.cols=4        # more than leaves
started 6 1 train.leaves=2 grid.rows=3 grid.data=2
started 4 1 train.leaves=1 grid.cols=0
started 6 1 grid.rows=6
started 12 2 grid.rows=6
expect_failure started 8 1 grid.rows=6
# of several columns whole groups on each node, of whose cores some may be left
started 8 3 train.leaves=2 grid.cols=4
grep -q -- "--distribution=block --nodes=2 --ntasks=8 --cpus-per-task=2 " srun.line ||
    fail "$(cat srun.line)"
started 8 2 grid.cols=4 slurm.ranks_per_node=6
started 24 4 grid.cols=4 slurm.ranks_per_node=6 grid.data=6 # a multiple of 24 is more
started 10 4 train.leaves=5 grid.cols=2 # on two nodes each rank would have a thread less
grep -q -- "--nodes=4 --ntasks=10 --cpus-per-task=2 " srun.line || fail "$(cat srun.line)"
queued recipe.yaml slurm.ranks_per_node=1 grid.rows=6
rm srun.words
SLURM_JOB_ID=4711 SLURM_JOB_NODELIST=n1 SLURM_JOB_NUM_NODES=2 SLURM_CPUS_ON_NODE=8 \
    expect_exit 2 bash "$script"
expect_text err "recipe.yaml: its grid takes 6 ranks at a time, 2 nodes have room for 2"
[ ! -e srun.words ] || fail "started all the same"

queued recipe.yaml slurm.signal_seconds=0
no_line "--signal"

# OpenBLAS chooses its kernels on the nodes, unless the user did
# core WORD ENVIRONMENT...: what sbatch finds.
core() {
    expect_exit 0 env -u OPENBLAS_CORETYPE "${@:2}" "$TEMPER" submit recipe.yaml
    [ "$(cat sbatch.core)" = "$1" ] || fail "sbatch finds $(cat sbatch.core), not $1"
}
core "none none"
core "Haswell none" OPENBLAS_CORETYPE=Haswell
core "none none" OPENBLAS_CORETYPE=SkylakeX TEMPER_CHOOSES_CORETYPE=1 # as started anew by itself

# what queues a run again is the script of slurm/train.sbatch, word for word
mark='# What follows is the end of every job.sbatch, too.'
cmp <(sed "1,/^$mark/d" "$TEMPER_SOURCE/slurm/train.sbatch") \
    <(tail -n "$(sed "1,/^$mark/d" "$TEMPER_SOURCE/slurm/train.sbatch" | wc -l)" "$script") ||
    fail "another script than slurm/train.sbatch"

# tasks of an array are runs of their own
queued recipe.yaml slurm.array=0-3%2
line "#SBATCH --array=0-3%2"
line "#SBATCH --output=runs/one/slurm-%A_%a.log"
SLURM_ARRAY_JOB_ID=4711 SLURM_ARRAY_TASK_ID=2 ran
words recipe.yaml slurm.array=0-3%2 output.folder=runs/one/2 train.seed=2
grep -q "^job 4711_2 on n1, restarts 0, " out || fail "$(cat out)"

# --dry-run prints the same, and leaves nothing
cp "$script" queued.sbatch
rm -rf runs/one sbatch.words
expect_exit 0 "$TEMPER" submit recipe.yaml slurm.array=0-3%2 --dry-run
cmp out queued.sbatch || fail "another script"
[ ! -e sbatch.words ] && [ ! -e runs/one ] || fail "--dry-run leaves something"

# no value is a command, nor more than one word: in names of recipes and values of keys
hostile=(' ' 'a b' "it's" '"' '$(touch taken)' '`touch taken`' ';touch taken;' '$HOME' '*' '\'
    "'\\''" $'two\ntouch taken' $'\ntouch taken\n' '&& touch taken' '|touch taken' '#' '!!' '~' '%j'
    '-x' "';touch taken;'" '$((1))' '{a,b}' '>taken')
for value in "${hostile[@]}"; do
    cp recipe.yaml "r$value.yaml"
    queued "r$value.yaml" "data.system=$value"
    ran
    words "r$value.yaml" "data.system=$value"
    rm "r$value.yaml"
    for key in partition account array time; do # a plain word, or none at all
        expect_exit 2 "$TEMPER" submit recipe.yaml "slurm.$key=$value"
        expect_text err "slurm.$key: '$value' must be of "
    done
    if [ "$value" != -x ]; then
        expect_exit 2 "$TEMPER" submit recipe.yaml "output.folder=runs/$value/one$value"
        expect_text err "output.folder: 'runs/"
    fi
    if [[ $value != *$'\n'* ]]; then # options as they are: comments to the shell
        queued recipe.yaml "slurm.extra=--comment=$value"
        line "#SBATCH --comment=$value"
        ran
    fi
    [ ! -e taken ] || { fail "'$value' was a command"; rm taken; }
done
for value in mem=4G $'--mem=4G\ntouch taken' $'--mem=4G\r--x' $'--a\tb' $'--a\n\n b'; do
    expect_exit 2 "$TEMPER" submit recipe.yaml "slurm.extra=$value"
    expect_text err "slurm.extra: "
done
# nor by an option of sbatch, or a file elsewhere: whole, cut short, quoted, behind another
for option in --export=ALL,BASH_ENV=f '--export ALL,BASH_ENV=f' --expo=ALL,BASH_ENV=f \
    --export-file=f --error=f --err=f --output=f --outp=f --chdir=/ --wrap=ls --get-user-env \
    -ef -of '-D /' -Hof '--mem=4G --export=ALL,BASH_ENV=f' '--comment="a b" -e f' \
    '--ex"po"rt=ALL,BASH_ENV=f' "--mem=4G '--wrap=ls'" \
    '--mem=4G \--error=f' $'--mem=4G\n--error=f'; do
    expect_exit 2 "$TEMPER" submit recipe.yaml "slurm.extra=$option"
    expect_text err "are not the recipe's to choose"
done
for option in --exclude=n1 --exclusive=user '--comment=an --o-k option' --open-mode=truncate \
    -pdebug '-p debug' -Hpdebug --mem=4G; do
    queued recipe.yaml "slurm.extra=$option"
done
expect_exit 2 "$TEMPER" validate recipe.yaml slurm.extra=--wrap=ls
expect_text err "slurm.extra: '--wrap=ls': the environment"
expect_exit 2 "$TEMPER" validate recipe.yaml 'slurm.account=$(touch taken)' slurm.time=soon
expect_text err "slurm.account: "
expect_text err "slurm.time: "
# the control: a script that does not quote
sed 's/^set -- .*/set -- recipe.yaml $(touch taken)/; s/^    .data.system.*//' "$script" >bare
script=bare ran
[ -e taken ] || fail "the control does nothing"

# what sbatch says
SBATCH_FAILS=1 expect_exit 1 "$TEMPER" submit recipe.yaml
expect_text err "sbatch: error: no such partition"
expect_text err "temper: sbatch does not take runs/one/job.sbatch"
expect_nothing out
SBATCH_SAYS=nothing expect_exit 1 "$TEMPER" submit recipe.yaml
expect_text err "sbatch gave no number of a job"
rm bin/sbatch
PATH=$work/bin expect_exit 1 "$TEMPER" submit recipe.yaml
expect_text err "sbatch cannot be started: No such file or directory"
expect_exit 2 "$TEMPER" submit recipe.yaml slurm.node=2
expect_text err "slurm.nodes"
