/* TEST ranks=1,2,4,6 labels=linalg timeout=60 */
#include "base/file.h"
#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/svd.h"
#include "store/json.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>

static Comm world;
static SvdGrids grids;
static Json *golden;

/// As make_svd.py has it.
static float element(int64_t i, int64_t j, int64_t exact)
{
    float x = (float)((i * 7919 + j * 104729 + i * j * j * 31) % 2001 - 1000) / 1000;
    int64_t sum = 0;
    for (int64_t k = 0; k < exact; k++)
        sum += ((i * 7 + k * k * 13 + i * k * 5) % 11 - 5) * ((j * 3 + k * 17 + j * k * 2) % 7 - 3);
    return exact ? (float)sum : x / (1 + (float)j / 8);
}

typedef struct {
    int64_t rows, cols, rank;
    double energy;
    const Json *values, *places, *product;
    float *a; ///< (rows, cols)
} Example;

static Example example_of(int64_t index)
{
    const Json *json = json_at(json_get(golden, "cases"), index);
    Example e = { .rows = json_int(json_get(json, "rows"), 0),
                  .cols = json_int(json_get(json, "cols"), 0),
                  .rank = json_int(json_get(json, "rank"), 0),
                  .energy = json_number(json_get(json, "energy"), NAN),
                  .values = json_get(json, "values"),
                  .places = json_get(json, "places"),
                  .product = json_get(json, "product") };
    e.a = MEM_NEW(float, e.rows *e.cols);
    for (int64_t i = 0; i < e.rows * e.cols; i++)
        e.a[i] = element(i / e.cols, i % e.cols, json_int(json_get(json, "exact"), 0));
    return e;
}

static int64_t examples(void)
{
    return json_size(json_get(golden, "cases"));
}

static void factor(Svd *out, const Example *e, SvdCut cut)
{
    const float **rows = MEM_NEW(const float *, e->rows);
    for (int64_t i = 0; i < e->rows; i++) rows[i] = e->a + i * e->cols;
    svd_factor(out, &grids, rows, e->rows, e->cols, cut);
    mem_free(rows);
}

/// All rows of a factor; owned by the caller.
static float *whole(const FactorRows *factor, int64_t rows)
{
    int64_t *counts = MEM_NEW(int64_t, world.size);
    float *all = MEM_NEW(float, rows * factor->cols);
    comm_gather_int64(&world, counts, factor->rows);
    int64_t first = comm_offset(&world, factor->rows);
    CHECK_TRUE(first == factor->first || !factor->rows);
    for (int r = 0; r < world.size; r++) counts[r] *= factor->cols * (int64_t)sizeof(float);
    comm_gather_all(&world, all, factor->values, counts);
    mem_free(counts);
    return all;
}

typedef struct {
    float *left, *right; ///< (rows, rank), (rank, cols)
    int64_t rank, cols;
} Product;

static Product product_of(const Svd *svd, const Example *e)
{
    if (!svd->factored) return (Product){ 0 };
    return (Product){ whole(&svd->left, e->rows), whole(&svd->right, svd->rank), svd->rank,
                      e->cols };
}

static void product_release(Product *p)
{
    mem_free(p->left);
    mem_free(p->right);
}

static double product_at(const Product *p, int64_t place)
{
    double sum = 0;
    for (int64_t k = 0; k < p->rank; k++)
        sum += (double)p->left[place / p->cols * p->rank + k] *
               (double)p->right[k * p->cols + place % p->cols];
    return sum;
}

static void values_are_lapacks(void)
{
    for (int64_t c = 0; c < examples(); c++) {
        Example e = example_of(c);
        Svd svd;
        factor(&svd, &e, (SvdCut){ e.rank, 1 });
        double most = json_number(json_at(e.values, 0), NAN);
        CHECK_EQ(svd.rank, e.rank);
        CHECK_NEAR(svd.energy, e.energy, 1e-9);
        CHECK_EQ(svd.value_count, json_size(e.values));
        for (int64_t k = 0; k < svd.value_count; k++)
            CHECK_NEAR(svd.values[k], json_number(json_at(e.values, k), NAN), 1e-6 * most);
        CHECK_TRUE(!svd.factored == (e.rank * (e.rows + e.cols) >= e.rows * e.cols));
        Product product = product_of(&svd, &e);
        for (int64_t i = 0; svd.factored && i < json_size(e.places); i++)
            CHECK_NEAR(product_at(&product, json_int(json_at(e.places, i), 0)),
                       json_number(json_at(e.product, i), NAN), 1e-5 * (most > 1 ? most : 1));
        product_release(&product);
        svd_release(&svd);
        mem_free(e.a);
    }
}

/// Both factors have the same singular values: the sums of their squares are equal.
static void factors_are_balanced(void)
{
    Example e = example_of(0);
    Svd svd;
    factor(&svd, &e, (SvdCut){ e.rank, 1 });
    double left = 0, right = 0, values = 0;
    Product product = product_of(&svd, &e);
    for (int64_t i = 0; i < e.rows * svd.rank; i++) left += pow((double)product.left[i], 2);
    for (int64_t i = 0; i < e.cols * svd.rank; i++) right += pow((double)product.right[i], 2);
    for (int64_t k = 0; k < svd.rank; k++) values += svd.values[k];
    CHECK_NEAR(left, values, 1e-5 * values);
    CHECK_NEAR(right, values, 1e-5 * values);
    product_release(&product);
    svd_release(&svd);
    mem_free(e.a);
}

static void energy_chooses_the_rank(void)
{
    for (int64_t c = 0; c < examples(); c++) {
        Example e = example_of(c);
        Svd svd;
        factor(&svd, &e, (SvdCut){ 0, e.energy - 1e-9 });
        CHECK_EQ(svd.rank, e.rank);
        svd_release(&svd);
        factor(&svd, &e, (SvdCut){ 1, e.energy });
        CHECK_EQ(svd.rank, 1);
        svd_release(&svd);
        mem_free(e.a);
    }
}

/// Of a matrix that is a sum of four products no more are found, however many are asked for, and
/// nothing is divided by what is noise; of one of zeros none.
static void noise_is_no_rank(void)
{
    enum { EXACT = 4, FOUR = 4 };
    Example e = example_of(EXACT);
    for (int64_t asked = 0; asked <= 40; asked += 20) {
        Svd svd;
        factor(&svd, &e, (SvdCut){ asked, 1 });
        CHECK_EQ(svd.rank, FOUR);
        CHECK_TRUE(svd.values[FOUR] == 0 && svd.energy == 1);
        Product product = product_of(&svd, &e);
        for (int64_t i = 0; i < e.rows * e.cols; i++)
            CHECK_NEAR(product_at(&product, i), e.a[i], 2e-5);
        product_release(&product);
        svd_release(&svd);
    }
    for (int64_t i = 0; i < e.rows * e.cols; i++) e.a[i] = 0;
    Svd none;
    factor(&none, &e, (SvdCut){ 8, 1 });
    CHECK_TRUE(none.rank == 0 && !none.factored);
    svd_release(&none);
    mem_free(e.a);
}

static const Case cases[] = {
    { "values_are_lapacks", values_are_lapacks },
    { "factors_are_balanced", factors_are_balanced },
    { "energy_chooses_the_rank", energy_chooses_the_rank },
    { "noise_is_no_rank", noise_is_no_rank },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    gemm_start();
    svd_grids_start(&grids, &world);
    CHECK_EQ(json_parse_file(&golden, TEST_FOLDER "/../golden/svd.json"), OK);
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    json_free(golden);
    svd_grids_stop(&grids);
    comm_stop(&world);
    return result;
}
