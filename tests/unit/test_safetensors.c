/* TEST labels=store timeout=60 */
#include "base/mem.h"
#include "base/text.h"
#include "comm/comm.h"
#include "store/json.h"
#include "store/safetensors.h"
#include "support/check.h"
#include "support/folder.h"

/// A file of this header and so many zero data bytes.
static const char *make_file(const char *name, const char *header, size_t data_bytes)
{
    Text text = { 0 };
    const char *path = folder_path(name);
    uint64_t length = strlen(header);
    for (int i = 0; i < 8; i++) {
        char byte = (char)(length >> (8 * i));
        text_append_bytes(&text, &byte, 1);
    }
    text_append(&text, header);
    for (size_t i = 0; i < data_bytes; i++) text_append_bytes(&text, "\0", 1);
    CHECK_EQ(text_write_file(path, text.data, text.length_bytes), OK);
    text_release(&text);
    return path;
}

#define ENTRY(name, dtype, shape, begin, end)                                                      \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end \
    "]}"

static const struct {
    const char *header;
    size_t data_bytes;
    const char *message; ///< NULL: readable
} headers[] = {
    { "{}", 0, NULL },
    { "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("a", "F32", "[2]", 0, 8) "}    ", 8, NULL },
    { "{" ENTRY("b", "F32", "[1]", 8, 12) "," ENTRY("a", "F32", "[2]", 0, 8) "}", 12, NULL },
    { "{" ENTRY("a", "F32", "[]", 0, 4) "," ENTRY("e", "F32", "[0, 3]", 4, 4) "}", 4, NULL },
    { "{" ENTRY("a", "F4", "[4]", 0, 2) "}", 2, NULL },
    { "{" ENTRY("a", "F32", "[2]", 0, 8) "}", 7, "tensor a ends at byte 8" },
    { "{" ENTRY("a", "F32", "[2]", 0, 8) "}", 9, "1 bytes after the last tensor" },
    { "{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[2]", 4, 12) "}", 12,
      "tensor b at byte 4 of the data overlaps" },
    { "{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("b", "F32", "[1]", 12, 16) "}", 16,
      "tensor b at byte 12 of the data leaves a hole" },
    { "{" ENTRY("a", "F32", "[1]", 4, 8) "}", 8, "leaves a hole" },
    { "{" ENTRY("a", "F32", "[3]", 0, 8) "}", 8, "its shape of F32 needs 12" },
    { "{" ENTRY("a", "F4", "[3]", 0, 1) "}", 1, "its shape of F4 needs" },
    { "{" ENTRY("a", "F33", "[2]", 0, 8) "}", 8, "unknown type 'F33'" },
    { "{" ENTRY("a", "F32", "[-2]", 0, 8) "}", 8, "no valid shape" },
    { "{" ENTRY("a", "F32", "2", 0, 8) "}", 8, "no valid shape" },
    { "{" ENTRY("a", "F32", "[4611686018427387904, 4611686018427387904]", 0, 0) "}", 0,
      "no valid shape" },
    { "{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,2]", 0, 8) "}", 8, "no valid shape" },
    { "{" ENTRY("a", "F32", "[2]", 8, 0) "}", 8, "no valid data_offsets" },
    { "{" ENTRY("a", "F32", "[2]", -8, 0) "}", 8, "no valid data_offsets" },
    { "{" ENTRY("a", "F32", "[2]", 0, 9223372036854775807) "}", 8, "tensor a ends at byte" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "no valid data_offsets" },
    { "{\"a\":3}", 8, "unknown type ''" },
    { "{" ENTRY("a", "F32", "[2]", 0, 8) "," ENTRY("a", "F32", "[2]", 0, 8) "}", 8, "duplicate" },
    { "{" ENTRY("a", "F32", "[2]", 0, 8), 8, "column 53" },
    { " {}", 0, "no JSON object" },
    { "[]", 0, "no JSON object" },
};

static void checks_headers_completely(void)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const char *path = make_file("h.safetensors", headers[i].header, headers[i].data_bytes);
        Safetensors *file;
        Status status = safetensors_open(&file, path);
        if (!headers[i].message != (status == OK) ||
            (status != OK && !strstr(status_message(), headers[i].message)))
            check_failed(__FILE__, __LINE__, "%s: %s", headers[i].header,
                         status == OK ? "accepted" : status_message());
        if (status != OK) CHECK_TRUE(strstr(status_message(), "h.safetensors"));
        safetensors_close(file);
    }
}

