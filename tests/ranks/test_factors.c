/* TEST ranks=1,2,3 labels=model timeout=60 */
#include "base/log.h"
#include "base/mem.h"
#include "comm/grid.h"
#include "linalg/gemm.h"
#include "model/compress.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static Comm world;
static char file[64];

static const char config[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 48, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"intermediate_size\": 96, "
    "\"vocab_size\": 101, \"max_position_embeddings\": 128, \"hidden_act\": \"silu\", "
    "\"rms_norm_eps\": 1e-5}";
enum { LAYERS = 2, RANK = 10, HIDDEN = 48, QKV = 80, FEED = 96, TOKENS = 7 };

static Model *whole_model(void)
{
    Json *json;
    Model *model;
    CHECK_EQ(json_parse(&json, config, strlen(config), "test"), OK);
    CHECK_EQ(model_new(&model, json, "causal_lm", 0, NULL, "test"), OK);
    json_free(json);
    model_allocate(model);
    model_init_absent(model, 5);
    model->tokenizer_json = mem_copy_text("{}");
    model->source = mem_copy_text("");
    model->source_sha256 = mem_copy_text("");
    return model;
}

static FactorSizes sizes;

static void count(void *context, const FactorReport *report)
{
    int *counts = context;
    counts[report->factored]++;
}

/// The factored model as its file has it; NULL if there is none.
static Status factor(Model **small, const Model *whole, int64_t rank, int *counts)
{
    *small = NULL;
    Status status =
        model_factor(&world, file, &sizes, whole, (SvdCut){ rank, 1 }, count, counts, "m.h5");
    if (status == OK) CHECK_EQ(model_load(&world, small, file, ""), OK);
    return status;
}

static void counts_what_is_left(void)
{
    Model *whole = whole_model(), *small = NULL;
    int counts[2] = { 0, 0 }, products;
    CHECK_EQ(factor(&small, whole, RANK, counts), OK);
    CHECK_EQ(counts[true], 4 * LAYERS);
    CHECK_EQ(counts[false], 0);
    CHECK_EQ(model_factor_floats(&products, whole), 0);
    CHECK_EQ(model_factor_floats(&products, small), 4 * RANK * LAYERS);
    CHECK_EQ(products, 4 * LAYERS);
    // qkv and gate | up of one right factor each, mix, down
    int64_t widths = (QKV + HIDDEN) + (2 * FEED + HIDDEN) + (HIDDEN + HIDDEN) + (FEED + HIDDEN);
    int64_t dense = QKV * HIDDEN + 2 * FEED * HIDDEN + HIDDEN * HIDDEN + FEED * HIDDEN;
    CHECK_EQ(sizes.before, model_parameters(whole));
    CHECK_EQ(sizes.after, model_parameters(small));
    CHECK_EQ(model_parameters(whole) - model_parameters(small), LAYERS * (dense - RANK * widths));
    CHECK_NEAR(model_forward_flops(whole, TOKENS), (double)(2 * TOKENS * LAYERS * dense), 0.5);
    CHECK_NEAR(model_forward_flops(small, TOKENS), (double)(2 * TOKENS * LAYERS * RANK * widths),
               0.5);
    for (int i = 0; i < small->param_count; i++) CHECK_TRUE(!small->params[i].absent);
    model_free(small);
    model_free(whole);
}

/// What is kept of each weight leaves less of it than it is, and all of it with all ranks.
static void products_are_near(void)
{
    Model *whole = whole_model(), *small = NULL;
    int counts[2];
    CHECK_EQ(factor(&small, whole, 22, counts), OK);
    for (int i = 0; i < small->param_count; i++) {
        const Param *left = &small->params[i], *right = model_right(small, left);
        char name[sizeof left->name];
        model_whole_name(name, left);
        int at = model_find_param(whole, name);
        if (!right) continue;
        const Param *weight = &whole->params[at];
        const float *expected = model_values_of(whole, weight);
        float *product = MEM_NEW(float, left->rows * right->cols);
        double error = 0, size = 0;
        model_multiply_out(product, small, left);
        CHECK_EQ(weight->rows * weight->cols, left->rows * right->cols);
        for (int64_t k = 0; k < weight->rows * weight->cols; k++) {
            error += pow((double)product[k] - (double)expected[k], 2);
            size += pow((double)expected[k], 2);
        }
        CHECK_TRUE(error > 0 && error < 0.5 * size);
        mem_free(product);
    }
    model_free(small);
    model_free(whole);
}

static void refuses(void)
{
    Model *whole = whole_model(), *small = NULL, *again = NULL;
    int counts[2];
    CHECK_EQ(factor(&small, whole, 28, counts), OK);
    CHECK_EQ(factor(&again, small, 4, counts), USAGE);
    CHECK_TRUE(strstr(status_message(), "m.h5: 6 products are factored already") != NULL);
    CHECK_EQ(factor(&again, whole, 48, counts), USAGE);
    CHECK_TRUE(strstr(status_message(), "m.h5: no product of a layer gets smaller") != NULL);
    whole->values[whole->params[1].offset + 3] = NAN;
    CHECK_EQ(factor(&again, whole, 4, counts), FAILED);
    CHECK_TRUE(strstr(status_message(), "m.h5: element 3 of") != NULL);
    CHECK_TRUE(!again);
    model_free(small);
    model_free(whole);
}

static const Case cases[] = {
    { "counts_what_is_left", counts_what_is_left },
    { "products_are_near", products_are_near },
    { "refuses", refuses },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    gemm_start();
    log_start(1); // says nothing
    snprintf(file, sizeof file, "test_factors-%d.h5", world.size);
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    if (world.rank == 0) unlink(file);
    comm_stop(&world);
    return result;
}
