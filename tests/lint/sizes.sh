#!/usr/bin/env bash
# TEST labels=sizes timeout=60
# Small is kept small: see sizes.py.
source "$(dirname "$0")/support.bash"

check() {
    python3 "$(dirname "$0")/sizes.py" "$1"
}

# lines COUNT: that many short statements.
lines() {
    yes '    step();' | head -n "$1"
}

plant src/train/loop.c <<<$'void loop(void)\n{\n'"$(lines 59)"$'\n}'
expect_caught "a function of 61 lines" 'loop.c:2: .*61 lines'
lines 601 | plant src/train/loop.c
expect_caught "a file of 601 lines" 'loop.c: .*601 lines'
lines 81 | plant src/main.c
expect_caught "a main file of 81 lines" 'main.c: .*81 lines'
lines 121 | plant src/train/step.c
expect_caught "a step of 121 lines" 'step.c: .*121 lines'
printf '//%0100d\n' 0 | plant include/nn/ops.h
expect_caught "a line of 102 columns" 'ops.h:1: .*102 columns'
plant src/train/loop.c <<<$'void loop(void)\n{\n'"$(lines 58)"$'\n}'
plant tests/unit/umlauts.py <<<"# $(printf 'ä%.0s' {1..98})"
expect_clean "sizes at their bounds"

lint_tree
