/* TEST labels=store timeout=60 */
#include "base/mem.h"
#include "store/inspect.h"
#include "store/safetensors.h"
#include "store/schema.h"
#include "support/check.h"
#include "support/document.h"
#include "support/folder.h"

#include <stdlib.h>

enum { MATRIX, VECTOR, MOMENT, SQUARE, PARTS };
enum { CONFIG, TOKENIZER, ARCH, RECIPE, STEP, EPOCH, ROWS, SEED, VALUES };

/// A checkpoint that a case may change before it is written.
typedef struct {
    const char *schema;
    float matrix[6], vector[3], moment[6], square[6];
    TensorPart parts[PARTS + 1];
    Value values[VALUES + 1];
    int part_count, value_count;
} Sample;

static void make_sample(Sample *s)
{
    *s = (Sample){ .schema = "checkpoint",
                   .matrix = { 1, -2, 3, 4, 5, 6 },
                   .vector = { 0.1f, 0.2f, 0.3f },
                   .part_count = PARTS,
                   .value_count = VALUES };
    const TensorPart parts[PARTS] = {
        [MATRIX] = { .path = "model/w",
                     .rank = 2,
                     .dims = { 2, 3 },
                     .count = 6,
                     .data = s->matrix },
        [VECTOR] = { .path = "model/b", .rank = 1, .dims = { 3 }, .count = 3, .data = s->vector },
        [MOMENT] = { .path = "optim/exp_avg/w",
                     .rank = 2,
                     .dims = { 2, 3 },
                     .count = 6,
                     .data = s->moment },
        [SQUARE] = { .path = "optim/exp_avg_sq/w",
                     .rank = 2,
                     .dims = { 2, 3 },
                     .count = 6,
                     .data = s->square },
    };
    const Value values[VALUES] = {
        [CONFIG] = { .name = "config", .text = "{}" },
        [TOKENIZER] = { .name = "tokenizer", .text = "{}\nsecond line" },
        [ARCH] = { .name = "arch", .text = "bert" },
        [RECIPE] = { .name = "recipe", .text = "train.seed: 0\n" },
        [STEP] = { .name = "step", .kind = VALUE_INT, .integer = 120 },
        [EPOCH] = { .name = "epoch", .kind = VALUE_INT, .integer = 1 },
        [ROWS] = { .name = "rows_consumed", .kind = VALUE_INT, .integer = 64 },
        [SEED] = { .name = "seed", .kind = VALUE_INT },
    };
    memcpy(s->parts, parts, sizeof parts);
    memcpy(s->values, values, sizeof values);
}

static const char *write_sample(const Sample *s, const char *name)
{
    Comm self = comm_self();
    const char *path = folder_path(name);
    CHECK_EQ(
        tensors_write(&self, path, s->schema, s->values, s->value_count, s->parts, s->part_count),
        OK);
    return path;
}

/// The findings of a sample as text; *errors is their number.
static void findings_of(Text *out, int *errors, const Sample *s)
{
    TensorFile *file;
    text_clear(out);
    CHECK_EQ(tensors_open_any(&file, write_sample(s, "f.h5")), OK);
    CHECK_EQ(schema_check(out, errors, file), OK);
    tensors_close(file);
}

