#!/usr/bin/env bash
# TEST labels=format timeout=120
# Our C is what clang-format 14 makes of it.
source "$(dirname "$0")/support.bash"

for formatter in clang-format-14 clang-format none; do
    "$formatter" --version 2>/dev/null | grep -q 'version 14\.' && break
done
if [ $formatter = none ]; then
    echo "SKIPPED format: clang-format 14 is not installed (Debian: clang-format-14)" >&2
    exit 77
fi
style=$(realpath "${TEMPER_SOURCE:-.}/.clang-format")

check() {
    (cd "$1" && find src include tests -name '*.[ch]' -print0 2>/dev/null |
        xargs -0 -r "$formatter" --style="file:$style" --dry-run --Werror) && return
    return 1
}

plant src/base/bad.c <<<$'int one(void)\n{\n  return 1;\n}'
expect_caught "an indent of two" 'bad.c:2'
plant src/base/good.c <<<$'int one(void)\n{\n    return 1;\n}'
expect_clean "formatted code"

lint_tree
