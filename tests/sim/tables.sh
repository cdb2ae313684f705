#!/usr/bin/env bash
# TEST labels=sim timeout=60
# A table of scaling fails where a simulation made no step, and a platform has the nodes that it
# was asked for. SimGrid is not needed: the simulation is a stand-in.
source "${TEMPER_SOURCE:?}/tests/support/cli.sh"
mkdir -p "$work"/{tests/sim,cmake,bin}
cp "$TEMPER_SOURCE/tests/sim/scaling" "$work/tests/sim"
cp "$TEMPER_SOURCE/cmake/common.bash" "$work/cmake"
printf '#!/bin/sh\n' | tee "$work/tests/sim/build" >"$work/bin/smpicc"
cat >"$work/tests/sim/run" <<'END'
#!/bin/sh
# PROGRAM CLUSTER NODES ...: as smpirun, leaves with 0 when ranks abort
[ "$3" != "$ABORTS" ] || exit 0
printf "step nodes=%s step_s=%s.0 exposed_s=0.5 received_MB=5 messages=7" "$3" $((40 / $3))
echo " exchange_s=0.1 vote_s=0.1 ahead_s=0.1 update_s=0.1"
echo "alone nodes=$3 step_s=1.0"
END
chmod +x "$work/tests/sim/run" "$work/tests/sim/build" "$work/bin/smpicc"
cd "$work" || exit 1

# scaling ABORTS ARGUMENT...: the simulation of so many nodes aborts.
scaling() {
    ABORTS=$1 PATH=$work/bin:$PATH tests/sim/scaling "${@:2}"
}

expect_exit 0 scaling none fat-tree strong bert-base 65536/8 4 16 32
[ "$(grep -c '^| [0-9]' out)" = 3 ] || fail "$(cat out)"
expect_exit 1 scaling 16 fat-tree strong bert-base 65536/8 4 16 32
expect_text err "Failed: no step on 16 nodes"
[ "$(grep -o '^| [0-9]* ' out | tr -d '\n')" = "| 4 | 32 " ] || fail "$(cat out)"
expect_exit 0 scaling none fat-tree grids bert-base 65536 1 2 / 4 16
expect_exit 1 scaling 16 fat-tree grids bert-base 65536 1 2 / 4 16
expect_text out "| 16 | failed | failed |"
expect_exit 1 scaling 32 quick # of which a bar is
expect_text out "Missed: no row of 32 nodes, the bar is 0.80"
expect_exit 0 scaling none quick

# nodes COUNT: those of the dragonfly that is printed.
nodes() {
    "$TEMPER_SOURCE/tests/sim/platform" dragonfly "$1" 1 |
        sed -nE 's/.*topo_parameters="([0-9]+),.;([0-9]+),.;([0-9]+),.;([0-9]+)".*/\1 \2 \3 \4/p' |
        awk '{ print $1 * $2 * $3 * $4 }'
}

for count in 1 2 3 4 8 12 16 32 64 96 128 192 256; do
    [ "$(nodes $count)" = $count ] || fail "$(nodes $count) nodes of $count"
done
for count in 5 6 10 17 20 28 33 48 160; do
    expect_exit 2 "$TEMPER_SOURCE/tests/sim/platform" dragonfly $count 1
    expect_text err "$count nodes make no whole dragonfly"
    expect_nothing out
done