static void finds_what_is_against_the_schema(void)
{
    Sample s;
    Text text = { 0 };
    int errors;
    make_sample(&s);
    findings_of(&text, &errors, &s);
    CHECK_TEXT(text_chars(&text), "");
    CHECK_EQ(errors, 0);
    s.parts[s.part_count++] = (TensorPart){ .path = "other", .rank = 1 };
    s.values[s.value_count++] = (Value){ .name = "note", .text = "" };
    findings_of(&text, &errors, &s);
    CHECK_TEXT(text_chars(&text), "UNKNOWN warning other is no tensor of this schema\n"
                                  "UNKNOWN warning note is no value of this schema\n");
    CHECK_EQ(errors, 0);
    make_sample(&s);
    s.part_count = VECTOR + 1;
    s.value_count = ROWS;
    s.parts[VECTOR].type = ELEMENT_I32;
    s.parts[MATRIX].rank = 3;
    s.parts[MATRIX].dims[2] = 1;
    s.values[STEP].kind = VALUE_REAL;
    findings_of(&text, &errors, &s);
    CHECK_TEXT(text_chars(&text), "MISSING error rows_consumed is required\n"
                                  "MISSING error seed is required\n"
                                  "RANK error model/w has a wrong number of dimensions\n"
                                  "TYPE error model/b has the wrong element type\n"
                                  "TYPE error step has the wrong type\n");
    CHECK_EQ(errors, 5);
    make_sample(&s);
    s.parts[MOMENT].dims[0] = 3;
    s.parts[MOMENT].dims[1] = 2;
    s.parts[SQUARE].path = "optim/exp_avg_sq/v";
    findings_of(&text, &errors, &s);
    CHECK_TEXT(text_chars(&text), "SHAPE error optim/exp_avg/w has not the shape of model/w\n"
                                  "SHAPE error optim/exp_avg_sq/v has not the shape of model/v\n");
    make_sample(&s);
    s.schema = "nothing";
    findings_of(&text, &errors, &s);
    CHECK_EQ(errors, 1);
    text_release(&text);
}

static void knows_the_state(void)
{
    CHECK_TRUE(schema_is_state("checkpoint", "step", false));
    CHECK_TRUE(schema_is_state("checkpoint", "optim/exp_avg/x", true));
    CHECK_TRUE(!schema_is_state("checkpoint", "created_utc", false));
    CHECK_TRUE(!schema_is_state("checkpoint", "history/loss", false));
    CHECK_TRUE(!schema_is_state("checkpoint", "unheard_of", false));
    CHECK_TRUE(schema_is_state("checkpoint", "unheard_of", true));
    CHECK_TRUE(!schema_is_state("metrics", "series/loss", true));
}

static void documents_are_up_to_date(void)
{
    Text text = { 0 };
    schema_markdown(&text);
    check_document("FILES.md", &text, "hdf5_schemas/");
    text_release(&text);
}

static void expect_words(const Text *text, const char *const *words)
{
    for (; *words; words++)
        if (!strstr(text_chars(text), *words))
            check_failed(__FILE__, __LINE__, "'%s' is not in '%s'", *words, text_chars(text));
}

static void damage(const char *path, long at_end)
{
    FILE *stream = fopen(path, "r+b");
    fseek(stream, at_end, SEEK_SET);
    int byte = fgetc(stream);
    fseek(stream, -1, SEEK_CUR);
    fputc(byte ^ 4, stream);
    fclose(stream);
}

/// Where the first `bytes` bytes of `data` lie in the file.
static long find_bytes(const char *path, const void *data, size_t bytes)
{
    char *all;
    size_t count;
    long at = -1;
    CHECK_EQ(text_read_file(&all, &count, path), OK);
    const char *place = memmem(all, count, data, bytes);
    if (place) at = (long)(place - all);
    mem_free(all);
    return at;
}

static void inspects(void)
{
    Sample s;
    Text text = { 0 };
    make_sample(&s);
    const char *path = write_sample(&s, "i.h5");
    CHECK_EQ(inspect_file(&text, path, true), OK);
    expect_words(&text,
                 (const char *const[]){
                     "i.h5: checkpoint, schema version 1.0.0\n", "  step             120\n",
                     "  tokenizer        {} ... (14 bytes)\n", "tensors: 4, 21 elements, 84 B\n",
                     "  model/w             F32   2 x 3             24 B\n",
                     "validation: schema, checksums and values are sound\n", NULL });
    damage(path, find_bytes(path, s.matrix, sizeof s.matrix));
    text_clear(&text);
    CHECK_EQ(inspect_file(&text, path, false), OK);
    CHECK_TRUE(!strstr(text_chars(&text), "validation"));
    CHECK_EQ(inspect_file(&text, path, true), FAILED);
    CHECK_TRUE(strstr(status_message(), "i.h5: 1 error was found"));
    expect_words(&text, (const char *const[]){ "validation: failed\nCHECKSUM error model/w ",
                                               "is damaged in block 0", NULL });
    text_release(&text);
}