static void refuses_wrong_lengths(void)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *message;
    } files[] = {
        { "", 0, "not a safetensors file" },
        { "\x02\0\0\0\0\0\0", 7, "not a safetensors file" },
        { "\x03\0\0\0\0\0\0\0{}", 10, "needs 3 bytes but the file ends after 2" },
        { "\0\0\0\0\0\0\0\x80{}", 10, "its header would have" },
        { "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}", 10, "its header would have" },
        { "\0\0\0\0\0\0\0\0", 8, "no JSON object" },
        { "PK\x03\x04 a zip file", 15, "its header would have" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Safetensors *file;
        CHECK_EQ(text_write_file(folder_path("l"), files[i].bytes, files[i].count), OK);
        CHECK_EQ(safetensors_open(&file, folder_path("l")), FAILED);
        if (!strstr(status_message(), files[i].message))
            check_failed(__FILE__, __LINE__, "%s", status_message());
    }
    Safetensors *file;
    CHECK_EQ(safetensors_open(&file, folder_path("absent")), FAILED);
    CHECK_EQ(safetensors_open(&file, folder_path(".")), FAILED);
    CHECK_TRUE(strstr(status_message(), "neither model.safetensors nor"));
}

static void converts_every_half(void)
{
    enum { COUNT = 65536 };
    const char *header = "{" ENTRY("b", "BF16", "[65536]", 131072, 262144) "," ENTRY(
        "h", "F16", "[256, 256]", 0, 131072) "," ENTRY("d", "F64", "[1]", 262144, 262152) "}";
    const char *path = make_file("half", header, 0);
    FILE *stream = fopen(path, "ab");
    for (int group = 0; group < 2; group++)
        for (int i = 0; i < COUNT; i++) fputc(i & 255, stream), fputc(i >> 8, stream);
    fwrite(&(double){ 0.1 }, 8, 1, stream);
    fclose(stream);
    Safetensors *file;
    float *out = MEM_NEW(float, COUNT);
    CHECK_EQ(safetensors_open(&file, path), OK);
    CHECK_EQ(safetensors_read(out, file, safetensors_find(file, "h"), 0, COUNT), OK);
    for (int i = 0; i < COUNT; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        double value = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        if (exponent == 31)
            CHECK_TRUE(fraction ? isnan(out[i]) : isinf(out[i]));
        else
            CHECK_TRUE(out[i] == (float)(i >> 15 ? -value : value));
        CHECK_EQ(!signbit(out[i]), !(i >> 15));
    }
    CHECK_EQ(safetensors_read(out, file, safetensors_find(file, "b"), 0, COUNT), OK);
    for (int i = 0; i < COUNT; i++) {
        uint32_t bits;
        memcpy(&bits, &out[i], 4);
        CHECK_EQ(bits, (uint32_t)i << 16);
    }
    CHECK_EQ(safetensors_read(out, file, safetensors_find(file, "b"), 65535, 1), OK);
    CHECK_EQ(safetensors_read(out, file, safetensors_find(file, "b"), 65535, 2), FAILED);
    CHECK_EQ(safetensors_read(out, file, safetensors_find(file, "d"), 0, 1), OK);
    CHECK_TRUE(out[0] == 0.1f);
    safetensors_close(file);
    mem_free(out);
}

static void refuses_other_types_by_name(void)
{
    float out[8];
    Safetensors *file;
    const char *path = make_file("ints", "{" ENTRY("ids", "I64", "[1]", 0, 8) "}", 8);
    CHECK_EQ(safetensors_open(&file, path), OK);
    CHECK_EQ(safetensors_read(out, file, safetensors_at(file, 0), 0, 1), FAILED);
    CHECK_TRUE(strstr(status_message(), "tensor ids has type I64"));
    safetensors_close(file);
}

static Status pull_numbers(float *out, const SafetensorsInfo *info, int64_t first, int64_t count,
                           void *context)
{
    const char *refused = context;
    if (refused && !strcmp(info->name, refused)) return status_fail(FAILED, "no %s", refused);
    for (int64_t i = 0; i < count; i++) out[i] = (float)(first + i) + (float)info->name[0] / 256;
    return OK;
}

static const SafetensorsInfo written[] = {
    { .name = "w", .rank = 2, .dims = { 700, 1000 }, .elements = 700000 },
    { .name = "bias \"quoted\"", .rank = 1, .dims = { 3 }, .elements = 3 },
    { .name = "none", .rank = 2, .dims = { 0, 4 } },
    { .name = "scalar", .elements = 1 },
};
enum { WRITTEN = sizeof written / sizeof *written };

