/* TEST labels=train timeout=60 */
#include "base/mem.h"
#include "support/check.h"
#include "train/blocks.h"

enum { EACH = 8 }; // dense parameters of a layer

typedef struct {
    int64_t hidden, layers, vocabulary;
} Size;

/// As BERT's: tables of words, positions and types, and in a layer four projections, two wide ones
/// and two vectors.
static Model build(const Size *size)
{
    int64_t hidden = size->hidden, tables[] = { size->vocabulary, 512, 2 };
    Model model = { .param_count = (int)(EACH * size->layers) + 3 };
    model.params = MEM_NEW(Param, model.param_count);
    for (int i = 0; i < model.param_count; i++) {
        int table = i - (int)(EACH * size->layers), kind = i % EACH;
        Param *p = &model.params[i];
        *p = (Param){ .rows = hidden, .cols = hidden, .offset = model.elements };
        if (kind >= 4) p->rows = kind < 6 ? 4 * hidden : 1;
        if (table == 0) model.dense_elements = model.elements;
        if (table >= 0) p->rows = tables[table];
        p->table = table >= 0;
        model.elements += p->rows * p->cols;
    }
    return model;
}

static int64_t own_elements(const Model *model, int ranks, int rank)
{
    Blocks blocks;
    Comm comm = { .size = ranks, .rank = rank };
    blocks_init(&blocks, model, &comm);
    int64_t elements = blocks.own_elements;
    blocks_release(&blocks);
    return elements;
}

static const Size sizes[] = {
    { 64, 2, 200 }, { 384, 6, 30522 }, { 768, 12, 30522 }, { 2048, 16, 128256 }
};

/// Two moments of an element in float, each held by one rank: 8 bytes an element over all ranks,
/// evenly but for a bucket and a block of rows.
static void state_is_dealt_evenly(void)
{
    static const int counts[] = { 1, 2, 3, 5, 8, 16, 63, 512, 1000 };
    enum { WHOLE = 16 };
    int uneven = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        Model model = build(&sizes[s]);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            int ranks = counts[c], step = ranks > WHOLE ? ranks / WHOLE : 1;
            int64_t slice =
                blocks_bucket_elements(model.dense_elements, ranks) + BLOCK_ROWS * sizes[s].hidden;
            int64_t sum = 0, most = 0;
            for (int rank = 0; rank < ranks; rank += step) {
                int64_t own = own_elements(&model, ranks, rank);
                sum += own;
                if (own > most) most = own;
            }
            CHECK_TRUE(most <= model.elements / ranks + slice);
            if (step == 1) CHECK_EQ(sum, model.elements);
            uneven += most > model.elements / ranks + slice / 4; // the control: it is not less
        }
        mem_free(model.params);
    }
    CHECK_TRUE(uneven > 0);
}

static const Case cases[] = {
    { "state is dealt evenly", state_is_dealt_evenly },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
