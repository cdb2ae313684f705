#!/usr/bin/env bash
# TEST labels=train timeout=120
# An evaluation that a stop leaves to the next life: see owed_evaluations.
exec bash "${TEMPER_SOURCE:?}/tests/ranks/owed_evaluations" few
