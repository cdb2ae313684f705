# Sourced by the comparisons with other programs. Sets PEER_PYTHON, a Python with PyTorch and
# transformers of its own under .cache/ (one that is set already is taken as it is), and TEMPER, the
# program (build/temper, built if it is not set).
source "$(dirname "${BASH_SOURCE[0]}")/../../cmake/common.bash"

packages=(torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 numpy==2.4.6 h5py==3.16.0
    gguf==0.19.0 accelerate==1.15.0)
environment=$root/.cache/bench/venv
model=$root/models/minilm-l6

if [ -z "${PEER_PYTHON:-}" ]; then
    export PEER_PYTHON=$environment/bin/python
    if [ "$(cat "$environment/complete" 2>/dev/null)" != "${packages[*]}" ]; then
        step "Preparing ${packages[*]} in ${environment#"$root"/}"
        python3 -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" >&2
        echo "${packages[*]}" >"$environment/complete"
    fi
fi

if [ -z "${TEMPER:-}" ]; then
    "$root/cmake/build" release temper
    export TEMPER=$root/build/temper
fi

# need_model WHAT: ends the script, loudly, where MiniLM is not there.
need_model() {
    [ -f "$model/model.safetensors" ] && return
    loud "$1 SKIPPED: models/minilm-l6 is not there (cmake/fetch)."
    exit 0
}
