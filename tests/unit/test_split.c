/* TEST labels=data timeout=30 */
#include "base/mem.h"
#include "base/rng.h"
#include "data/split.h"
#include "support/check.h"

enum { ROWS = 5574, SPAM = 747 };

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
    { "every label stays in training", every_label_stays_in_training },
    { "fractions and files are told apart", fractions_and_files_are_told_apart },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
