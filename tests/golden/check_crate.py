#!/usr/bin/env python3
"""Validates a folder with ro-crate-metadata.json: python check_crate.py FOLDER CONTEXT [severity]

    pip install roc-validator==0.13.0; CONTEXT is rocrate/data/ro-crate.jsonld of rocrate==0.10.0

The validator would fetch the context of RO-Crate 1.1 from its address: the file stands in for it.
"""

import json
import sys
from types import SimpleNamespace

import rdflib.plugins.shared.jsonld.context as jsonld
from rocrate_validator import services
from rocrate_validator.models import Severity
from rocrate_validator.utils.http import HttpRequester

ADDRESS = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "process-run-crate"


def main(folder, context, severity="REQUIRED"):
    with open(context, encoding="utf-8") as file:
        document = json.load(file)

    def known(url):
        if url.rstrip("/") != ADDRESS:
            raise OSError(f"{url} is not to be fetched in a test")

    def source_to_json(source, *_, **__):
        known(str(source))
        return document, None

    def get(_, url, *__, **___):
        known(url)
        kind = {"Content-Type": "application/ld+json"}
        return SimpleNamespace(status_code=200, headers=kind, json=lambda: document)

    jsonld.source_to_json = source_to_json
    HttpRequester.get = get
    result = services.validate(
        services.ValidationSettings(
            rocrate_uri=folder,
            profile_identifier=PROFILE,
            requirement_severity=getattr(Severity, severity),
            abort_on_first=False,
        )
    )
    for issue in result.get_issues():
        print(f"{issue.check.identifier} {issue.severity.name}: {issue.message}")
    checks = len(result.executed_checks)
    print(f"{checks} checks, {len(result.get_issues())} issues")
    if not checks:
        sys.exit(2)
    sys.exit(bool(result.get_issues()))


main(*sys.argv[1:])
