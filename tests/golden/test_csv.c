/* TEST labels=data timeout=60 */
#include "base/mem.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/reader.h"
#include "store/json.h"
#include "support/check.h"

#include <stdlib.h>

typedef struct {
    int64_t records, fields;
    Sha256 sha;
} Sum;

static void add_range(Sum *sum, const Input *input, const Format *format, int64_t first,
                      int64_t end, Place place)
{
    Reader *reader = reader_new(input, format, first, end, place);
    char row[24];
    for (bool more; reader_next(reader, &more) == OK && more; sum->records++) {
        snprintf(row, sizeof row, "%lld", (long long)reader_row(reader));
        sha256_add(&sum->sha, row, strlen(row));
        for (int64_t i = 0; i < reader_field_count(reader); i++, sum->fields++) {
            Field field = reader_field(reader, i);
            sha256_add(&sum->sha, "\x1f", 1);
            sha256_add(&sum->sha, field.data, field.bytes);
        }
        sha256_add(&sum->sha, "\x1e", 1);
    }
    reader_free(reader);
}

static void check_file(const char *name, const Json *expected, int ranges)
{
    Text path = { 0 };
    Input input;
    Sum sum = { 0 };
    Place place = { 0 };
    char hex[65];
    Format format = { .kind = FORMAT_DELIMITED };
    format.delimiter = json_text(json_get(expected, "delimiter"), "")[0];
    format.quote = json_text(json_get(expected, "quote"), "")[0];
    text_printf(&path, "%s/../../%s", TEST_FOLDER, name);
    CHECK(input_open(&input, path.data) == OK, "%s", status_message());
    sha256_init(&sum.sha);
    for (int r = 0; r < ranges; r++) {
        Passage passage;
        int64_t first = input.bytes * r / ranges, end = input.bytes * (r + 1) / ranges;
        add_range(&sum, &input, &format, first, end, place);
        CHECK_EQ(reader_scan(&passage, &input, &format, first, end), OK);
        place_pass(&place, &passage);
    }
    sha256_finish(hex, &sum.sha);
    CHECK_EQ(sum.records, json_int(json_get(expected, "records"), 0));
    CHECK_EQ(sum.fields, json_int(json_get(expected, "fields"), 0));
    CHECK_TEXT(hex, json_text(json_get(expected, "sha256"), ""));
    input_close(&input);
    text_release(&path);
}

static void reads_what_python_reads(void)
{
    static const int ranges[] = { 1, 2, 3, 7, 64 };
    Json *values, *expected;
    void *iterator = NULL;
    const char *name;
    CHECK(json_parse_file(&values, TEST_FOLDER "/reader.json") == OK, "%s", status_message());
    CHECK_EQ(json_size(values), 5);
    while (json_next(values, &iterator, &name, &expected))
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
            check_file(name, expected, ranges[i]);
    json_free(values);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = { { "reads what Python reads", reads_what_python_reads } };

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
