#!/usr/bin/env bash
# TEST labels=hosts timeout=60
# The project reaches no machine by name: packages come through their own tools. Documents may cite
# standing identifiers (licences, DOIs, schemas).
source "$(dirname "$0")/support.bash"

names='doi|apache|simgrid|creativecommons|w3|w3id|schema|json-schema|spdx|orcid'
allowed="($names|citation-file-format)\.(org|com)"

check() {
    ! (cd "$1" && grep -rnIE --exclude-dir={.git,.cache,models,runs,data,golden,corpus} \
        --exclude-dir='build*' --exclude-dir=__pycache__ --exclude=LICENSE \
        '(^|[^@a-zA-Z0-9_.-])([a-zA-Z0-9-]+\.)+(org|com|net|io|ai|dev|cn)([^a-zA-Z0-9_(-]|$)' . |
        grep -vE "//(www\.)?$allowed")
}

plant cmake/get <<<"curl https://files.example"".org/x"
expect_caught "an address" 'cmake/get:1'
plant docs/a.md <<<"see example"".com for more"
expect_caught "a name" 'docs/a.md:1'
plant LICENSE <<<"https://example"".org"
plant docs/a.md <<<"https://doi"".org/10.1145/1"
expect_clean "a licence and a DOI"

lint_tree
