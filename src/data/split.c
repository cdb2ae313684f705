#include "data/split.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static Draw draw(uint64_t seed, int32_t label, int64_t row)
{
    return (Draw){ rng_bits(seed, RNG_SPLIT, (uint32_t)label, (uint64_t)row), (uint64_t)row };
}

static bool is_below(Draw a, Draw b)
{
    return a.key != b.key ? a.key < b.key : a.row < b.row;
}

void split_plan_release(SplitPlan *plan)
{
    for (Split split = SPLIT_VALIDATION; split < SPLIT_COUNT; split++) mem_free(plan->cuts[split]);
    *plan = (SplitPlan){ 0 };
}

Split split_of(const SplitPlan *plan, int32_t label, int64_t row)
{
    Draw mine = draw(plan->seed, label, row);
    if (is_below(mine, plan->cuts[SPLIT_TEST][label])) return SPLIT_TEST;
    return is_below(mine, plan->cuts[SPLIT_VALIDATION][label]) ? SPLIT_VALIDATION : SPLIT_TRAIN;
}

enum { DIGITS = 32, DIGIT_BITS = 4, BINS = 1 << DIGIT_BITS }; ///< of a draw, the highest first

static int digit_of(Draw d, int place)
{
    uint64_t word = place < DIGITS / 2 ? d.key : d.row;
    int shift = 64 - DIGIT_BITS * (place % (DIGITS / 2) + 1);
    return (int)((word >> shift) % BINS);
}

static void set_digit(Draw *d, int place, int digit)
{
    uint64_t *word = place < DIGITS / 2 ? &d->key : &d->row;
    *word |= (uint64_t)digit << (64 - DIGIT_BITS * (place % (DIGITS / 2) + 1));
}

/// True if the digits before `place` are the same.
static bool share_digits(Draw a, Draw b, int place)
{
    uint64_t keys = a.key ^ b.key, rows = a.row ^ b.row;
    if (place <= DIGITS / 2) return !place || !(keys >> (64 - DIGIT_BITS * place));
    return !keys && !(rows >> (64 - DIGIT_BITS * (place - DIGITS / 2)));
}

/// This rank's rows, as `split_plan` is given them.
typedef struct {
    const int32_t *labels;
    int64_t first, count, label_count;
    uint64_t seed;
} Sample;

/// Collective. Fixes digit `place` of each label's cut: of the draws that share the digits before
/// it, wanted[label] lie below the cut, fewer with each digit. Returns how many are left in all.
COLLECTIVE
static int64_t fix_digit(const Comm *comm, Draw *cuts, int64_t *wanted, int64_t *bins, int place,
                         const Sample *rows)
{
    int64_t left = 0;
    memset(bins, 0, (size_t)(rows->label_count * BINS) * sizeof *bins);
    for (int64_t i = 0; i < rows->count; i++) {
        int32_t label = rows->labels[i];
        Draw mine = draw(rows->seed, label, rows->first + i);
        if (share_digits(mine, cuts[label], place)) bins[label * BINS + digit_of(mine, place)]++;
    }
    comm_sum_int64(comm, bins, (int)(rows->label_count * BINS));
    for (int64_t label = 0; label < rows->label_count; label++) {
        const int64_t *here = &bins[label * BINS];
        int digit = 0;
        for (; digit < BINS - 1 && here[digit] <= wanted[label]; digit++)
            wanted[label] -= here[digit];
        set_digit(&cuts[label], place, digit);
        left += wanted[label];
    }
    return left;
}

/// Collective. cuts[label]: a draw with wanted[label] draws of the label below it, which are not
/// all of them. Digit by digit, as sorting by radix does, until no digit divides what is wanted.
COLLECTIVE
static void find_cuts(const Comm *comm, Draw *cuts, int64_t *wanted, const Sample *rows)
{
    int64_t *bins = MEM_NEW(int64_t, rows->label_count * BINS), left = 0;
    for (int64_t label = 0; label < rows->label_count; label++) left += wanted[label];
    for (int place = 0; place < DIGITS && left; place++)
        left = fix_digit(comm, cuts, wanted, bins, place, rows);
    mem_free(bins);
}

/// wanted[label] grows by the label's quota, but leaves one row of it.
static void add_quotas(int64_t *wanted, const int64_t *sizes, int64_t label_count, double fraction)
{
    int64_t *quotas = MEM_NEW(int64_t, label_count);
    share_out(quotas, sizes, label_count, fraction);
    for (int64_t i = 0; i < label_count; i++) {
        int64_t spare = sizes[i] > 0 ? sizes[i] - 1 : 0;
        wanted[i] = wanted[i] + quotas[i] < spare ? wanted[i] + quotas[i] : spare;
    }
    mem_free(quotas);
}

void split_plan(const Comm *comm, SplitPlan *out, const int32_t *labels, int64_t first,
                int64_t count, int64_t label_count, double validation, double test, uint64_t seed)
{
    const Sample rows = { labels, first, count, label_count, seed };
    const double fractions[SPLIT_COUNT] = { [SPLIT_VALIDATION] = validation, [SPLIT_TEST] = test };
    CHECK(label_count <= INT32_MAX / BINS, "%lld labels to split by", (long long)label_count);
    int64_t *sizes = MEM_NEW(int64_t, label_count), *wanted = MEM_NEW(int64_t, label_count);
    int64_t *left = MEM_NEW(int64_t, label_count);
    for (int64_t i = 0; i < count; i++) sizes[labels[i]]++;
    comm_sum_int64(comm, sizes, (int)label_count);
    *out = (SplitPlan){ .seed = seed };
    for (Split split = SPLIT_TEST; split > SPLIT_TRAIN; split--) { // test comes first
        out->cuts[split] = MEM_NEW(Draw, label_count);
        add_quotas(wanted, sizes, label_count, fractions[split]);
        memcpy(left, wanted, (size_t)label_count * sizeof *left);
        find_cuts(comm, out->cuts[split], left, &rows);
    }
    mem_free(left);
    mem_free(wanted);
    mem_free(sizes);
}
