# Sourced by tests under Slurm: a real one, of virtual nodes, which belongs to the test alone. The
# script starts itself again in name spaces of its own (processes, network, mounts, host name):
# whatever ends it, every daemon and job ends with it, and tests do not meet. Root only.
: "${TEMPER_SOURCE:?names the source}"

slurm_missing() {
    local program
    [ "$(id -u)" = 0 ] || { echo "needs root"; return; }
    for program in munged slurmctld slurmd sbatch srun unshare ip; do
        PATH=$PATH:/usr/sbin:/sbin command -v $program >/dev/null ||
            { echo "$program is not installed (Debian: slurm-wlm munge iproute2)"; return; }
    done
    [ "$(env -u OMP_NUM_THREADS nproc)" -ge 2 ] || { echo "needs two CPUs"; return; }
    unshare --mount --uts --ipc --net --pid --fork true 2>/dev/null ||
        echo "name spaces are not allowed here"
}

if [ -z "${TEMPER_SLURM_INSIDE:-}" ]; then
    reason=$(slurm_missing)
    if [ -n "$reason" ]; then
        echo "SKIPPED ${0##*/}: $reason" >&2
        exit 77
    fi
    exec env TEMPER_SLURM_INSIDE=1 PATH="$PATH:/usr/sbin:/sbin" unshare --mount --uts --ipc --net \
        --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
source "$TEMPER_SOURCE/tests/support/train.sh"
trap 'status=$?; slurm_stop; (exit $status); finish' EXIT
export OMP_WAIT_POLICY=passive # threads that share their CPUs with other tests

# steps FOLDER: lines of its metrics.
steps() {
    cat "runs/$1/metrics.jsonl" 2>/dev/null | wc -l
}

# endless: recipe.yaml becomes one of a run that only a signal or max_steps ends, so that no machine
# is too fast for a test.
endless() {
    sed -i 's/epochs: 2/epochs: 100000, eval_steps: 1000000000/' recipe.yaml
    sed -i 's/leaves: 16/leaves: 2/' recipe.yaml
}

# same_as_undisturbed FOLDER: its run has the bits of one of as many steps that nothing stopped.
same_as_undisturbed() {
    local last
    last=$(newest "$1" | sed -E 's/.*step-0*([0-9]+)\.h5$/\1/')
    [ -n "$last" ] || { fail "no checkpoint in $1"; return; }
    rm -rf runs/undisturbed
    expect_exit 0 "$TEMPER" train recipe.yaml output.folder=runs/undisturbed "train.max_steps=$last"
    same_run undisturbed "$1"
}

# slurm_start NODES: nodes n1, n2 ... of two CPUs each, all idle; two at a switch. Every
# node is a host of its own to the programs on it: name, processes, shared memory; all share this
# file system.
slurm_start() {
    local node
    slurm=$work/slurm
    export SLURM_CONF=$slurm/slurm.conf
    # nodes talk by TCP, here over the only interface that there is
    export OMPI_MCA_btl=self,vader,tcp OMPI_MCA_{btl,oob}_tcp_if_include=lo
    mkdir -p "$slurm"/{munge,state,log}
    chmod 755 "$work"; chmod 711 "$slurm/munge"
    hostname login
    ip link set lo up
    ip addr add 10.0.0.1/24 dev lo # programs look up no names where all addresses are 127.*
    slurm_write_hosts "$1"
    slurm_write_conf "$1"
    slurm_write_topology "$1" >"$slurm/topology.conf"
    (umask 077; head -c 1024 /dev/urandom >"$slurm/munge/key")
    munged --foreground --force --key-file="$slurm/munge/key" --socket="$slurm/munge/socket" \
        --pid-file="$slurm/munge/pid" --seed-file="$slurm/munge/seed" \
        --log-file="$slurm/log/munged.log" >"$slurm/log/munged.out" 2>&1 &
    slurm_daemons=($!)
    slurm_await 10 test -S "$slurm/munge/socket" || slurm_die "munged does not start"
    slurmctld -D >"$slurm/log/slurmctld.out" 2>&1 &
    slurm_daemons+=($!)
    for node in $(seq "$1"); do slurm_start_node "$node"; done
    slurm_await 60 slurm_idle "$1" || slurm_die "the nodes do not come up"
}

