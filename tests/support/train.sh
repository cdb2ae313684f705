# Sourced by tests that train: a tiny BERT and the first messages of the SMS Spam Collection, so
# that a run takes a second.
source "$TEMPER_SOURCE/tests/support/cli.sh"
cd "$work" || exit 1

head -n 200 "$TEMPER_SOURCE/jobs/data/sms-spam.tsv" >sms.tsv
"$TEMPER" import "$TEMPER_SOURCE/tests/golden/tiny-bert" -o tiny.h5 2>import.log >&2 ||
    { cat import.log; exit 1; }
cat >recipe.yaml <<'EOF'
model:  {path: tiny.h5, task: text_classification}
data:   {path: sms.tsv, text: SMS, label: Label, max_length: 32,
         split: {validation: 0.1, test: 0.1}}
train:  {epochs: 2, batch_size: 48, learning_rate: 1e-2, warmup_ratio: 0.1, weight_decay: 0.01,
         dropout: 0.1, seed: 7, leaves: 16}
output: {folder: runs/one}
EOF

# widen: the recipe is from here on of a model of whose weights several ranks own parts.
widen() {
    python3 "$TEMPER_SOURCE/tests/support/wide_model.py" \
        "$TEMPER_SOURCE/tests/golden/tiny-bert" sms.tsv wide || exit 1
    expect_exit 0 "$TEMPER" import wide -o wide.h5
    sed -i 's/tiny.h5/wide.h5/' recipe.yaml
}

# train RANKS FOLDER [key=value ...]
train() {
    local count=$1 folder=$2
    shift 2
    ranks "$count" "$TEMPER" train recipe.yaml "output.folder=runs/$folder" "$@"
}

# on GRID FOLDER [key=value ...]: trains on that grid, 212 for 2 x 1 x 2.
on() {
    local data=${1:0:1} rows=${1:1:1} cols=${1:2:1} folder=$2
    shift 2
    train $((data * rows * cols)) "$folder" "grid.rows=$rows" "grid.cols=$cols" "$@"
}

# first FOLDER: loss and norm of the first step.
first() {
    sed -nE '1s/.*"loss": ([^,]*),.*"grad_norm": ([^,]*),.*/\1 \2/p' "runs/$1/metrics.jsonl"
}

# close A B: first losses within 1e-6, norms within 1e-5.
close() {
    echo "$(first "$1") $(first "$2")" |
        awk 'function off(a, b) { return (a > b ? a - b : b - a) / b }
             END { exit !(NF == 4 && off($1, $3) <= 1e-6 && off($2, $4) <= 1e-5) }' ||
        fail "the first steps of $1 and $2 differ: $(first "$1") and $(first "$2")"
}

# newest FOLDER: its newest checkpoint.
newest() {
    ls "runs/$1"/checkpoints/step-??????????.h5 | tail -n 1
}

# losses FOLDER: metrics.jsonl without what depends on the machine.
losses() {
    sed -E 's/, "seconds": [0-9.e+-]+//' "runs/$1/metrics.jsonl"
}

# same_run A B: checkpoints and metrics are equal, every bit.
same_run() {
    expect_exit 0 "$TEMPER" compare "$(newest "$1")" "$(newest "$2")"
    [ "$(losses "$1")" = "$(losses "$2")" ] || fail "metrics of $1 and $2 differ:
$(diff <(losses "$1") <(losses "$2") | head)"
}

# sound FOLDER: every checkpoint there passes its checksums.
sound() {
    local file
    for file in "runs/$1"/checkpoints/step-??????????.h5; do
        [ ! -e "$file" ] || expect_exit 0 "$TEMPER" inspect "$file" --validate
    done
}
