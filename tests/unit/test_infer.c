/* TEST labels=infer timeout=60 */
#include "base/mem.h"
#include "infer/rows.h"
#include "support/check.h"

// Rows of lengths that end leaves by tokens, by number, just in time, and alone.
enum { ROWS = 240, MOST_LEAVES = 64 };
static int64_t offsets[ROWS + 1];
static int32_t *ids, type_starts[ROWS], labels[ROWS];
static struct {
    int64_t tokens, sequences, first;
} seen[MOST_LEAVES];
static int seen_count;

static int64_t length_of(int64_t row)
{
    return row < 8 ? 256 : row == 8 ? 257 : row < 20 ? 90 : row == 20 ? 5000 : row < 220 ? 3 : 255;
}

/// Results that tell the row.
static void note_leaf(void *results, const InferredLeaf *leaf, void *context)
{
    (void)context;
    const Packing *packing = tape_packing(leaf->tape);
    float *out = results;
    CHECK_TRUE(!tape_pass(leaf->tape)->training && seen_count < MOST_LEAVES);
    CHECK_EQ(leaf->rows, packing->sequences);
    for (int64_t i = 0; i < packing->sequences; i++)
        for (int64_t k = 0; k < 2; k++) out[2 * i + k] = (float)(2 * packing->samples[i] + k);
    seen[seen_count].tokens = packing->tokens;
    seen[seen_count].first = packing->samples[0];
    seen[seen_count++].sequences = packing->sequences;
}

static double arena_floats(const ModelSpec *spec, int64_t tokens, int64_t longest)
{
    (void)spec;
    CHECK_TRUE(tokens == 5000 && longest == 5000);
    return 1e5;
}

static double small_floats(const ModelSpec *spec, int64_t tokens, int64_t longest)
{
    (void)spec;
    return 1000 + (double)(tokens * longest);
}

/// Leaves follow from the order of rows alone: whole rows up to 1024 tokens and 64 sequences, a
/// longer row by itself. Other leaves would be other bits.
static void leaves_of_rows(void)
{
    static const Arch arch = { .arena_floats = arena_floats };
    static const Head head = { .task = "none" };
    Model model = { .arch = &arch, .head = &head, .spec.num_labels = 2 };
    Comm self = comm_self();
    int64_t rows[ROWS];
    static float logits[2 * ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        rows[i] = i;
        offsets[i + 1] = offsets[i] + length_of(i);
        type_starts[i] = (int32_t)length_of(i);
    }
    ids = MEM_NEW(int32_t, offsets[ROWS]);
    Dataset data = { .rows = ROWS,
                     .tokens = offsets[ROWS],
                     .offsets = offsets,
                     .ids = ids,
                     .type_starts = type_starts,
                     .labels = labels };
    Inference inference = { .row_bytes = 2 * sizeof *logits, .run = note_leaf };
    infer_rows(&self, logits, &inference, &model, &data, rows, ROWS);
    int64_t leaf = 0;
    for (int64_t at = 0; at < ROWS; leaf++) {
        int64_t tokens = 0, end = at;
        while (end < ROWS && end - at < 64 && (end == at || tokens + length_of(end) <= 1024))
            tokens += length_of(end++);
        CHECK_TRUE(leaf < seen_count && seen[leaf].first == at);
        CHECK_EQ(seen[leaf].sequences, end - at);
        CHECK_EQ(seen[leaf].tokens, tokens);
        at = end;
    }
    CHECK_EQ(seen_count, leaf);
    for (int64_t i = 0; i < 2 * ROWS; i++) CHECK_TRUE(logits[i] == (float)i);
    mem_free(ids);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// True at the second question.
static bool stops_second(void *context)
{
    int *asked = context;
    return ++*asked == 2;
}

/// Some rows: the same leaves, without those that have none of them; and no more than a watch lets.
static void leaves_of_wanted_rows(void)
{
    static const Arch arch = { .arena_floats = small_floats };
    static const Head head = { .task = "none" };
    Model model = { .arch = &arch, .head = &head, .spec.num_labels = 2 };
    Comm self = comm_self();
    enum { COUNT = 64 * 6 };
    int64_t rows[COUNT], starts[COUNT + 1] = { 0 };
    uint8_t wanted[COUNT] = { [64 * 2 + 5] = 1, [64 * 3] = 1, [64 * 5 + 63] = 1 };
    for (int64_t i = 0; i < COUNT; i++) {
        rows[i] = i;
        starts[i + 1] = i + 1;
    }
    int32_t *none = MEM_NEW(int32_t, COUNT);
    Dataset data = { .rows = COUNT,
                     .tokens = COUNT,
                     .offsets = starts,
                     .ids = none,
                     .type_starts = none,
                     .labels = none };
    int asked = 0;
    Watch watch = { stops_second, &asked, false };
    Inference inference = { .row_bytes = 2 * sizeof(float), .run = note_leaf };
    OwnRows own;
    CHECK_EQ(infer_leaves(&data, rows, COUNT), 6);
    seen_count = 0;
    infer_own_rows(&self, &own, &inference, &model, &data, rows, COUNT, wanted);
    CHECK_TRUE(seen_count == 3 && seen[0].first == 128 && seen[2].first == 320);
    CHECK_TRUE(own.range_count == 2 && own.ranges[0].first == 128 && own.ranges[0].count == 128);
    CHECK_TRUE(own.ranges[1].first == 320 && own.ranges[1].count == 64);
    CHECK_TRUE(((float *)own.results)[2 * 128] == 640);
    own_rows_release(&own);
    inference.watch = &watch;
    infer_own_rows(&self, &own, &inference, &model, &data, rows, COUNT, NULL);
    CHECK_TRUE(watch.stopped && own.range_count == 1 && own.ranges[0].first == 0);
    CHECK_TRUE(own.ranges[0].count >= 128 && own.ranges[0].count < COUNT);
    own_rows_release(&own);
    mem_free(none);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = { { "leaves of rows", leaves_of_rows },
                              { "leaves of wanted rows", leaves_of_wanted_rows } };

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