static void reads_back_what_it_writes(void)
{
    const char *path = folder_path("w.safetensors");
    Safetensors *file;
    float *out = MEM_NEW(float, 700000), *expected = MEM_NEW(float, 700000);
    CHECK_EQ(safetensors_write(path, written, WRITTEN, pull_numbers, NULL), OK);
    CHECK_EQ(folder_count("partial"), 0);
    CHECK_EQ(safetensors_open(&file, path), OK);
    CHECK_EQ(safetensors_count(file), WRITTEN);
    CHECK_TEXT(safetensors_metadata(file, "format"), "pt");
    CHECK_TRUE(!safetensors_metadata(file, "absent"));
    CHECK_EQ(safetensors_file_count(file), 1);
    CHECK_TEXT(safetensors_file_path(file, 0), path);
    CHECK_TEXT(safetensors_at(file, 0)->name, "bias \"quoted\"");
    CHECK_TRUE(!safetensors_find(file, "ww"));
    for (int i = 0; i < WRITTEN; i++) {
        const SafetensorsInfo *info = safetensors_find(file, written[i].name);
        CHECK_EQ(info->rank, written[i].rank);
        CHECK_EQ(info->elements, written[i].elements);
        CHECK_EQ(safetensors_bytes(info), 4 * written[i].elements);
        CHECK_EQ(safetensors_read(out, file, info, 0, info->elements), OK);
        pull_numbers(expected, info, 0, info->elements, NULL);
        CHECK_TRUE(!memcmp(out, expected, (size_t)info->elements * sizeof *out));
    }
    CHECK_EQ(safetensors_read(out, file, safetensors_find(file, "w"), 654321, 5), OK);
    CHECK_TRUE(out[4] == 654325 + (float)'w' / 256);
    safetensors_close(file);
    char *bytes;
    CHECK_EQ(text_read_file(&bytes, NULL, path), OK);
    CHECK_EQ((unsigned char)bytes[0] % 8, 0);
    mem_free(bytes);
    mem_free(expected);
    mem_free(out);
}

static void keeps_the_older_file_when_it_fails(void)
{
    const char *path = folder_path("w.safetensors");
    Safetensors *file;
    CHECK_EQ(safetensors_write(path, written, WRITTEN, pull_numbers, "w"), FAILED);
    CHECK_TEXT(status_message(), "no w");
    CHECK_EQ(folder_count("partial"), 0);
    CHECK_EQ(safetensors_open(&file, path), OK);
    CHECK_EQ(safetensors_count(file), WRITTEN);
    safetensors_close(file);
    CHECK_EQ(safetensors_write(folder_path("absent/x"), written, 1, pull_numbers, NULL), FAILED);
}

static void reads_shards(void)
{
    static const struct {
        const char *index, *message;
    } indexes[] = {
        { "{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\",\"c\":\"s1\"}}", NULL },
        { "{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\"}}", "tensor c of" },
        { "{\"weight_map\":{\"a\":\"s2\",\"b\":\"s2\",\"c\":\"s1\"}}", "tensor a is not in s2" },
        { "{\"weight_map\":{\"a\":\"s1\",\"b\":\"s2\",\"c\":\"s1\",\"d\":\"s1\"}}",
          "tensor d is not in s1" },
        { "{\"weight_map\":{\"a\":\"s1\",\"b\":\"s3\"}}", "s3: No such file" },
        { "{\"weight_map\":{\"a\":\"../s1\"}}", "is no file name" },
        { "{\"weight_map\":{\"a\":7}}", "is no file name" },
        { "{}", "has no weight_map" },
    };
    make_file("s1", "{" ENTRY("a", "F32", "[1]", 0, 4) "," ENTRY("c", "F32", "[1]", 4, 8) "}", 8);
    make_file("s2", "{" ENTRY("b", "F32", "[2]", 0, 8) "}", 8);
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        Safetensors *file;
        const char *text = indexes[i].index;
        CHECK_EQ(text_write_file(folder_path("model.safetensors.index.json"), text, strlen(text)),
                 OK);
        Status status = safetensors_open(&file, folder_path("."));
        if (!indexes[i].message != (status == OK) ||
            (status != OK && !strstr(status_message(), indexes[i].message)))
            check_failed(__FILE__, __LINE__, "%s: %s", text,
                         status == OK ? "accepted" : status_message());
        if (status == OK) {
            float out[2] = { 1, 1 };
            CHECK_EQ(safetensors_count(file), 3);
            CHECK_EQ(safetensors_file_count(file), 2);
            CHECK_EQ(safetensors_read(out, file, safetensors_find(file, "b"), 0, 2), OK);
            CHECK_TRUE(out[1] == 0);
        }
        safetensors_close(file);
    }
}

static void frees_all_blocks(void)
{
    Comm self = comm_self();
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "checks headers completely", checks_headers_completely },
    { "refuses wrong lengths", refuses_wrong_lengths },
    { "converts every half", converts_every_half },
    { "refuses other types by name", refuses_other_types_by_name },
    { "reads back what it writes", reads_back_what_it_writes },
    { "keeps the older file when it fails", keeps_the_older_file_when_it_fails },
    { "reads shards", reads_shards },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    Comm self = comm_self();
    folder_make(&self);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
