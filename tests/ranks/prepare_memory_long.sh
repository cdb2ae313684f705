#!/usr/bin/env bash
# TEST labels=data,train,long timeout=1200
# As prepare_memory.sh, with 200 MB of text.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/memory.sh"
memory_stays 4 200
