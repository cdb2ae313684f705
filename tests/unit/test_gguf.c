/* TEST labels=store timeout=60 */
#include "base/half.h"
#include "base/mem.h"
#include "comm/comm.h"
#include "store/gguf.h"
#include "support/check.h"
#include "support/folder.h"
#include "support/golden.h"
#include "support/scratch.h"

static const char types_path[] = TEST_FOLDER "/../golden/gguf/types.gguf";

/// A file in the making: numbers are little-endian.
static void put(Text *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        char byte = (char)(value >> (8 * i));
        text_append_bytes(out, &byte, 1);
    }
}

static void put_name(Text *out, const char *name)
{
    put(out, strlen(name), 8);
    text_append(out, name);
}

typedef struct {
    const char *name;
    uint32_t rank;
    uint64_t dims[5]; ///< in the order of the file
    uint32_t type;
    uint64_t offset;
} Tensor;

typedef struct {
    const char *message; ///< NULL: readable
    Tensor tensors[2];
    uint64_t data_bytes, alignment;
    uint64_t tensors_said, values_said; ///< beyond those that are there
} Hostile;

static const char *make_file(const Hostile *hostile)
{
    Text text = { 0 };
    int count = 0;
    while (count < 2 && hostile->tensors[count].name) count++;
    text_append(&text, "GGUF");
    put(&text, 3, 4);
    put(&text, (uint64_t)count + hostile->tensors_said, 8);
    put(&text, 1 + hostile->values_said, 8);
    put_name(&text, "general.alignment");
    put(&text, 4, 4);
    put(&text, hostile->alignment ? hostile->alignment : 32, 4);
    for (const Tensor *tensor = hostile->tensors; tensor < hostile->tensors + count; tensor++) {
        put_name(&text, tensor->name);
        put(&text, tensor->rank, 4);
        for (uint32_t d = 0; d < tensor->rank && d < 5; d++) put(&text, tensor->dims[d], 8);
        put(&text, tensor->type, 4);
        put(&text, tensor->offset, 8);
    }
    while (text.length_bytes % 32) put(&text, 0, 1);
    for (uint64_t i = 0; i < hostile->data_bytes; i++) put(&text, 0, 1);
    const char *path = scratch_file(text.data, text.length_bytes);
    text_release(&text);
    return path;
}

enum { F32 = 0, Q8_0 = 8, Q4_K = 12, I8 = 24 };
#define HUGE_SIZE 0x4000000000000000ull

static const Hostile hostiles[] = {
    { NULL, { { "a", 1, { 8 }, F32, 0 } }, 32, 0, 0, 0 },
    { NULL, { { "a", 0, { 0 }, F32, 0 } }, 4, 0, 0, 0 },
    { NULL, { { "a", 2, { 0, HUGE_SIZE }, F32, 0 } }, 0, 0, 0, 0 },
    { NULL, { { "b", 1, { 8 }, F32, 32 }, { "a", 2, { 32, 1 }, Q8_0, 64 } }, 98, 0, 0, 0 },
    { NULL, { { "b", 1, { 2 }, F32, 8 }, { "a", 1, { 2 }, F32, 0 } }, 16, 8, 0, 0 },
    { "tensor a at byte 0 of the data has 32 bytes", { { "a", 1, { 8 }, F32, 0 } }, 31, 0, 0, 0 },
    { "tensor a at byte 32 of the data has 32", { { "a", 1, { 8 }, F32, 32 } }, 63, 0, 0, 0 },
    { "tensor a at byte 18446744073709551584 of", { { "a", 1, { 8 }, F32, -32ull } }, 32, 0, 0, 0 },
    { "tensor a at byte 8 of the data is not aligned to 32",
      { { "a", 1, { 2 }, F32, 8 } },
      32,
      0,
      0,
      0 },
    { "overlaps a", { { "a", 1, { 16 }, F32, 0 }, { "b", 1, { 8 }, F32, 32 } }, 64, 0, 0, 0 },
    { "overlaps b", { { "a", 1, { 8 }, F32, 32 }, { "b", 1, { 16 }, F32, 0 } }, 64, 0, 0, 0 },
    { "tensor a at byte 98 is there twice",
      { { "a", 1, { 8 }, F32, 0 }, { "a", 1, { 8 }, F32, 32 } },
      64,
      0,
      0,
      0 },
    { "tensor a has the unknown type 99 at byte 78", { { "a", 1, { 8 }, 99, 0 } }, 32, 0, 0, 0 },
    { "rows of 33 elements, but Q8_0 comes in blocks of 32",
      { { "a", 2, { 33, 32 }, Q8_0, 0 } },
      9999,
      0,
      0,
      0 },
    { "rows of 128 elements, but Q4_K comes in blocks of 256",
      { { "a", 2, { 128, 2 }, Q4_K, 0 } },
      144,
      0,
      0,
      0 },
    { "tensor a has no valid shape at byte 66",
      { { "a", 5, { 1, 1, 1, 1, 2 }, F32, 0 } },
      32,
      0,
      0,
      0 },
    { "no valid shape", { { "a", 1, { -1ull }, F32, 0 } }, 32, 0, 0, 0 },
    { "no valid shape", { { "a", 2, { HUGE_SIZE, HUGE_SIZE }, F32, 0 } }, 32, 0, 0, 0 },
    { "tensor a at byte 0 of the data has 4503599627370496",
      { { "a", 1, { 1ull << 50 }, F32, 0 } },
      32,
      0,
      0,
      0 },
    { "general.alignment is 24", { { "a", 1, { 8 }, F32, 0 } }, 32, 24, 0, 0 },
    { "general.alignment is 2147483648", { { "a", 1, { 8 }, F32, 0 } }, 32, 1ull << 31, 0, 0 },
    { "name of a tensor at byte 65 is empty", { { "", 1, { 8 }, F32, 0 } }, 32, 0, 0, 0 },
    { "(the list of tensors) do not fit", { { "a", 1, { 8 }, F32, 0 } }, 32, 0, 1ull << 40, 0 },
    { "(the list of tensors) do not fit", { { "a", 1, { 8 }, F32, 0 } }, 32, 0, -2ull, 0 },
    { "(the metadata) do not fit", { { "a", 1, { 8 }, F32, 0 } }, 32, 0, 0, 1ull << 60 },
    { "(the metadata) do not fit", // 13 bytes each are 10 if the product wraps around
      { { "a", 1, { 8 }, F32, 0 } },
      32,
      0,
      0,
      0x13B13B13B13B13B1 },
};

