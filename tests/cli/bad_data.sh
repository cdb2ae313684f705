#!/usr/bin/env bash
# TEST labels=cli,bad timeout=180
# Data that cannot be trained on: a sentence with file and row, from one rank, and nothing is lost.
source "${TEMPER_SOURCE:?}/tests/support/train.sh"
source "$TEMPER_SOURCE/tests/support/refuse.sh"
mkdir -p runs/bad # a run's folder may be left empty

# bad CODE TEXT FILE [key=value ...]: training on the file is refused.
bad() {
    local code=$1 text=$2 file=$3
    shift 3
    refused "$code" "$text" train recipe.yaml output.folder=runs/bad "data.path=$file" "$@"
    expect_text err "$file"
}

# rows COUNT [ROW LINE]: sound rows for as many ranks, row ROW of the file replaced.
rows() {
    { printf 'Label\tSMS\n'
      for ((i = 2; i <= $1; i++)); do printf '%s\ttext number %d\n' $((i % 2)) "$i"; done
    } | if [ $# = 3 ]; then sed "$2s/.*/$3/"; else cat; fi
}

# the control: sound rows are taken
rows 200 >good.tsv
expect_exit 0 "$TEMPER" prepare recipe.yaml data.path=good.tsv
expect_failure bad 1 "" good.tsv
rm -r runs/bad && mkdir runs/bad

bad 2 "data.path none.tsv: No such file" none.tsv
mkdir nothing && touch nothing/readme.txt
bad 2 "holds no file that ends in .csv, .tsv or .jsonl" nothing
mkfifo pipe.tsv
bad 2 "data.path pipe.tsv: not a regular file" pipe.tsv
mkdir pipes && cp good.tsv pipes/a.tsv && mkfifo pipes/b.tsv
bad 1 "pipes/b.tsv: not a regular file" pipes
: >empty.tsv
bad 1 "empty.tsv is empty" empty.tsv
head -n 1 good.tsv >header.tsv
bad 1 "header.tsv is empty: it holds no row" header.tsv
cp good.tsv good.dat
bad 2 "end it in .csv, .tsv or .jsonl, or set data.delimiter" good.dat
iconv -t UTF-16 good.tsv >wide.tsv
bad 1 "wide.tsv is UTF-16: convert it to UTF-8 first" wide.tsv

# columns
bad 2 "no column 'Text' (data.text); its columns are: Label, SMS" good.tsv data.text=Text
bad 2 "no column 'Lable' (data.label); its columns are: Label, SMS; did you mean 'Label'?" \
    good.tsv data.label=Lable
bad 2 "no column '' (data.text); its columns are: Label, SMS" good.tsv data.text=
bad 2 "no column '' (data.label); its columns are: Label, SMS" good.tsv data.label=
bad 2 "no column '3' (data.text)" good.tsv data.text=3 data.header=false data.label=1
rows 200 150 'only one' >narrow.tsv
bad 1 "narrow.tsv: row 150 has 1 column where the header has 2" narrow.tsv
rows 200 199 'a\tb\tc' >broad.tsv
bad 1 "broad.tsv: row 199 has 3 columns where the header has 2" broad.tsv
rows 200 120 '1\t"open' | tr '\t' , >open.csv
bad 1 "open.csv: a quote opened in row 120 is not closed" open.csv
# the first few of many, and how many there are
rows 200 | sed 's/.*number [34]0/one/' >narrower.tsv
messages=2 bad 1 "narrower.tsv: row 30 has 1 column where the header has 2" narrower.tsv
expect_text err "narrower.tsv: row 40 has 1 column"
rows 200 | sed '100,150s/.*/one/' >ruined.tsv
messages=4 alone=true bad 1 "ruined.tsv: row 102 has 1 column" ruined.tsv
expect_text err "51 rows are wrong, these among them"
messages=4 bad 1 "51 rows are wrong, these among them" ruined.tsv
for i in {1..90}; do echo "{\"SMS\": \"text $i\", \"Label\": $((i % 2))}"; done >good.jsonl
sed '70s/.*/{"SMS": "text"/' good.jsonl >torn.jsonl
bad 1 "torn.jsonl:70: column " torn.jsonl
sed '70s/SMS/Sms/' good.jsonl >member.jsonl
bad 1 "member.jsonl:70: the object has no member 'SMS' (data.text)" member.jsonl

# labels
bad 2 "data.text and data.label are the same column 'SMS'" good.tsv data.label=SMS
bad 2 "data.text and data.label are the same column '2'" good.tsv data.label=2
bad 2 "data.text and data.label are the same member 'SMS'" good.jsonl data.label=SMS
expect_exit 0 "$TEMPER" validate recipe.yaml data.path=good.tsv data.text=Label data.label=SMS \
    data.split.validation=0 data.split.test=0
expect_text err "warning: 199 of 199 labels occur once: is data.label=SMS the column of the label?"
expect_text out "and 179 more labels"
expect_exit 0 "$TEMPER" prepare recipe.yaml data.path=good.tsv data.text=Label data.label=SMS \
    data.split.validation=0 data.split.test=0
expect_text out "and 179 more labels"
[ "$(grep -c "^  label" "$work/out")" = 20 ] || fail "not 20 labels: $(cat "$work/out")"
rows 200 100 '\tno label' >blank.tsv
bad 1 "blank.tsv: the label of row 100 is empty (data.label)" blank.tsv
rows 200 | sed 's/^[01]/0/' >single.tsv
bad 1 "all rows have the same label '0'" single.tsv
rows 60 50 '01\tunseen' >unseen.tsv
refused 1 "unseen.tsv: the label '01' of row 50 is not one of training; did you mean '0'?" \
    train recipe.yaml output.folder=runs/bad data.path=good.tsv data.split.test=unseen.tsv
refused 2 "data.split.validation none.tsv: No such file" train recipe.yaml \
    output.folder=runs/bad data.path=good.tsv data.split.validation=none.tsv

# invalid UTF-8 is replaced, counted and reported, once
rows 200 80 '1\tbad \xff and \xc3( here' >bytes.tsv
for launcher in "" "${launch[*]} -n 3"; do
    rm -f runs/prepared-*
    expect_exit 0 $launcher "$TEMPER" prepare recipe.yaml data.path=bytes.tsv </dev/null
    [ "$(grep -c "bytes.tsv: .*UTF-8.* 2 " "$work/err")" = 1 ] || fail "not reported once:
$(cat "$work/err")"
    expect_text out "ill-formed            2"
done

# a damaged data set is made again from the data
file=$(ls runs/prepared-*.h5)
python3 "$TEMPER_SOURCE/tests/support/damage.py" half "$file"
expect_exit 0 ranks 3 "$TEMPER" prepare recipe.yaml data.path=bytes.tsv
[ "$(grep -c "^warning: $file.*made again" "$work/err")" = 1 ] || fail "not reported once:
$(cat "$work/err")"
expect_exit 0 "$TEMPER" inspect "$file" --validate

# more ranks than leaves
expect_exit 2 timeout 30 "${launch[@]}" -n 3 "$TEMPER" train recipe.yaml \
    output.folder=runs/bad train.leaves=2 </dev/null
expect_text err "3 ranks are more than the 2 leaves of a step: start at most 2 ranks"
[ "$(grep -c '^temper: ' "$work/err")" = 1 ] || fail "not once: $(cat "$work/err")"
expect_exit 2 timeout 30 "${launch[@]}" -n 2 "$TEMPER" train recipe.yaml \
    output.folder=runs/bad train.leaves=1 </dev/null
expect_text err "2 ranks are more than the 1 leaf of a step: start at most 1 rank, give"
