/* TEST labels=support timeout=30 */
#include "base/mem.h"
#include "support/check.h"
#include "support/golden.h"

#include <stdlib.h>

static void projections_match_the_script(void)
{
    Golden *golden = golden_open("tiny-bert/expected.safetensors");
    int64_t n, count;
    double projections[GOLDEN_PROJECTIONS], squares = 0;
    const double *gradient =
        golden_reals(golden, "gradient.bert.embeddings.word_embeddings.weight", &n);
    const double *expected = golden_reals(golden, "word_embeddings_projections", &count);
    float *x = MEM_NEW(float, n);
    CHECK_EQ(n, 100 * 32);
    CHECK_EQ(count, GOLDEN_PROJECTIONS);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)gradient[i];
        squares += gradient[i] * gradient[i];
    }
    golden_project(projections, x, NULL, n);
    for (int p = 0; p < GOLDEN_PROJECTIONS; p++) CHECK_NEAR(projections[p], expected[p], 1e-12);
    golden_project(projections, x, x, n);
    CHECK_NEAR(golden_distance(projections, expected) / sqrt(squares), 1, 0.3);
    mem_free(x);
    golden_close(golden);
}

static void digests_are_whole(void)
{
    Golden *golden = golden_open("minilm-parity.safetensors");
    int64_t samples, sequences;
    int64_t total = 0;
    const int32_t *starts = golden_ints(golden, "cu_seqlens", &sequences);
    golden_reals(golden, "samples", &samples);
    CHECK_EQ(sequences, 65);
    CHECK_EQ(golden_digest_count(golden), 105);
    for (int i = 0; i < golden_digest_count(golden); i++) {
        const Digest *digest = golden_digest(golden, i);
        CHECK_NEAR(golden_distance(digest->projections, (double[GOLDEN_PROJECTIONS]){ 0 }),
                   digest->norm, 0.45 * digest->norm);
        for (int64_t j = 0; j < digest->sample_count; j++)
            CHECK_TRUE(digest->indices[j] >= 0 && digest->indices[j] < digest->elements);
        total += digest->sample_count;
    }
    CHECK_EQ(total, samples);
    const Digest *bias = golden_digest_find(golden, "classifier.bias");
    CHECK_TRUE(bias && bias->elements == 2 && bias->indices[1] == 1);
    const Digest *table = golden_digest_find(golden, "bert.embeddings.word_embeddings.weight");
    CHECK_EQ(table->elements, 30522 * 384);
    const int32_t *ids = golden_ints(golden, "ids", NULL);
    bool used = false;
    for (int32_t i = 0; i < starts[64]; i++) used |= ids[i] == table->indices[7] / 384;
    CHECK_TRUE(used);
    golden_close(golden);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "projections match the script", projections_match_the_script },
    { "digests are whole", digests_are_whole },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
