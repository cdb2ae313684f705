#!/usr/bin/env bash
# TEST labels=train timeout=300
# ScaLAPACK's products of layers: the losses of one rank within 1e-6, the same bits for every number
# of replicas and threads and with layers that run once more; evaluation and generation by them.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
widen

expect_exit 0 train 1 one
for grid in 112 122 114; do
    expect_exit 0 on "$grid" "native$grid"
    expect_exit 0 on "$grid" "$grid" grid.backend=scalapack
    close one "$grid"
    [ "$(losses "native$grid")" != "$(losses "$grid")" ] || fail "grid $grid has our own bits"
done
expect_exit 0 on 112 auto grid.backend=auto
same_run native112 auto
expect_exit 0 on 111 alone grid.backend=scalapack
same_run one alone
expect_exit 0 on 212 212 grid.backend=scalapack
same_run 112 212
OMP_NUM_THREADS=2 expect_exit 0 on 112 threads grid.backend=scalapack
same_run 112 threads
for recompute in attention layer; do
    expect_exit 0 on 212 "$recompute" grid.backend=scalapack "train.recompute=$recompute"
    same_run 112 "$recompute"
done

# cut in the middle, and gone on with more replicas
expect_exit 0 on 112 cut grid.backend=scalapack train.max_steps=3
expect_exit 0 on 212 cut grid.backend=scalapack
same_run 112 cut

# a checkpoint is the same for both
expect_exit 0 on 112 moved "train.resume=$(newest 114)"
expect_exit 0 "$TEMPER" compare "$(newest 114)" "$(newest moved)"

# a run that is trained is asked as it was trained, or as is said
expect_exit 0 ranks 2 "$TEMPER" evaluate runs/112 --json
cp "$work/out" metrics
expect_exit 0 ranks 2 "$TEMPER" evaluate runs/112 --json grid.backend=native
cmp -s "$work/out" metrics && fail "evaluation has our own bits"
python3 - metrics "$work/out" <<'PYTHON' || fail "metrics of psgemm and of our own products differ"
import json, sys
psgemm, own = (json.load(open(path)) for path in sys.argv[1:])
assert psgemm["accuracy"] == own["accuracy"] and psgemm["rows"] == own["rows"]
assert abs(psgemm["loss"] - own["loss"]) < 1e-5 * own["loss"]
PYTHON
expect_exit 0 "$TEMPER" import "$TEMPER_SOURCE/jobs/gpt2-tiny" -o gpt2.h5 --config-only
expect_exit 0 train 1 causal model.path=gpt2.h5 model.task=causal_lm model.init=random \
    model.hidden_size=48 model.num_hidden_layers=2 model.num_attention_heads=4 train.batch_size=16
ask=(generate runs/causal --prompt "Free entry" --max-tokens 12)
expect_exit 0 ranks 1 "$TEMPER" "${ask[@]}"
cp "$work/out" answer
expect_exit 0 ranks 4 "$TEMPER" "${ask[@]}" grid.cols=4 grid.backend=scalapack
cmp -s "$work/out" answer || fail "four ranks say something else by psgemm"

expect_exit 2 train 2 no grid.cols=2 grid.backend=pblas
refused="'pblas' is not an allowed value (one of auto, native, scalapack)"
expect_lines err "temper: command line: grid.backend: $refused"
expect_exit 2 train 2 no grid.cols=2 grid.backend=scalapack grid.reproducible=strict
expect_text err "with grid.reproducible=strict it can be native or auto"
