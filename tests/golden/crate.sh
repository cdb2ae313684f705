#!/usr/bin/env bash
# TEST labels=train timeout=300
# What `temper record` writes is a Process Run Crate, by the validator of the profile's makers.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
packages=(roc-validator==0.13.0 rocrate==0.10.0)
environment=$TEMPER_SOURCE/.cache/crate/venv

# The second package is there for the context of RO-Crate 1.1 alone.
prepare() {
    [ "$(cat "$environment/complete" 2>/dev/null)" != "${packages[*]}" ] || return 0
    python3 -m venv "$environment" &&
        "$environment/bin/pip" install --quiet --disable-pip-version-check "${packages[0]}" &&
        "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps \
            "${packages[1]}" && echo "${packages[*]}" >"$environment/complete"
}
prepare >"$work/pip" 2>&1 || skip "cannot install ${packages[*]}: $(tail -n 1 "$work/pip")"
context=$(find "$environment" -path '*/rocrate/data/ro-crate.jsonld')

# validate FOLDER: prints the findings
validate() {
    "$environment/bin/python" "$TEMPER_SOURCE/tests/golden/check_crate.py" "$1" "$context"
}

expect_exit 0 train 1 one train.max_steps=3
expect_exit 0 train 2 one
expect_exit 0 "$TEMPER" export runs/one -o exported
expect_exit 0 "$TEMPER" record runs/one
expect_lines out runs/one/ro-crate-metadata.json
expect_exit 0 validate runs/one
expect_text out " checks, 0 issues"
expect_exit 0 "$TEMPER" record runs/one --format ro-crate -o crates/one \
    --license https://spdx.org/licenses/CC-BY-4.0 --agent "Ada Lovelace" \
    --orcid https://orcid.org/0000-0002-1825-0097
expect_exit 0 validate crates/one
expect_text out " checks, 0 issues"

python3 - runs/one crates/one <<'END' || fail "what the crate says"
import hashlib, json, os, sys, urllib.parse
part = json.load(open("runs/one/record.json"))["parts"][-1]
for folder in sys.argv[1:]:
    graph = {e["@id"]: e for e in json.load(open(folder + "/ro-crate-metadata.json"))["@graph"]}
    actions = [e for e in graph.values() if e["@type"] == "CreateAction"]
    assert len(actions) == 2, actions
    action = graph["#part-2"]
    assert action["startTime"] == part["started_utc"].replace("Z", "+00:00"), action
    assert action["endTime"] == part["ended_utc"].replace("Z", "+00:00"), action
    tool = graph[action["instrument"]["@id"]]
    assert part["program"]["commit"] in tool["softwareVersion"], tool
    assert tool["@type"] == "SoftwareApplication" and part["program"]["blas_core"] in \
        tool["description"]
    names = {graph[r["@id"]]["name"] for r in action["object"]}
    assert names == {"sms.tsv", "tiny.h5", "recipe.yaml"}, names
    results = [graph[r["@id"]] for r in action["result"]]
    assert len(results) == len(part["outputs"]) - 1 + 4, results
    assert "model.safetensors" in [file["name"] for file in results], results
    for file in [graph[r["@id"]] for r in action["object"] + action["result"]]:
        path = urllib.parse.unquote(file["@id"])
        path = path[7:] if path.startswith("file://") else os.path.join(folder, path)
        data = open(path, "rb").read()
        assert file["@type"] == "File" and file["contentSize"] == str(len(data)), file
        assert file["sha256"] == hashlib.sha256(data).hexdigest(), file
agent = graph[graph["#part-2"]["agent"]["@id"]]
assert agent["name"] == "Ada Lovelace" and agent["@type"] == "Person", agent
END

# a file that is given twice is there once
expect_exit 0 train 1 twice data.split.validation=sms.tsv data.split.test=sms.tsv
expect_exit 0 "$TEMPER" record runs/twice
expect_exit 0 validate runs/twice
[ "$(grep -c '"@id": ".*sms.tsv",' runs/twice/ro-crate-metadata.json)" = 1 ] || fail "not once"

# the validator can find something
sed -i 's/"instrument"/"tool"/' crates/one/ro-crate-metadata.json
expect_exit 1 validate crates/one
expect_text out "MUST have an instrument"

# a run that did not end, and none
sed -i 's/"state": *"done"/"state": "stopped"/' runs/one/record.json
expect_exit 1 "$TEMPER" record runs/one
expect_text err "runs/one: the last part of the run, from step 3, is "
expect_exit 2 "$TEMPER" record nowhere