static Status pull_zeros(float *out, const SafetensorsInfo *info, int64_t first, int64_t count,
                         void *context)
{
    (void)info, (void)first, (void)context;
    memset(out, 0, (size_t)count * sizeof *out);
    return OK;
}

static void inspects_safetensors(void)
{
    const SafetensorsInfo info = {
        .name = "a.weight", .rank = 2, .dims = { 3, 5 }, .elements = 15
    };
    Text text = { 0 };
    const char *path = folder_path("s.safetensors");
    CHECK_EQ(safetensors_write(path, &info, 1, pull_zeros, NULL), OK);
    CHECK_EQ(inspect_file(&text, path, true), OK);
    expect_words(&text, (const char *const[]){ "safetensors, format pt", "tensors: 1\n",
                                               "  a.weight  F32   3 x 5             60 B\n",
                                               "header and offsets are sound", NULL });
    CHECK_EQ(inspect_file(&text, folder_path("absent"), false), USAGE);
    CHECK_TRUE(strstr(status_message(), "absent: No such file"));
    text_release(&text);
}

/// Compares the plain sample with `changed`; true if they are different.
static bool differs(Text *text, const Sample *changed, double tolerance)
{
    Sample plain;
    bool different = false;
    make_sample(&plain);
    text_clear(text);
    const char *a = write_sample(&plain, "a.h5"), *b = write_sample(changed, "b.h5");
    CHECK_EQ(compare_files(text, &different, a, b, tolerance, 0), OK);
    return different;
}

static void compares_every_bit(void)
{
    Sample s;
    Text text = { 0 };
    make_sample(&s);
    s.values[RECIPE].text = "output.folder: elsewhere\n"; // provenance
    CHECK_TRUE(!differs(&text, &s, -1));
    CHECK_TEXT(text_chars(&text), "equal\n");
    s.matrix[1] = nextafterf(-2, 0);
    CHECK_TRUE(differs(&text, &s, -1));
    expect_words(&text, (const char *const[]){ "model/w: 1 of 6 elements differ, by up to 1.19e-07",
                                               "different: 1 tensor and 0 values differ", NULL });
    make_sample(&s);
    s.moment[0] = -0.0f; // other bits, equal number
    CHECK_TRUE(differs(&text, &s, -1));
    make_sample(&s);
    s.values[STEP].integer = 121;
    CHECK_TRUE(differs(&text, &s, -1));
    expect_words(&text, (const char *const[]){ "step: 120 against 121\n", NULL });
    make_sample(&s);
    s.values[CONFIG].text = "{ }";
    CHECK_TRUE(differs(&text, &s, -1));
    make_sample(&s);
    s.part_count--;
    CHECK_TRUE(differs(&text, &s, -1));
    expect_words(&text, (const char *const[]){ "exp_avg_sq/w: is only in the first\n", NULL });
    make_sample(&s);
    s.parts[s.part_count++] = (TensorPart){ .path = "model/z", .rank = 1 };
    CHECK_TRUE(differs(&text, &s, -1));
    expect_words(&text, (const char *const[]){ "model/z: is only in the second\n", NULL });
    make_sample(&s);
    s.parts[MATRIX].dims[0] = 3, s.parts[MATRIX].dims[1] = 2;
    CHECK_TRUE(differs(&text, &s, -1));
    text_release(&text);
}

static void compares_within_a_tolerance(void)
{
    Sample s;
    Text text = { 0 };
    make_sample(&s);
    s.matrix[0] = 1.05f; // largest matrix value: 6
    s.moment[0] = 9;
    s.values[STEP].integer = 121;
    CHECK_TRUE(!differs(&text, &s, 0.01));
    expect_words(&text, (const char *const[]){
                            "optim/exp_avg/w: 1 of 6", "step: 120 against 121",
                            "matrices: largest difference 0.05, allowed 0.06",
                            "equal within the tolerance: 2 tensors and 1 value differ", NULL });
    CHECK_TRUE(differs(&text, &s, 0.008));
    make_sample(&s);
    s.vector[0] = 0.15f; // largest vector value: 0.3; matrices do not help
    CHECK_TRUE(differs(&text, &s, 0.1));
    expect_words(&text, (const char *const[]){ "vectors: largest difference 0.05, allowed 0.03 "
                                               "(largest value 0.3): too large",
                                               NULL });
    CHECK_TRUE(!differs(&text, &s, 0.2));
    make_sample(&s);
    s.vector[0] = NAN;
    CHECK_TRUE(differs(&text, &s, 1e30));
    make_sample(&s);
    CHECK_TRUE(!differs(&text, &s, 0));
    text_release(&text);
}

