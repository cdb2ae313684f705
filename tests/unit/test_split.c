/* TEST labels=data ranks=1,2,3,4 timeout=30 */
#include "base/mem.h"
#include "base/rng.h"
#include "data/split.h"
#include "support/check.h"

#include <stdlib.h>

enum { ROWS = 5574, SPAM = 747 };

static Comm world;

/// Plans with this rank's share of the rows, and tells the splits of all of them.
static void split_stratified(uint8_t *splits, const int32_t *labels, int64_t rows,
                             int64_t label_count, double validation, double test, uint64_t seed)
{
    SplitPlan plan;
    int64_t first = rows * world.rank / world.size, end = rows * (world.rank + 1) / world.size;
    split_plan(&world, &plan, labels + first, first, end - first, label_count, validation, test,
               seed);
    for (int64_t i = 0; i < rows; i++) splits[i] = (uint8_t)split_of(&plan, labels[i], i);
    split_plan_release(&plan);
}

static void count_splits(int64_t counts[][SPLIT_COUNT], const uint8_t *splits,
                         const int32_t *labels, int64_t rows, int64_t label_count)
{
    memset(counts, 0, (size_t)label_count * sizeof *counts);
    for (int64_t i = 0; i < rows; i++) counts[labels[i]][splits[i]]++;
}

static void shares_are_by_largest_remainder(void)
{
    int32_t *labels = MEM_NEW(int32_t, ROWS);
    uint8_t *splits = MEM_NEW(uint8_t, ROWS), *again = MEM_NEW(uint8_t, ROWS);
    int64_t counts[2][SPLIT_COUNT], same = 0;
    for (int i = 0; i < SPAM; i++) labels[i * 7 + 3] = 1;
    split_stratified(splits, labels, ROWS, 2, 0.1, 0.1, 0);
    count_splits(counts, splits, labels, ROWS, 2);
    // 557.4 rows in all; 482.7 ham and 74.7 spam: both remainders are .7, the lower label first
    CHECK_EQ(counts[0][SPLIT_TEST], 483);
    CHECK_EQ(counts[1][SPLIT_TEST], 74);
    CHECK_EQ(counts[0][SPLIT_VALIDATION], 483);
    CHECK_EQ(counts[1][SPLIT_VALIDATION], 74);
    split_stratified(again, labels, ROWS, 2, 0.1, 0.1, 0);
    CHECK_TRUE(!memcmp(splits, again, ROWS));
    split_stratified(again, labels, ROWS, 2, 0.1, 0.1, 1);
    for (int i = 0; i < ROWS; i++) same += splits[i] == SPLIT_TEST && again[i] == SPLIT_TEST;
    CHECK_TRUE(same > 20 && same < 120);              // 55 by chance
    for (int i = 0; i < 30; i++) labels[i] = i >= 12; // 1.2 and 1.8
    split_stratified(splits, labels, 30, 2, 0, 0.1, 0);
    count_splits(counts, splits, labels, 30, 2);
    CHECK_EQ(counts[0][SPLIT_TEST], 1);
    CHECK_EQ(counts[1][SPLIT_TEST], 2);
    mem_free(again);
    mem_free(splits);
    mem_free(labels);
}

static void test_rows_stay_when_validation_grows(void)
{
    int32_t labels[1000];
    uint8_t few[1000], many[1000];
    for (int i = 0; i < 1000; i++) labels[i] = i % 3;
    split_stratified(few, labels, 1000, 3, 0.1, 0.2, 7);
    split_stratified(many, labels, 1000, 3, 0.4, 0.2, 7);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(few[i] == SPLIT_TEST, many[i] == SPLIT_TEST);
        if (few[i] == SPLIT_VALIDATION) CHECK_EQ(many[i], SPLIT_VALIDATION);
    }
}

static void smallest_draws_are_for_test(void)
{
    int32_t labels[40] = { 0 };
    uint8_t splits[40];
    uint64_t most = 0, least = UINT64_MAX;
    for (int i = 0; i < 20; i++) labels[2 * i] = 1;
    split_stratified(splits, labels, 40, 2, 0.25, 0.25, 3);
    for (int i = 0; i < 40; i += 2) {
        uint64_t draw = rng_bits(3, RNG_SPLIT, 1, (uint64_t)i);
        if (splits[i] == SPLIT_TEST && draw > most) most = draw;
        if (splits[i] != SPLIT_TEST && draw < least) least = draw;
    }
    CHECK_TRUE(most < least);
}

