#!/usr/bin/env bash
# TEST labels=layers timeout=60
# A file includes headers of lower levels and of its own folder; each outside library has one door.
source "$(dirname "$0")/support.bash"

# Reads "file:line:#include ..." with paths relative to the root.
judge_includes() {
    awk -F: '
        BEGIN {
            split("base 0 comm 1 linalg 2 nn 3 store 2 token 3 model 4 data 4 train 6 infer 5" \
                  " report 5 cli 7", words, " ")
            for (i = 1; i in words; i += 2) level[words[i]] = words[i + 1]
            split("mpi.h ^(src/comm/|include/comm/handle\\.h$) comm/handle.h ^src/comm/" \
                  " cblas.h ^src/linalg/gemm\\.c$ hdf5.h ^src/store/h5\\.c$ yaml.h ^src/store/" \
                  " jansson.h ^src/store/ utf8proc.h ^src/token/", words, " ")
            for (i = 1; i in words; i += 2) door[words[i]] = words[i + 1]
        }
        {
            file = $1
            split(file, part, "/")
            mine = file == "src/main.c" ? 8 : level[part[2]]
            if (mine == "") report($2, "the folder " part[2] " has no level")
            header = $3
            gsub(/^[^<"]*[<"]|[>"].*$/, "", header)
            if (header in door && file !~ door[header]) report($2, header " is not for this file")
            if (header == "xxhash.h" && !(file in hashers) && hashers[file] = ++hashing > 1)
                report($2, header " has a door already")
            if ($3 !~ /"/ || header ~ /^(build_info|embedded_schemas|embedded_job)\.h$/) next
            if (header !~ /\//) { report($2, "write \"folder/" header "\""); next }
            split(header, other, "/")
            if (!(other[1] in level)) report($2, header " is in no layer")
            else if (other[1] != part[2] && level[other[1]] >= mine)
                report($2, header " is on level " level[other[1]] ", this file on " mine)
        }
        function report(line, what) { print file ":" line ": " what; found = 1 }
        END { exit found }'
}

check() {
    (cd "$1" && find src include -name '*.[ch]' -exec grep -nHE '^ *# *include' {} +) |
        judge_includes
}

mkdir -p "$scratch/tree/include"
echo '#include "train/step.h"' | plant src/nn/linear.c
mkdir -p "$scratch/tree/include"
expect_caught "an include of a higher level" 'linear.c:1: train/step.h is on level 6, .* on 3'
echo '#include "store/json.h"' | plant include/linalg/tensor.h
mkdir -p "$scratch/tree/src"
expect_caught "an include sideways" 'tensor.h:1: store/json.h is on level 2'
for row in mpi.h:nn/tape comm/handle.h:nn/tape cblas.h:linalg/solve hdf5.h:store/schema \
    yaml.h:cli/help jansson.h:token/bpe utf8proc.h:data/reader; do
    mkdir -p "$scratch/tree/include"
    echo "#include <${row%:*}>" | plant "src/${row#*:}.c"
    expect_caught "${row%:*} outside its door" "${row%:*} is not for this file"
done
mkdir -p "$scratch/tree/include"
plant src/store/h5.c <<<$'#include "store/h5.h"\n#include <hdf5.h>\n#include "comm/agree.h"'
expect_clean "good includes"

lint_tree