static void expect_refused(const char *path, const char *message)
{
    Gguf *file;
    Status status = gguf_open(&file, path);
    if (!message != (status == OK) || (status != OK && !strstr(status_message(), message)))
        check_failed(__FILE__, __LINE__, "expected %s, got %s", message ? message : "success",
                     status == OK ? "success" : status_message());
    if (status != OK) CHECK_TRUE(strstr(status_message(), path));
    gguf_close(file);
}

static void checks_the_list_of_tensors(void)
{
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++)
        expect_refused(make_file(&hostiles[i]), hostiles[i].message);
}

#define START "GGUF\3\0\0\0" ZERO8 "\1\0\0\0\0\0\0\0"
#define ZERO8 "\0\0\0\0\0\0\0\0"
#define KEY   "\1\0\0\0\0\0\0\0k"
#define TEXT(bytes)                                                                                \
    {                                                                                              \
        bytes, sizeof bytes - 1                                                                    \
    }

static void checks_the_metadata(void)
{
    static const struct {
        struct {
            const char *data;
            size_t bytes;
        } file;
        const char *message;
    } files[] = {
        { TEXT(START KEY "\7\0\0\0\1"), NULL },
        { TEXT(START KEY "\x8\0\0\0\2\0\0\0\0\0\0\0ab"), NULL },
        { TEXT(START KEY "\x9\0\0\0\x8\0\0\0" ZERO8), NULL },
        { TEXT("GGUF\2\0\0\0" ZERO8 ZERO8), NULL },
        { TEXT(""), "too short" },
        { TEXT("GGML\3\0\0\0" ZERO8 ZERO8), "does not begin with GGUF" },
        { TEXT("GGUF\1\0\0\0" ZERO8 ZERO8), "version 1 is not read" },
        { TEXT("GGUF\4\0\0\0" ZERO8 ZERO8), "version 4 is not read" },
        { TEXT("GGUF\0\0\0\3" ZERO8 ZERO8), "big-endian" },
        { TEXT("GGUF\3\0\0\0" ZERO8 "\0\0\0"), "byte 16 (the length of the metadata)" },
        { TEXT(START KEY "\7\0\0\0\2"), "k: the truth value at byte 37 is 2" },
        { TEXT(START KEY "\xD\0\0\0\1"), "k: the type 13 at byte 33 is unknown" },
        { TEXT(START KEY "\x9\0\0\0\x9\0\0\0" ZERO8), "array in an array" },
        { TEXT(START KEY "\x9\0\0\0\x4\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), "an array of" },
        { TEXT(START KEY "\x9\0\0\0\xa\0\0\0\2\0\0\0\0\0\0\0" ZERO8), "a value of the metadata" },
        { TEXT(START KEY "\x9\0\0\0\x8\0\0\0\3\0\0\0\0\0\0\0" ZERO8 ZERO8), "texts of the" },
        { TEXT(START KEY "\x8\0\0\0\3\0\0\0\0\0\0\0ab"), "a text of the metadata" },
        { TEXT(START KEY "\x8\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff_"), "a text of the metadata" },
        { TEXT(START "\xff\xff\xff\xff\xff\xff\xff\x7fk" ZERO8), "a key of the metadata" },
        { TEXT(START "\1\0\0\0\0\0\0\0\0\7\0\0\0\1"), "a key of the metadata at byte 32" },
        { TEXT("GGUF\3\0\0\0" ZERO8 "\2\0\0\0\0\0\0\0" KEY "\7\0\0\0\1" KEY "\7\0\0\0\1"),
          "the key k at byte" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = scratch_file(files[i].file.data, files[i].file.bytes);
        expect_refused(path, files[i].message);
    }
    Gguf *file;
    CHECK_EQ(gguf_open(&file, folder_path("absent")), FAILED);
    CHECK_EQ(gguf_open(&file, folder_path(".")), FAILED);
}

/// A file that ends anywhere is refused, or was not needed there.
static void refuses_every_truncation(void)
{
    char *bytes;
    size_t count;
    CHECK_EQ(text_read_file(&bytes, &count, types_path), OK);
    for (size_t end = 0; end <= count; end++) {
        if (end == 1200) end = count - 40;
        Gguf *file;
        Status status = gguf_open(&file, scratch_file(bytes, end));
        bool needed = end < count - 20; // 6 blocks of Q6_K end in 20 bytes of padding
        if (status != (needed ? FAILED : OK))
            check_failed(__FILE__, __LINE__, "%zu of %zu bytes are %s", end, count,
                         needed ? "accepted" : status_message());
        gguf_close(file);
    }
    mem_free(bytes);
}

static void reads_every_type_of_metadata(void)
{
    Gguf *file;
    CHECK_EQ(gguf_open(&file, types_path), OK);
    CHECK_TEXT(gguf_text(file, "text", ""), "Z\xC3\xBCrich \xE2\x98\x83");
    CHECK_EQ(gguf_int(file, "u8", 0), 200);
    CHECK_EQ(gguf_int(file, "i8", 0), -100);
    CHECK_EQ(gguf_int(file, "u16", 0), 60000);
    CHECK_EQ(gguf_int(file, "i16", 0), -30000);
    CHECK_EQ(gguf_int(file, "u32", 0), 4000000000);
    CHECK_EQ(gguf_int(file, "i32", 0), -2000000000);
    CHECK_EQ(gguf_int(file, "u64", 0), INT64_MAX);
    CHECK_EQ(gguf_int(file, "i64", 0), INT64_MIN);
    CHECK_TRUE(gguf_real(file, "f32", 0) == (double)0.1f);
    CHECK_TRUE(gguf_real(file, "f64", 0) == 0.1);
    CHECK_TRUE(gguf_real(file, "u8", 0) == 200);
    CHECK_TRUE(gguf_bool(file, "bool", false));
    const GgufValue *texts = gguf_value(file, "texts"), *ints = gguf_value(file, "ints");
    const GgufValue *reals = gguf_value(file, "reals"), *bools = gguf_value(file, "bools");
    CHECK_EQ(texts->count, 4);
    CHECK_TEXT(gguf_text_at(texts, 2), "\xC4\xA0the");
    CHECK_TEXT(gguf_text_at(texts, 1), "");
    CHECK_TRUE(!memcmp(gguf_text_at(texts, 3), "x\0y", 4));
    CHECK_EQ(gguf_text_bytes_at(texts, 3), 3);
    CHECK_EQ(gguf_int_at(ints, 1), -2);
    CHECK_TRUE(gguf_real_at(reals, 1) == -1.25);
    CHECK_EQ(gguf_int_at(bools, 0) * 2 + gguf_int_at(bools, 1), 2);
    // absent, of another kind, or an array
    CHECK_TRUE(!gguf_value(file, "ext"));
    CHECK_EQ(gguf_int(file, "text", 7) + gguf_int(file, "ints", 7) + gguf_int(file, "bool", 7), 21);
    CHECK_TRUE(gguf_real(file, "reals", 7) == 7 && gguf_bool(file, "u8", true));
    CHECK_TEXT(gguf_text(file, "texts", "none"), "none");
    gguf_close(file);
}

static void reads_every_type_of_tensor(void)
{
    enum { ROWS = 3, COLS = 512 };
    static float out[ROWS * COLS + 1];
    Golden *golden = golden_open("gguf/types.safetensors");
    Gguf *file;
    CHECK_EQ(gguf_open(&file, types_path), OK);
    CHECK_EQ(gguf_count(file), 8);
    for (int i = 0; i < gguf_count(file); i++) {
        const GgufInfo *info = gguf_at(file, i);
        const double *expected = golden_reals(golden, info->name, NULL);
        CHECK_TEXT(info->name, info->type);
        CHECK_EQ(info->rank, 2);
        CHECK_EQ(info->dims[0], ROWS);
        CHECK_EQ(info->dims[1], COLS);
        // the whole, and ranges that begin and end inside of blocks
        static const int ranges[][2] = { { 0, ROWS * COLS }, { 512, 512 }, { 1, 30 }, { 300, 700 },
                                         { 31, 2 },          { 255, 257 }, { 77, 0 } };
        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
            int first = ranges[r][0], count = ranges[r][1];
            out[count] = 12345;
            CHECK_EQ(gguf_read(out, file, info, first, count), OK);
            for (int k = 0; k < count; k++) // products are exact: it may round once only
                CHECK_NEAR(out[k], expected[first + k], 0);
            CHECK_TRUE(out[count] == 12345);
        }
        CHECK_EQ(gguf_read(out, file, info, ROWS * COLS - 1, 2), FAILED);
    }
    gguf_close(file);
    golden_close(golden);
}

static void refuses_other_types_by_name(void)
{
    float out[4];
    Gguf *file;
    const Hostile ints = { NULL, { { "ids", 1, { 4 }, I8, 0 } }, 4, 0, 0, 0 };
    CHECK_EQ(gguf_open(&file, make_file(&ints)), OK);
    CHECK_EQ(gguf_read(out, file, gguf_at(file, 0), 0, 4), FAILED);
    CHECK_TRUE(strstr(status_message(), "tensor ids has type I8"));
    gguf_close(file);
}

static Status pull_input(float *out, const GgufInfo *info, int64_t first, int64_t count,
                         void *context)
{
    const double *values = context;
    if (!values) return status_fail(FAILED, "no %s", info->name);
    for (int64_t i = 0; i < count; i++) out[i] = (float)values[first + i];
    return OK;
}

static const GgufInfo written[] = {
    { .name = "input.F16", .type = "F16", .rank = 2, .dims = { 8, 64 }, .elements = 512 },
    { .name = "input.Q8_0", .type = "Q8_0", .rank = 2, .dims = { 8, 64 }, .elements = 512 },
    { .name = "a", .type = "F32", .rank = 1, .dims = { 3 }, .elements = 3 },
};
enum { WRITTEN = sizeof written / sizeof *written };

static void put_values(GgufHeader *header)
{
    const char *const texts[] = { "x", "", "long" };
    gguf_put_text(header, "text", "two\nlines");
    gguf_put_u32(header, "u32", 4000000000u);
    gguf_put_f32(header, "f32", -0.5f);
    gguf_put_bool(header, "bool", true);
    gguf_put_texts(header, "texts", texts, 3);
    gguf_put_i32s(header, "i32s", (const int32_t[]){ 1, -2 }, 2);
    gguf_put_f32s(header, "f32s", (const float[]){ 0.25f }, 1);
}

/// The bytes of a tensor are those that `gguf` makes.
static void check_bytes(Golden *golden, const char *file, const char *name, int64_t at)
{
    int64_t count;
    const int32_t *expected = golden_ints(golden, name, &count);
    for (int64_t i = 0, wrong = 0; i < count && wrong < 3; i++)
        if ((unsigned char)file[at + i] != expected[i]) {
            check_failed(__FILE__, __LINE__, "%s: byte %lld is %d, expected %d", name, (long long)i,
                         (unsigned char)file[at + i], expected[i]);
            wrong++;
        }
}

static void reads_back_what_it_writes(void)
{
    Golden *golden = golden_open("gguf/types.safetensors");
    const char *path = folder_path("w.gguf");
    const double *input = golden_reals(golden, "input", NULL);
    GgufHeader header = { 0 };
    Gguf *file;
    char *bytes;
    size_t count;
    put_values(&header);
    CHECK_EQ(gguf_write(path, &header, written, WRITTEN, pull_input, (void *)input), OK);
    CHECK_EQ(folder_count("partial"), 0);
    CHECK_EQ(gguf_open(&file, path), OK);
    CHECK_EQ(gguf_value_count(file), 7);
    CHECK_TEXT(gguf_text(file, "text", ""), "two\nlines");
    CHECK_EQ(gguf_int(file, "u32", 0), 4000000000);
    CHECK_TRUE(gguf_real(file, "f32", 0) == -0.5 && gguf_bool(file, "bool", false));
    CHECK_TEXT(gguf_text_at(gguf_value(file, "texts"), 2), "long");
    CHECK_EQ(gguf_int_at(gguf_value(file, "i32s"), 1), -2);
    CHECK_TRUE(gguf_real_at(gguf_value(file, "f32s"), 0) == 0.25);
    CHECK_EQ(gguf_count(file), WRITTEN);
    for (int i = 0; i < WRITTEN; i++) {
        const GgufInfo *info = gguf_find(file, written[i].name);
        CHECK_TEXT(info->type, written[i].type);
        CHECK_EQ(info->dims[0], written[i].dims[0]);
        CHECK_EQ(info->elements, written[i].elements);
    }
    CHECK_EQ(text_read_file(&bytes, &count, path), OK);
    int64_t data = (int64_t)count - 1024 - 544 - 32;
    check_bytes(golden, bytes, "input.F16", data);
    check_bytes(golden, bytes, "input.Q8_0", data + 1024);
    mem_free(bytes);
    gguf_close(file);
    gguf_header_release(&header);
    golden_close(golden);
}

static void keeps_the_older_file_when_it_fails(void)
{
    static const double unfit[][2] = { { 1, 65520 }, { 2, 9e6 }, { 1, NAN }, { 2, -INFINITY } };
    const char *path = folder_path("w.gguf");
    GgufHeader header = { 0 };
    Gguf *file;
    CHECK_EQ(gguf_write(path, &header, written, WRITTEN, pull_input, NULL), FAILED);
    CHECK_TEXT(status_message(), "no input.F16");
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++) {
        double values[512] = { [300] = unfit[i][1] };
        const GgufInfo *info = unfit[i][0] == 1 ? &written[0] : &written[1];
        CHECK_EQ(gguf_write(path, &header, info, 1, pull_input, values), FAILED);
        CHECK_TRUE(strstr(status_message(), "has a value that"));
        values[300] = unfit[i][0] == 1 ? 65519 : 8e6;
        CHECK_EQ(gguf_write(folder_path("fit"), &header, info, 1, pull_input, values), OK);
    }
    CHECK_EQ(folder_count("partial"), 0);
    CHECK_EQ(gguf_open(&file, path), OK);
    CHECK_EQ(gguf_count(file), WRITTEN);
    gguf_close(file);
    CHECK_EQ(gguf_write(folder_path("absent/x"), &header, written, 0, pull_input, NULL), FAILED);
}

/// All halves come back; between two of them lies the middle, which goes to the even one.
static void rounds_halves_to_even(void)
{
    for (uint32_t half = 0; half < 0x7C00; half++) {
        float low = half_value(half), high = half == 0x7BFF ? 65536.0f : half_value(half + 1);
        float middle = (low + high) / 2;
        CHECK_EQ(half_nearest(low), half);
        CHECK_EQ(half_nearest(-low), half | 0x8000);
        CHECK_EQ(half_nearest(middle), half + (half & 1));
        CHECK_EQ(half_nearest(nextafterf(middle, low)), half);
        CHECK_EQ(half_nearest(nextafterf(middle, high)), half + 1);
    }
    CHECK_EQ(half_nearest(INFINITY), 0x7C00);
    CHECK_TRUE(isnan(half_value(half_nearest(NAN))));
}

static void frees_all_blocks(void)
{
    Comm self = comm_self();
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "checks the list of tensors", checks_the_list_of_tensors },
    { "checks the metadata", checks_the_metadata },
    { "refuses every truncation", refuses_every_truncation },
    { "reads every type of metadata", reads_every_type_of_metadata },
    { "reads every type of tensor", reads_every_type_of_tensor },
    { "refuses other types by name", refuses_other_types_by_name },
    { "reads back what it writes", reads_back_what_it_writes },
    { "keeps the older file when it fails", keeps_the_older_file_when_it_fails },
    { "rounds halves to even", rounds_halves_to_even },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    Comm self = comm_self();
    folder_make(&self);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
