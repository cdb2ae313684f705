/* TEST labels=data timeout=60 */
#include "base/mem.h"
#include "base/text.h"
#include "data/reader.h"
#include "support/check.h"

static const Format csv = { FORMAT_DELIMITED, ',', '"', false };
static const Format tsv = { FORMAT_DELIMITED, '\t', '\0', false };
static const Format semicolons = { FORMAT_DELIMITED, ';', '\'', false };
static const Format jsonl = { .kind = FORMAT_JSONL };
static const Format lines = { .kind = FORMAT_LINES };

/// Records are written as "row(field|field)".
static const struct {
    const Format *format;
    const char *input, *expected;
} rows[] = {
    { &csv, "", "" },
    { &csv, "a,b\nc,d\n", "1(a|b)2(c|d)" },
    { &csv, "a,b\nc,d", "1(a|b)2(c|d)" },
    { &csv, "a,b\r\nc,d\r\n", "1(a|b)2(c|d)" },
    { &csv,
      "\xEF\xBB\xBF"
      "a,b\nc,d",
      "1(a|b)2(c|d)" },
    { &csv, "\xEF\xBB\xBF\"a\",b", "1(a|b)" },
    { &csv, ",\n,,\n", "1(|)2(||)" },
    { &csv, "\"a,b\",c\n", "1(a,b|c)" },
    { &csv, "\"a\nb\",c\nd,e\n", "1(a\nb|c)2(d|e)" },
    { &csv, "\"a\r\nb\r\",c\r\nd,\"e\"\r\n", "1(a\r\nb\r|c)2(d|e)" },
    { &csv, "\"say \"\"hi\"\"\",\"\"\"\"\n", "1(say \"hi\"|\")" },
    { &csv, "\"\",\"\"\n\"\"\n", "1(|)2()" },
    { &csv, "\"\"\r\na\n", "1()2(a)" },
    { &csv, "a\n\n\r\nb\n", "1(a)4(b)" },
    { &csv, "a\"b,c\"\"d\n", "1(a\"b|c\"\"d)" },
    { &csv, "\"a\"b,\"c\"\"d\"e\n", "1(ab|c\"de)" },
    { &csv, "a\"b,c\nd\"\",e\nf\n", "1(a\"b|c)2(d\"\"|e)3(f)" },
    { &csv, "a,\"b\r\"\nc\n", "1(a|b\r)2(c)" },
    { &csv, "a\rb,\"c\rd\"\n", "1(a\rb|c\rd)" },
    { &csv, " \"a\" ,b\n", "1( \"a\" |b)" },
    { &csv, "\"\n\",\"\n\n\"\n\"\"\"\n\"\"\"\n", "1(\n|\n\n)2(\"\n\")" },
    { &csv, "caf\xC3\xA9,\xFF\xFF\n", "1(caf\xC3\xA9|\xFF\xFF)" },
    { &tsv, "ham\t\"so what\nspam\tdon't \"\"\n", "1(ham|\"so what)2(spam|don't \"\")" },
    { &tsv, "a,b\tc\r\n\r\nd\t\n", "1(a,b|c)3(d|)" },
    { &semicolons, "'a;b';c\n'it''s';\"d\n", "1(a;b|c)2(it's|\"d)" },
    { &jsonl, "{\"a\": 1}\n \t\r\n{}\n", "1({\"a\": 1})3({})" },
    { &lines, "a, \"b\n\n\nc\r\n", "1(a, \"b)2()3()4(c)" },
    { &lines, "\n", "1()" },
    { &lines, "a\n\n", "1(a)2()" },
};
enum { ROWS = sizeof rows / sizeof *rows };

static void append_records(Text *out, const Input *input, const Format *format, int64_t first,
                           int64_t end, Place place)
{
    Reader *reader = reader_new(input, format, first, end, place);
    Status status;
    for (bool more;;) {
        status = reader_next(reader, &more);
        CHECK_EQ(status, OK);
        if (status != OK || !more) break;
        text_printf(out, "%lld(", (long long)reader_row(reader));
        for (int64_t i = 0; i < reader_field_count(reader); i++) {
            Field field = reader_field(reader, i);
            CHECK_EQ(field.data[field.bytes], '\0');
            if (i) text_append(out, "|");
            text_append_bytes(out, field.data, field.bytes);
        }
        text_append(out, ")");
    }
    reader_free(reader);
}

/// The records of all ranges between the cuts, each read alone.
static void read_cut(Text *out, const Input *input, const Format *format, const int64_t *cuts,
                     int count)
{
    Place place = { 0 };
    text_clear(out);
    text_append(out, "");
    for (int i = 0; i + 1 < count; i++) {
        Passage passage;
        append_records(out, input, format, cuts[i], cuts[i + 1], place);
        CHECK_EQ(reader_scan(&passage, input, format, cuts[i], cuts[i + 1]), OK);
        place_pass(&place, &passage);
    }
}

