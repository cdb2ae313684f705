#include "support/golden.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/text.h"
#include "store/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ARRAYS = 256, NAME_BYTES = 96 };

/// An array converted on first use.
typedef struct {
    char name[NAME_BYTES];
    void *data; ///< owned
    int64_t count;
} Converted;

struct Golden {
    char *path, *file; ///< owned
    const char *bytes; ///< the data section, inside `file`
    size_t byte_count;
    Json *header;
    Converted reals[MOST_ARRAYS], ints[MOST_ARRAYS];
    char *names; ///< owned: what the digests' names point into
    Digest *digests;
    int64_t *indices; ///< (digest_count, GOLDEN_SAMPLES), owned
    int digest_count;
};

static double read_f32(const char *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return (double)value;
}

static double read_f64(const char *at)
{
    double value;
    memcpy(&value, at, sizeof value);
    return value;
}

static double read_i16(const char *at)
{
    int16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static double read_i32(const char *at)
{
    int32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static const struct {
    const char *dtype;
    size_t bytes;
    bool integer;
    double (*read)(const char *at);
} element_types[] = {
    { "F32", 4, false, read_f32 },
    { "F64", 8, false, read_f64 },
    { "I16", 2, true, read_i16 },
    { "I32", 4, true, read_i32 },
};
enum { ELEMENT_TYPES = sizeof element_types / sizeof *element_types };

static Converted *slot(Converted *converted, const char *name)
{
    for (int i = 0; i < MOST_ARRAYS; i++) {
        if (!converted[i].data || !strcmp(converted[i].name, name)) return &converted[i];
    }
    CHECK(false, "more than %d golden arrays", MOST_ARRAYS);
    return NULL;
}

static Converted *convert(Golden *golden, Converted *converted, const char *name, bool integer)
{
    Converted *out = slot(converted, name);
    if (out->data) return out;
    const Json *entry = json_get(golden->header, name), *range = json_get(entry, "data_offsets");
    CHECK(entry && strlen(name) < NAME_BYTES, "%s: no array %s", golden->path, name);
    const char *dtype = json_text(json_get(entry, "dtype"), "");
    int type = 0;
    while (type < ELEMENT_TYPES && strcmp(element_types[type].dtype, dtype)) type++;
    CHECK(type < ELEMENT_TYPES && element_types[type].integer == integer, "%s: %s is of type %s",
          golden->path, name, dtype);
    size_t first = (size_t)json_int(json_at(range, 0), 0),
           end = (size_t)json_int(json_at(range, 1), 0);
    CHECK(first <= end && end <= golden->byte_count, "%s: %s lies outside", golden->path, name);
    out->count = (int64_t)((end - first) / element_types[type].bytes);
    out->data = mem_new((size_t)out->count, integer ? sizeof(int32_t) : sizeof(double));
    for (int64_t i = 0; i < out->count; i++) {
        const char *at = golden->bytes + first + (size_t)i * element_types[type].bytes;
        double value = element_types[type].read(at);
        if (integer)
            ((int32_t *)out->data)[i] = (int32_t)value;
        else
            ((double *)out->data)[i] = value;
    }
    strcpy(out->name, name);
    return out;
}

static uint64_t splitmix64(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void fill_digest(Golden *golden, Digest *digest, int index, const double *samples)
{
    static const char table[] = "word_embeddings.weight";
    size_t length = strlen(digest->name), end = sizeof table - 1;
    bool touched = length >= end && !strcmp(digest->name + length - end, table);
    int64_t *indices = golden->indices + (int64_t)index * GOLDEN_SAMPLES;
    digest->elements = golden_ints(golden, "sizes", NULL)[index];
    digest->norm = golden_reals(golden, "norms", NULL)[index];
    digest->projections =
        golden_reals(golden, "projections", NULL) + (int64_t)index * GOLDEN_PROJECTIONS;
    if (!samples) return;
    digest->sample_count = digest->elements < GOLDEN_SAMPLES ? digest->elements : GOLDEN_SAMPLES;
    digest->indices = indices;
    digest->samples = samples;
    for (int64_t i = 0; i < digest->sample_count; i++) {
        uint64_t drawn = splitmix64(1, (uint64_t)i) % (uint64_t)digest->elements;
        indices[i] = touched ? golden_ints(golden, "word_indices", NULL)[i]
                     : digest->elements > GOLDEN_SAMPLES ? (int64_t)drawn
                                                         : i;
    }
}

static void fill_digests(Golden *golden)
{
    const double *samples = NULL;
    if (golden_has(golden, "samples")) samples = golden_reals(golden, "samples", NULL);
    golden->names = mem_copy_text(golden_text(golden, "parameters"));
    for (const char *c = golden->names; *c; c++) golden->digest_count += *c == '\n';
    golden->digest_count++;
    golden->digests = MEM_NEW(Digest, golden->digest_count);
    golden->indices = MEM_NEW(int64_t, (int64_t)golden->digest_count * GOLDEN_SAMPLES);
    char *rest = golden->names;
    for (int i = 0; i < golden->digest_count; i++) {
        golden->digests[i].name = strtok_r(rest, "\n", &rest);
        fill_digest(golden, &golden->digests[i], i, samples);
        if (samples) samples += golden->digests[i].sample_count;
    }
}

Golden *golden_open(const char *name)
{
    Golden *golden = MEM_NEW(Golden, 1);
    Text path = { 0 };
    size_t bytes;
    uint64_t header_bytes;
    const char *source = getenv("TEMPER_SOURCE");
    text_printf(&path, "%s/tests/golden/%s", source ? source : ".", name);
    golden->path = mem_copy_text(path.data);
    text_release(&path);
    Status status = text_read_file(&golden->file, &bytes, golden->path);
    CHECK(status == OK && bytes > 8, "%s: %s", golden->path, status_message());
    memcpy(&header_bytes, golden->file, sizeof header_bytes);
    CHECK(header_bytes <= bytes - 8, "%s: truncated", golden->path);
    status = json_parse(&golden->header, golden->file + 8, (size_t)header_bytes, golden->path);
    CHECK(status == OK, "%s", status_message());
    golden->bytes = golden->file + 8 + header_bytes;
    golden->byte_count = bytes - 8 - (size_t)header_bytes;
    if (golden_has(golden, "projections")) fill_digests(golden);
    return golden;
}

void golden_close(Golden *golden)
{
    if (!golden) return;
    for (int i = 0; i < MOST_ARRAYS; i++) {
        mem_free(golden->reals[i].data);
        mem_free(golden->ints[i].data);
    }
    mem_free(golden->indices);
    mem_free(golden->digests);
    mem_free(golden->names);
    json_free(golden->header);
    mem_free(golden->file);
    mem_free(golden->path);
    mem_free(golden);
}

bool golden_has(const Golden *golden, const char *name)
{
    return json_get(golden->header, name) != NULL;
}

const double *golden_reals(Golden *golden, const char *name, int64_t *count)
{
    Converted *array = convert(golden, golden->reals, name, false);
    if (count) *count = array->count;
    return array->data;
}

const int32_t *golden_ints(Golden *golden, const char *name, int64_t *count)
{
    Converted *array = convert(golden, golden->ints, name, true);
    if (count) *count = array->count;
    return array->data;
}

const char *golden_text(const Golden *golden, const char *key)
{
    const char *text = json_text(json_get(json_get(golden->header, "__metadata__"), key), NULL);
    CHECK(text, "%s: no metadata %s", golden->path, key);
    return text;
}

int golden_digest_count(const Golden *golden)
{
    return golden->digest_count;
}

const Digest *golden_digest(const Golden *golden, int index)
{
    return &golden->digests[index];
}

const Digest *golden_digest_find(const Golden *golden, const char *name)
{
    for (int i = 0; i < golden->digest_count; i++)
        if (!strcmp(golden->digests[i].name, name)) return &golden->digests[i];
    return NULL;
}

void golden_project(double out[GOLDEN_PROJECTIONS], const float *x, const float *minus, int64_t n)
{
    memset(out, 0, GOLDEN_PROJECTIONS * sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = splitmix64(0, (uint64_t)i);
        double value = (double)x[i] - (minus ? (double)minus[i] : 0);
        if (value == 0) continue; // most rows of a lookup table
        double signs[2] = { -value, value };
        for (int p = 0; p < GOLDEN_PROJECTIONS; p++) out[p] += signs[bits >> p & 1];
    }
}

double golden_distance(const double a[GOLDEN_PROJECTIONS], const double b[GOLDEN_PROJECTIONS])
{
    double sum = 0;
    for (int p = 0; p < GOLDEN_PROJECTIONS; p++) sum += (a[p] - b[p]) * (a[p] - b[p]);
    return sqrt(sum / GOLDEN_PROJECTIONS);
}
