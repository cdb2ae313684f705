#!/usr/bin/env bash
# TEST labels=cli,bad timeout=120
# Damaged, foreign and unfit model files: a sentence that names what is wrong, and nothing is lost.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"

# folder NAME [KIND]: a Hugging Face folder whose weights are damaged.
folder() {
    mkdir "$1"
    cp "$TEMPER_SOURCE"/tests/golden/tiny-bert/{config.json,model.safetensors,tokenizer.json} "$1"
    [ $# = 1 ] || python3 "$TEMPER_SOURCE/tests/support/damage.py" "$2" "$1/model.safetensors"
}

# config NAME KEY VALUE: a folder with another value in its config.json.
config() {
    folder "$1"
    python3 - "$@" <<'END'
import json, sys
name, key, value = sys.argv[1:]
path = name + "/config.json"
config = json.load(open(path))
config[key] = json.loads(value)
json.dump(config, open(path, "w"))
END
}

# the controls: what is sound is read, and a check of a sound file fails
for kind in halves brains; do
    folder "$kind" "$kind"
    expect_exit 0 "$TEMPER" import "$kind" -o "$kind.h5"
done
folder sound
expect_failure refused 1 "sound" import sound -o again.h5
rm -f again.h5
cp tiny.h5 model.h5 # what stands where the model would go stays
refused 2 "nowhere: No such file" import nowhere -o model.h5
refused 2 "tiny.h5: not a folder" import tiny.h5 -o model.h5
mkdir bare
refused 1 "bare: no config.json" import bare -o model.h5
alone=true # an import is the work of one process

while read -r kind text; do
    folder "$kind" "$kind"
    refused 1 "$text" import "$kind" -o model.h5
    expect_text err "$kind/model.safetensors"
done <<'END'
empty not a safetensors file: it has 0 bytes
short not a safetensors file: it has 5 bytes
truncated the file has only 91403: it may be truncated
half it may be truncated
appended 1 bytes after the last tensor belong to none
long-header the header needs
huge-header its header would have 4611686018427387904 bytes
bad-header model.safetensors
pickled the header needs 67324752 bytes but the file ends after
overlap overlaps the one before it
beyond it may be truncated
negative bert.pooler.dense.weight has no valid data_offsets
resized but its shape of F32 needs 4096
unknown-type has the unknown type 'F33'
END
folder integers integers
refused 1 "bert.pooler.dense.weight" import integers -o model.h5
folder reshaped reshaped
refused 1 "bert.pooler.dense.weight has the shape (16, 64), config.json wants (32, 32)" \
    import reshaped -o model.h5
folder missing-tensor missing-tensor
refused 1 "the weights lack bert.encoder.layer.1.output.dense.weight" import missing-tensor \
    -o model.h5

folder no-weights
rm no-weights/model.safetensors
refused 1 "no-weights: neither model.safetensors nor" import no-weights -o model.h5
folder no-config
rm no-config/config.json
refused 1 "no-config: no config.json" import no-config -o model.h5
folder no-tokenizer
rm no-tokenizer/tokenizer.json
refused 1 "no-tokenizer: no tokenizer.json, vocab.txt, or" import no-tokenizer -o model.h5

# weights that are no numbers
for value in nan inf; do
    folder "$value"
    python3 - "$value" <<'END'
import struct, sys
path = sys.argv[1] + "/model.safetensors"
data = bytearray(open(path, "rb").read())
data[-8:-4] = struct.pack("<f", -float(sys.argv[1]))
open(path, "wb").write(data)
END
    [ "$value" = nan ] && text="is no number (NaN)" || text="is infinite"
    refused 1 "$value: element " import "$value" -o model.h5
    expect_text err "$text: the weights are damaged, or training them diverged"
    expect_text err "weight"
done
# what is no file of ours is not overwritten
echo "mine" >mine.txt
refused 2 "--output mine.txt: is there, and is no sound file of temper's" import sound -o mine.txt
mkdir mine
refused 2 "--output mine: is there" import sound -o mine
refused 2 "--output no/such: No such file" import sound -o no/such/model.h5
cp tiny.h5 again.h5
expect_exit 0 "$TEMPER" import sound -o again.h5

# a tokenizer without special tokens: an empty text would be no sequence
folder unmarked
python3 - <<'END'
import json
tokenizer = json.load(open("unmarked/tokenizer.json"))
tokenizer["post_processor"] = None
json.dump(tokenizer, open("unmarked/tokenizer.json", "w"))
END
refused 1 "unmarked/tokenizer.json: the tokenizer adds no [CLS] token, a bert classifier needs it" \
    import unmarked -o model.h5

config other model_type '"xlnet"'
refused 1 "other/config.json: model_type 'xlnet' is not supported (supported: bert, roberta," \
    import other -o model.h5
config wider hidden_size 64
refused 1 "config.json wants" import wider -o model.h5
config giant vocab_size 260000000
refused 1 "config.json wants (260000000, 32)" import giant -o model.h5
config odd num_attention_heads 5
refused 1 "hidden_size 32 is no multiple of num_attention_heads 5" import odd -o model.h5

# the tokenizer of another model
config small vocab_size 99
refused 1 "small" import small -o model.h5
folder bpe
echo '{"model": {"type": "Unigram", "vocab": {"a": 0}}}' >bpe/tokenizer.json
mkdir pipe && mkfifo pipe/config.json
refused 1 "pipe/config.json: not a regular file" import pipe -o model.h5
refused 1 "bpe/tokenizer.json: model type Unigram is not supported" import bpe -o model.h5
folder torn
head -c 2000 "$TEMPER_SOURCE/tests/golden/tiny-bert/tokenizer.json" >torn/tokenizer.json
refused 1 "torn/tokenizer.json:" import torn -o model.h5
folder larger
python3 - <<'END'
import json
path = "larger/tokenizer.json"
tokenizer = json.load(open(path))
vocab = tokenizer["model"]["vocab"]
for i in range(200):
    vocab.setdefault("more%d" % i, len(vocab))
json.dump(tokenizer, open(path, "w"))
END
refused 1 "larger/tokenizer.json: 300 tokens but the model has 100" import larger -o model.h5

# model files
alone=
echo "no HDF5 at all" >text.h5
cp tiny.h5 half.h5
truncate -s 40000 half.h5
: >empty.h5
python3 - <<'END'
data = bytearray(open("tiny.h5", "rb").read())
needle = open("sound/model.safetensors", "rb").read()[-64:]
at = data.find(needle)
assert at > 0
data[at] ^= 1
open("bit.h5", "wb").write(data)
END
mkdir folder.h5
model() {
    refused "${code:-1}" "$1" train recipe.yaml "model.path=$2" output.folder=runs/none
    expect_text err "$2"
}
mkdir runs runs/none # a run's folder may be left empty
model "not an HDF5 file" text.h5
model "not an HDF5 file: it has 0 bytes" empty.h5
model "truncated" half.h5
model "is damaged in block 0 (bytes" bit.h5
code=2 # what is no file is a wrong recipe
model "model.path folder.h5: not a regular file" folder.h5
mkfifo pipe.h5
model "model.path pipe.h5: not a regular file" pipe.h5
model "model.path none.h5: No such file" none.h5
model "a Hugging Face folder: make a model file of it, 'temper import sound -o sound.h5'" sound
alone=true refused 2 "'temper import sound/ -o sound.h5'" validate recipe.yaml model.path=sound/
expect_exit 0 train 1 whole train.max_steps=1
model "a run folder: give its checkpoint, $(newest whole)" runs/whole
code=
expect_exit 0 "$TEMPER" prepare recipe.yaml
model "a dataset file holds no model" "$(ls runs/prepared-*.h5)"
refused 2 "data.max_length 41 exceeds the 40 positions of the model" train recipe.yaml \
    output.folder=runs/none data.max_length=41
