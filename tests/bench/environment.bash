# Sourced by the comparisons with other programs. Sets PEER_PYTHON, a Python with PyTorch and
# transformers of its own under .cache/ (one that is set already is taken as it is), and TEMPER, the
# program (build/temper, built if it is not set).
source "$(dirname "${BASH_SOURCE[0]}")/../../cmake/common.bash"

packages=(torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 numpy==2.4.6 h5py==3.16.0
    gguf==0.19.0 accelerate==1.15.0)
environment=$root/.cache/bench/venv
model=$root/models/minilm-l6
language_model=$root/models/smollm2-135m.gguf

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

# need_model WHAT, need_language_model WHAT: end the script, loudly, where it is not there.
need_model() {
    need_file "$1" "$model/model.safetensors" minilm-l6
}
need_language_model() {
    need_file "$1" "$language_model" smollm2-135m
}
need_file() {
    [ -f "$2" ] && return
    loud "$1 SKIPPED: ${2#"$root"/} is not there (cmake/fetch $3)."
    exit 0
}
