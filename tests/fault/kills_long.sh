#!/usr/bin/env bash
# TEST labels=train,long timeout=3600
# Ranks killed at any instant, 200 times: see kill_sweep.
exec bash "${TEMPER_SOURCE:?}/tests/fault/kill_sweep" 200
