#include "data/split.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

const char *const split_names[SPLIT_COUNT] = { "train", "validation", "test" };

Status split_parse(double *fraction, bool *is_file, const char *text, const char *key)
{
    *fraction = 0;
    *is_file = false;
    if (!*text) return OK;
    *is_file = !text_to_double(fraction, text);
    if (*is_file || (*fraction >= 0 && *fraction < 1)) return OK;
    return status_fail(USAGE, "%s=%s is not a fraction: give a number in [0, 1), or a file", key,
                       text);
}

typedef struct {
    int64_t label;
    double remainder;
} Share;

static int by_remainder(const void *a, const void *b)
{
    const Share *x = a, *y = b;
    if (x->remainder != y->remainder) return x->remainder > y->remainder ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

/// quotas[label]: rows of each label, `fraction` of all by largest remainder.
static void share_out(int64_t *quotas, const int64_t *sizes, int64_t label_count, double fraction)
{
    Share *shares = MEM_NEW(Share, label_count);
    double whole = 0;
    int64_t given = 0;
    for (int64_t i = 0; i < label_count; i++) {
        double exact = fraction * (double)sizes[i];
        quotas[i] = (int64_t)exact;
        shares[i] = (Share){ i, exact - (double)quotas[i] };
        whole += (double)sizes[i];
        given += quotas[i];
    }
    qsort(shares, (size_t)label_count, sizeof *shares, by_remainder);
    int64_t missing = (int64_t)llround(fraction * whole) - given;
    for (int64_t i = 0; i < label_count && i < missing; i++) quotas[shares[i].label]++;
    mem_free(shares);
}

typedef struct {
    int32_t label;
    uint64_t key;
    int64_t row;
} Draw;

static int by_draw(const void *a, const void *b)
{
    const Draw *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

void split_stratified(uint8_t *splits, const int32_t *labels, int64_t rows, int64_t label_count,
                      double validation, double test, uint64_t seed)
{
    int64_t *sizes = MEM_NEW(int64_t, label_count);
    int64_t *quotas[SPLIT_COUNT] = { NULL, MEM_NEW(int64_t, label_count),
                                     MEM_NEW(int64_t, label_count) };
    Draw *draws = MEM_NEW(Draw, rows);
    for (int64_t i = 0; i < rows; i++) {
        uint64_t key = rng_bits(seed, RNG_SPLIT, (uint32_t)labels[i], (uint64_t)i);
        draws[i] = (Draw){ labels[i], key, i };
        sizes[labels[i]]++;
    }
    share_out(quotas[SPLIT_TEST], sizes, label_count, test);
    share_out(quotas[SPLIT_VALIDATION], sizes, label_count, validation);
    qsort(draws, (size_t)rows, sizeof *draws, by_draw);
    for (int64_t label = 0, at = 0; label < label_count; at += sizes[label++]) {
        int64_t spare = sizes[label] - 1;
        int64_t for_test = quotas[SPLIT_TEST][label] < spare ? quotas[SPLIT_TEST][label] : spare;
        int64_t for_both = for_test + quotas[SPLIT_VALIDATION][label];
        if (for_both > spare) for_both = spare;
        for (int64_t i = 0; i < sizes[label]; i++)
            splits[draws[at + i].row] = (uint8_t)(i < for_test   ? SPLIT_TEST
                                                  : i < for_both ? SPLIT_VALIDATION
                                                                 : SPLIT_TRAIN);
    }
    mem_free(draws);
    mem_free(quotas[SPLIT_TEST]);
    mem_free(quotas[SPLIT_VALIDATION]);
    mem_free(sizes);
}