# slurm_start_node I: as a machine that boots.
slurm_start_node() {
    rm -rf "${slurm:?}/n$1" # else a step of the same number finds what a lost one left
    mkdir -p "$slurm/n$1/spool" "$slurm/n$1/tmp"
    # the shell is the node's first process: it reaps what others leave, and all end with it
    unshare --mount --uts --ipc --pid --fork --kill-child --mount-proc bash -c '
        hostname "$1"
        mount -t tmpfs tmpfs /dev/shm
        mount --bind "$2/hosts" /etc/hosts
        slurmd -D -N "$1" &
        while :; do wait; sleep 0.1; done' bash "n$1" "$slurm" >"$slurm/log/n$1.out" 2>&1 &
    slurm_daemons+=($!)
    slurm_nodes[$1]=$!
}

# slurm_fail_node I: as a machine that loses its power; slurm_start_node boots it again.
slurm_fail_node() {
    kill -KILL "${slurm_nodes[$1]}"
    wait "${slurm_nodes[$1]}" 2>/dev/null
}

# slurm_stop: all of it. The test's end does so too.
slurm_stop() {
    kill -KILL "${slurm_daemons[@]}" 2>/dev/null
    wait "${slurm_daemons[@]}" 2>/dev/null
    slurm_daemons=()
}
slurm_daemons=()
slurm_nodes=()

slurm_write_hosts() {
    local node
    { cat /etc/hosts; echo "10.0.0.1 login"; } >"$slurm/hosts"
    for node in $(seq "$1"); do echo "10.0.0.1 n$node" >>"$slurm/hosts"; done
}

# Short times, so that a test takes seconds; MPI by PMIx, as Debian's Open MPI asks for.
slurm_write_conf() {
    local node
    cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=login(10.0.0.1)
SlurmctldPort=6817
AuthType=auth/munge
AuthInfo=socket=$slurm/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/%n/spool
TmpFS=$slurm/%n/tmp
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/%n/slurmd.pid
SlurmctldLogFile=$slurm/log/slurmctld.log
SlurmdLogFile=$slurm/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$slurm/log/ends
SwitchType=switch/none
TopologyPlugin=topology/tree
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=5
MinJobAge=300
InactiveLimit=0
SlurmdTimeout=10
SchedulerParameters=sched_interval=1,bf_interval=2
SlurmdParameters=config_overrides
NodeName=DEFAULT CPUs=2 Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=2000 State=UNKNOWN
$(for node in $(seq "$1"); do echo "NodeName=n$node NodeAddr=10.0.0.1 Port=$((7000 + node))"; done)
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
CONF
}

slurm_write_topology() {
    local switches=$((($1 + 1) / 2)) switch
    for switch in $(seq "$switches"); do
        echo "SwitchName=s$switch Nodes=n$((2 * switch - 1))$(
            [ $((2 * switch)) -gt "$1" ] || echo ",n$((2 * switch))")"
    done
    echo "SwitchName=core Switches=s[1-$switches]"
}

# slurm_field JOB NAME: what `scontrol show job` says of it.
slurm_field() {
    scontrol show job "$1" | tr -s ' ' '\n' | sed -n "s/^$2=//p"
}

# slurm_in JOB STATE: true if it is in that state.
slurm_in() {
    [ "$(slurm_field "$1" JobState)" = "$2" ]
}

# slurm_await SECONDS COMMAND...: until it succeeds.
slurm_await() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

slurm_idle() {
    [ "$(sinfo -h -N -p batch -t idle -o %N | wc -l)" = "$1" ]
}

# slurm_die REASON: what the daemons said, and the end.
slurm_die() {
    tail -n 5 "$slurm"/log/* >&2
    fail "$@"
    exit 1
}
