#!/usr/bin/env bash
# TEST labels=train timeout=180
# Ranks killed at any instant, a few times: see kill_sweep.
exec bash "${TEMPER_SOURCE:?}/tests/fault/kill_sweep" 8
