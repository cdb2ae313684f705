#!/usr/bin/env bash
# TEST labels=data,train,memory timeout=240
# Memory of a rank does not grow with the text.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
memory_stays 4 24