static Input input_of_row(int i)
{
    Input input = input_of_memory("test", rows[i].input, strlen(rows[i].input));
    CHECK_EQ(input_skip_mark(&input), OK);
    return input;
}

static void records_are_as_expected(void)
{
    Text got = { 0 };
    for (int i = 0; i < ROWS; i++) {
        Input input = input_of_row(i);
        read_cut(&got, &input, rows[i].format, (int64_t[]){ input.first, input.bytes }, 2);
        CHECK_TEXT(got.data, rows[i].expected);
    }
    text_release(&got);
}

static void any_cut_gives_the_same_records(void)
{
    Text got = { 0 };
    for (int i = 0; i < ROWS; i++) {
        Input input = input_of_row(i);
        for (int64_t a = input.first; a <= input.bytes; a++) {
            for (int64_t b = a; b <= input.bytes; b++) {
                int64_t cuts[] = { input.first, a, b, input.bytes };
                read_cut(&got, &input, rows[i].format, cuts, 4);
                CHECK_TEXT(got.data, rows[i].expected);
            }
        }
    }
    text_release(&got);
}

static void many_ranges_give_the_same_records(void)
{
    Text got = { 0 };
    for (int i = 0; i < ROWS; i++) {
        Input input = input_of_row(i);
        for (int ranges = 1; ranges <= 8; ranges++) {
            int64_t cuts[9], bytes = input.bytes - input.first;
            for (int r = 0; r <= ranges; r++) cuts[r] = input.first + bytes * r / ranges;
            read_cut(&got, &input, rows[i].format, cuts, ranges + 1);
            CHECK_TEXT(got.data, rows[i].expected);
        }
    }
    text_release(&got);
}

/// Records around the size of the reader's buffer, which they cross at every offset.
static void records_cross_the_buffer(void)
{
    const size_t buffer_bytes = 1 << 20;
    Text text = { 0 };
    for (size_t shift = 0; shift < 12; shift++) {
        text_clear(&text);
        while (text.length_bytes < buffer_bytes - shift) text_append(&text, "x");
        text_append(&text, ",\"a\"\"\r\nb\"\r\nc,d\n");
        Input input = input_of_memory("test", text.data, text.length_bytes);
        Reader *reader = reader_new(&input, &csv, 0, input.bytes, (Place){ 0 });
        bool more;
        CHECK_EQ(reader_next(reader, &more), OK);
        CHECK_EQ(reader_field_count(reader), 2);
        CHECK_EQ(reader_field(reader, 0).bytes, buffer_bytes - shift);
        CHECK_TEXT(reader_field(reader, 1).data, "a\"\r\nb");
        CHECK_EQ(reader_next(reader, &more), OK);
        CHECK_TEXT(reader_field(reader, 1).data, "d");
        CHECK_EQ(reader_offset(reader), input.bytes);
        reader_free(reader);
    }
    text_release(&text);
}

static void open_quote_names_its_row(void)
{
    const char *text = "a,b\nc,d\n\ne,\"f\ng,h\ni,j\n";
    Input input = input_of_memory("test.csv", text, strlen(text));
    for (int64_t cut = 0; cut <= input.bytes; cut++) {
        Place place = { 0 };
        Passage passage;
        CHECK_EQ(reader_scan(&passage, &input, &csv, 0, cut), OK);
        place_pass(&place, &passage);
        int failures = 0;
        for (int part = 0; part < 2; part++) {
            Reader *reader = part ? reader_new(&input, &csv, cut, input.bytes, place)
                                  : reader_new(&input, &csv, 0, cut, (Place){ 0 });
            Status status = OK;
            for (bool more = true; more && status == OK;) status = reader_next(reader, &more);
            failures += status == FAILED;
            reader_free(reader);
        }
        CHECK_EQ(failures, 1);
        CHECK_TRUE(strstr(status_message(), "test.csv: a quote opened in row 4 is not closed"));
    }
}

static void marks_are_known(void)
{
    Input input = input_of_memory("test",
                                  "\xFF\xFE"
                                  "a\0",
                                  4);
    CHECK_EQ(input_skip_mark(&input), FAILED);
    CHECK_TRUE(strstr(status_message(), "UTF-16"));
    input = input_of_memory("test", "\xEF\xBB", 2);
    CHECK_EQ(input_skip_mark(&input), OK);
    CHECK_EQ(input.first, 0);
}

static void frees_all_blocks(void)
{
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "records are as expected", records_are_as_expected },
    { "any cut gives the same records", any_cut_gives_the_same_records },
    { "many ranges give the same records", many_ranges_give_the_same_records },
    { "records cross the buffer", records_cross_the_buffer },
    { "open quote names its row", open_quote_names_its_row },
    { "marks are known", marks_are_known },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
