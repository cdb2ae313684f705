#!/usr/bin/env bash
# TEST labels=cli timeout=60
# import, inspect, compare and export: what they print and how they exit.
source tests/support/cli.sh
folder=tests/golden/tiny-bert

# change FILE OFFSET_FROM_END: one bit of one byte
change() {
    python3 - "$@" <<'END'
import sys
path, offset = sys.argv[1], int(sys.argv[2])
data = bytearray(open(path, "rb").read())
data[len(data) - offset] ^= 1
open(path, "wb").write(data)
END
}

expect_exit 0 "$TEMPER" import "$folder" -o "$work/a.h5"
expect_text out "$work/a.h5: "
expect_text out " parameters in "
cp "$work/a.h5" "$work/b.h5"

expect_exit 0 "$TEMPER" inspect "$work/a.h5"
expect_text out "bert.pooler.dense.weight"
expect_exit 0 "$TEMPER" inspect "$work/a.h5" --validate
expect_exit 0 "$TEMPER" inspect "$folder/model.safetensors"
expect_text out "bert.pooler.dense.weight"
gguf=tests/golden/gguf/types.gguf
expect_exit 0 "$TEMPER" inspect "$gguf" --validate
expect_text out "u32                   4000000000"
expect_text out "texts                 a, , Ġthe, x (4)"
expect_text out "Q4_K  Q4_K  3 x 512           864 B"
head -c 5000 "$gguf" >"$work/cut.gguf"
expect_exit 1 "$TEMPER" inspect "$work/cut.gguf"
expect_text err "$work/cut.gguf: tensor "
expect_text err "the file may be truncated"
expect_exit 1 "$TEMPER" import "$work/cut.gguf" -o "$work/cut.h5"
expect_text err "the file may be truncated"
[ ! -e "$work/cut.h5" ] || fail "a damaged GGUF file became a model"

expect_exit 0 "$TEMPER" compare "$work/a.h5" "$work/b.h5"
expect_nothing err
# another model of the same shape: one weight differs in its last bit
mkdir "$work/other"
cp "$folder"/*.json "$folder/vocab.txt" "$folder/model.safetensors" "$work/other"
change "$work/other/model.safetensors" 4
expect_exit 0 "$TEMPER" import "$work/other" -o "$work/other.h5"
expect_exit 1 "$TEMPER" compare "$work/a.h5" "$work/other.h5"
expect_nothing err
[ -s "$work/out" ] || fail "compare does not say what differs"
expect_exit 0 "$TEMPER" compare --tolerance 1e-5 "$work/a.h5" "$work/other.h5"
expect_exit 1 "$TEMPER" compare --tolerance 0 "$work/a.h5" "$work/other.h5"

# unreadable is not different
echo "no HDF5" >"$work/text.h5"
head -c 3000 "$work/a.h5" >"$work/cut.h5"
for bad in text.h5 cut.h5 none.h5; do
    expect_exit 2 "$TEMPER" compare "$work/a.h5" "$work/$bad"
    expect_text err "$bad"
    [ "$bad" = none.h5 ] && code=2 || code=1
    expect_exit $code "$TEMPER" inspect "$work/$bad"
    expect_text err "$bad"
done
# a model file by its name, whatever its first bytes are by now
{ printf 'X'; tail -c +2 "$work/a.h5"; } >"$work/first.h5"
: >"$work/empty.h5"
for bad in first.h5 empty.h5; do
    expect_exit 1 "$TEMPER" inspect "$work/$bad"
    expect_text err "$work/$bad: not an HDF5 file"
done
mkdir "$work/run"
expect_exit 2 "$TEMPER" compare "$work/a.h5" "$work/run"
expect_text err "$work/run"

# a changed byte of a tensor is found by whoever reads it
cp "$work/a.h5" "$work/damaged.h5"
python3 - "$folder/model.safetensors" "$work/damaged.h5" <<'END'
import sys
needle = open(sys.argv[1], "rb").read()[-64:]
data = bytearray(open(sys.argv[2], "rb").read())
at = data.find(needle)
assert at > 0, "the last tensor is not in the model file"
data[at] ^= 1
open(sys.argv[2], "wb").write(data)
END
expect_exit 1 "$TEMPER" inspect "$work/damaged.h5" --validate
expect_text out "damaged.h5"
expect_exit 2 "$TEMPER" compare "$work/a.h5" "$work/damaged.h5"

expect_exit 0 "$TEMPER" export "$work/a.h5" -o "$work/exported"
expect_text out "$work/exported: bert with 3 labels, from $work/a.h5"
# its weights say who computed, in texts alone
"$TEMPER" --version >"$work/version"
python3 - "$work/exported/model.safetensors" "$work/version" <<'END' || fail "provenance"
import json, sys
with open(sys.argv[1], "rb") as file:
    metadata = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
version = open(sys.argv[2]).read()
assert metadata.pop("format") == "pt"
assert set(metadata) == {"creator_version", "commit", "kernels", "blas_core", "blas_library"}
assert all(isinstance(text, str) and text in version for text in metadata.values()), metadata
END
expect_exit 0 "$TEMPER" import "$work/exported" -o "$work/again.h5"
# a model without a head
mkdir "$work/headless"
cp "$folder"/*.json "$work/headless"
python3 - "$folder/model.safetensors" "$work/headless/model.safetensors" <<'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header, payload, out = json.loads(data[8:8 + length]), data[8 + length:], b""
kept = {}
for name, info in header.items():
    if name == "__metadata__" or name.startswith("classifier"):
        continue
    first, end = info["data_offsets"]
    kept[name] = dict(info, data_offsets=[len(out), len(out) + end - first])
    out += payload[first:end]
text = json.dumps(kept).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + out)
END
expect_exit 0 "$TEMPER" import "$work/headless" -o "$work/headless.h5"
expect_exit 0 "$TEMPER" export "$work/headless.h5" -o "$work/headless-out"
expect_text out "$work/headless-out: bert without a head for labels, from $work/headless.h5"
# every weight is back; config.json gained keys
expect_exit 0 "$TEMPER" compare --tolerance 0 "$work/a.h5" "$work/again.h5"