/// Of two kinds the models alone, whatever else differs.
static void compares_models_of_two_kinds(void)
{
    Sample s, model;
    Text text = { 0 };
    bool different;
    make_sample(&s);
    make_sample(&model);
    model.schema = "model";
    model.part_count = VECTOR + 1;
    const char *a = write_sample(&s, "a.h5"), *b = write_sample(&model, "b.h5");
    CHECK_EQ(compare_files(&text, &different, a, b, -1, 0), OK);
    CHECK_TEXT(text_chars(&text),
               "a checkpoint against a model: only the models are compared\nequal\n");
    CHECK_TRUE(!different);
    model.matrix[0]++;
    text_clear(&text);
    CHECK_EQ(compare_files(&text, &different, a, write_sample(&model, "b.h5"), -1, 0), OK);
    CHECK_TRUE(different);
    text_release(&text);
}

static void tells_the_first_differences(void)
{
    Sample s;
    Text text = { 0 };
    bool different;
    make_sample(&s);
    const char *a = write_sample(&s, "a.h5");
    s.matrix[0]++, s.vector[0]++, s.moment[0]++;
    const char *b = write_sample(&s, "b.h5");
    CHECK_EQ(compare_files(&text, &different, a, b, -1, 1), OK);
    expect_words(&text,
                 (const char *const[]){ "and 2 more (--all shows them)\n", "different: 3 ", NULL });
    CHECK_TRUE(!strstr(text.data, "optim/exp_avg/w"));
    text_clear(&text);
    CHECK_EQ(compare_files(&text, &different, a, b, -1, 3), OK);
    CHECK_TRUE(strstr(text.data, "optim/exp_avg/w") && !strstr(text.data, "more"));
    text_release(&text);
}

static void finds_what_is_no_number(void)
{
    Sample s;
    Text text = { 0 };
    make_sample(&s);
    s.matrix[4] = -NAN;
    CHECK_EQ(inspect_file(&text, write_sample(&s, "strange.h5"), true), FAILED);
    CHECK_TRUE(strstr(text.data, "VALUE error model/w element 4 is no finite number\n"));
    CHECK_TRUE(strstr(status_message(), "strange.h5: 1 error was found"));
    s.matrix[4] = 1;
    CHECK_EQ(inspect_file(&text, write_sample(&s, "strange.h5"), true), OK);
    text_release(&text);
}

static void compares_only_readable_files(void)
{
    Sample s;
    Text text = { 0 };
    bool different;
    make_sample(&s);
    const char *a = write_sample(&s, "a.h5"), *b = write_sample(&s, "b.h5");
    damage(b, find_bytes(b, s.matrix, sizeof s.matrix));
    CHECK_EQ(compare_files(&text, &different, a, folder_path("absent.h5"), -1, 0), FAILED);
    CHECK_EQ(compare_files(&text, &different, a, b, -1, 0), FAILED);
    CHECK_TRUE(strstr(status_message(), "model/w is damaged"));
    text_release(&text);
}

static void frees_all_blocks(void)
{
    Comm self = comm_self();
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "finds what is against the schema", finds_what_is_against_the_schema },
    { "knows the state", knows_the_state },
    { "documents are up to date", documents_are_up_to_date },
    { "inspects", inspects },
    { "inspects safetensors", inspects_safetensors },
    { "compares every bit", compares_every_bit },
    { "compares within a tolerance", compares_within_a_tolerance },
    { "compares models of two kinds", compares_models_of_two_kinds },
    { "tells the first differences", tells_the_first_differences },
    { "finds what is no number", finds_what_is_no_number },
    { "compares only readable files", compares_only_readable_files },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    Comm self = comm_self();
    folder_make(&self);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
