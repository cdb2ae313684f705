#!/usr/bin/env bash
# TEST labels=train,long timeout=300
# An evaluation that a signal, a file or a deadline leaves to the next life: see owed_evaluations.
exec bash "${TEMPER_SOURCE:?}/tests/ranks/owed_evaluations" all