typedef struct {
    uint64_t key;
    int64_t row;
} Sorted;

static int ascending(const void *a, const void *b)
{
    const Sorted *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/// The rows of each label, sorted by draw: test, then validation, then training, by the numbers
/// that the plan gave.
static void splits_follow_the_order_of_draws(void)
{
    enum { LABELS = 37, MANY = 20000 };
    int32_t *labels = MEM_NEW(int32_t, MANY);
    uint8_t *splits = MEM_NEW(uint8_t, MANY);
    Sorted *sorted = MEM_NEW(Sorted, MANY);
    for (int i = 0; i < MANY; i++)
        labels[i] = (int32_t)(rng_bits(1, RNG_INIT, 0, (uint64_t)i) % LABELS * (i % 3 > 0));
    split_stratified(splits, labels, MANY, LABELS, 0.13, 0.29, 11);
    for (uint32_t label = 0; label < LABELS; label++) {
        int64_t count = 0, order = SPLIT_TEST, in[SPLIT_COUNT] = { 0 };
        for (int64_t i = 0; i < MANY; i++)
            if (labels[i] == (int32_t)label)
                sorted[count++] = (Sorted){ rng_bits(11, RNG_SPLIT, label, (uint64_t)i), i };
        qsort(sorted, (size_t)count, sizeof *sorted, ascending);
        for (int64_t i = 0; i < count; i++) {
            CHECK_TRUE(splits[sorted[i].row] <= order);
            order = splits[sorted[i].row];
            in[order]++;
        }
        CHECK_NEAR((double)in[SPLIT_TEST], 0.29 * (double)count, 1);
        CHECK_NEAR((double)in[SPLIT_VALIDATION], 0.13 * (double)count, 1);
    }
    mem_free(sorted);
    mem_free(splits);
    mem_free(labels);
}

static void every_label_stays_in_training(void)
{
    const int32_t labels[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 3, 3 };
    uint8_t splits[14];
    int64_t counts[4][SPLIT_COUNT];
    for (uint64_t seed = 0; seed < 20; seed++) {
        split_stratified(splits, labels, 14, 4, 0.45, 0.5, seed);
        count_splits(counts, splits, labels, 14, 4);
        for (int label = 0; label < 4; label++) CHECK_TRUE(counts[label][SPLIT_TRAIN] >= 1);
    }
    CHECK_EQ(counts[1][SPLIT_TRAIN], 1);
    CHECK_EQ(counts[2][SPLIT_TEST], 1);
    split_stratified(splits, labels, 14, 4, 0, 0, 0);
    for (int i = 0; i < 14; i++) CHECK_EQ(splits[i], SPLIT_TRAIN);
}

static void fractions_and_files_are_told_apart(void)
{
    double fraction;
    bool is_file;
    CHECK_EQ(split_parse(&fraction, &is_file, "0.1", "data.split.test"), OK);
    CHECK_TRUE(!is_file && fraction == 0.1);
    CHECK_EQ(split_parse(&fraction, &is_file, "", "data.split.test"), OK);
    CHECK_TRUE(!is_file && fraction == 0);
    CHECK_EQ(split_parse(&fraction, &is_file, "test.csv", "data.split.test"), OK);
    CHECK_TRUE(is_file && fraction == 0);
    CHECK_EQ(split_parse(&fraction, &is_file, "1.5", "data.split.test"), USAGE);
    CHECK_TRUE(strstr(status_message(), "data.split.test=1.5"));
    CHECK_EQ(split_parse(&fraction, &is_file, "-0.1", "data.split.test"), USAGE);
}

static void frees_all_blocks(void)
{
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "shares are by largest remainder", shares_are_by_largest_remainder },
    { "test rows stay when validation grows", test_rows_stay_when_validation_grows },
    { "smallest draws are for test", smallest_draws_are_for_test },
    { "splits follow the order of draws", splits_follow_the_order_of_draws },
    { "every label stays in training", every_label_stays_in_training },
    { "fractions and files are told apart", fractions_and_files_are_told_apart },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    CHECK(comm_start(&world) == OK, "%s", status_message());
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return code;
}
