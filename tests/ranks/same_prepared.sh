#!/usr/bin/env bash
# TEST labels=data,train timeout=300
# The prepared file is the same for every rank count, on shares of the rows that memory does not
# hold: on 8 ranks the scratch files of tokens and of 4 and 8 bytes a row are in use, on 3 and fewer
# those of a byte a row too.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"

{
    printf 'text,label\n'
    seq 900000 | sed 's/.*/&,l&/; s/,l.*\(.\)$/,\1/'
} >many.csv
[ "$(sed -n 8p many.csv)" = 7,7 ] || fail "not what was meant: $(sed -n 8p many.csv)"
settings=(data.path=many.csv data.text=text data.label=label)

expect_exit 0 "$TEMPER" prepare recipe.yaml "${settings[@]}" output.folder=on-1/run
expect_text out ": 900000 rows, "
for count in 2 3 4 8; do
    expect_exit 0 ranks $count "$TEMPER" prepare recipe.yaml "${settings[@]}" \
        output.folder=on-$count/run
    expect_exit 0 "$TEMPER" compare on-1/prepared-*.h5 on-$count/prepared-*.h5
    [ "$(ls -A on-$count)" = "$(ls -A on-1)" ] || fail "left: $(ls -A on-$count)"
done
expect_exit 0 "$TEMPER" inspect --validate on-8/prepared-*.h5

# the control: another seed is another split, which compare finds
expect_exit 0 "$TEMPER" prepare recipe.yaml "${settings[@]}" output.folder=other/run \
    data.split.seed=1
expect_exit 1 "$TEMPER" compare on-1/prepared-*.h5 other/prepared-*.h5
expect_text out "splits: "
