/// CSV, TSV, JSONL and lines: the first byte chooses the format, the second where the rest is cut.
/// Both halves together must give what the whole gives.
#include "base/mem.h"
#include "data/source.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct {
    const char *name, *text, *pair, *label, *header;
} kinds[] = {
    { "a.csv", "text", "", "label", "auto" }, { "a.csv", "2", "1", "1", "auto" },
    { "a.csv", "1", "", "1", "true" },        { "a.tsv", "1", "", "2", "auto" },
    { "a.tsv", "text", "", "label", "auto" }, { "a.jsonl", "text", "pair", "label", "auto" },
    { "a.txt", "text", "", "label", "auto" },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/// The records of a range, in a form that tells them apart.
static Status append_records(Text *out, const Source *source, const Input *input, int64_t first,
                             int64_t end, Place place)
{
    Status status = OK;
    Record record = { 0 };
    Reader *reader = reader_new(input, &source->files->format, first, end, place);
    for (bool more = true;;) {
        TRY(record_read(&record, &more, reader, source, source->files));
        if (!more) break;
        text_printf(out, "%lld %lld", (long long)record.row, (long long)record.ill_formed);
        for (Column column = 0; column < COLUMN_COUNT; column++) {
            Field field = record.fields[column];
            text_printf(out, " %zu:", field.data ? field.bytes : SIZE_MAX);
            if (field.data) text_append_bytes(out, field.data, field.bytes);
        }
    }
done:
    reader_free(reader);
    record_release(&record);
    return status;
}

static void compare(const Source *source, double share)
{
    const SourceFile *file = source->files;
    Text whole = { 0 }, halves = { 0 };
    Input input;
    Passage passage;
    Place place = source_first_place(file);
    CHECK(source_input(&input, source, 0) == OK, "%s", status_message());
    int64_t cut = file->first + (int64_t)(share * (double)(file->bytes - file->first));
    Status at_once = append_records(&whole, source, &input, file->first, file->bytes, place);
    Status first = append_records(&halves, source, &input, file->first, cut, place);
    CHECK(reader_scan(&passage, &input, &file->format, file->first, cut) == OK, "scan");
    place_pass(&place, &passage);
    Status second = OK;
    if (first == OK) second = append_records(&halves, source, &input, cut, file->bytes, place);
    CHECK(at_once == (first != OK ? first : second), "the halves end otherwise than the whole");
    CHECK(!strcmp(text_chars(&whole), text_chars(&halves)) &&
              whole.length_bytes == halves.length_bytes,
          "the halves differ from the whole");
    text_release(&halves);
    text_release(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2) return 0;
    DataOptions options = { .max_length = 8, .delimiter = "auto", .quote = "auto" };
    int kind = data[0] % KINDS;
    strcpy(options.text, kinds[kind].text);
    strcpy(options.text_pair, kinds[kind].pair);
    strcpy(options.label, kinds[kind].label);
    strcpy(options.header, kinds[kind].header);
    SourceFile file = { .bytes = (int64_t)bytes - 2 };
    strcpy(file.path, kinds[kind].name);
    Source source = { .files = &file, .count = 1, .options = &options, .use = SOURCE_TEXTS };
    source.memory = mem_copy(data + 2, bytes - 2); // of its own, so that its ends are guarded
    if (source_describe(&file, &source) == OK) compare(&source, data[1] / 255.0);
    mem_free(source.memory);
    CHECK(mem_live_blocks() == 0, "%lld blocks in use", (long long)mem_live_blocks());
    return 0;
}
