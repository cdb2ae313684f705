/* TEST labels=train timeout=60 */
#include "base/mem.h"
#include "support/check.h"
#include "train/classification.h"

static int32_t labels[] = { 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2 };
static uint8_t splits[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, SPLIT_TEST, SPLIT_VALIDATION };
static Dataset data = { .rows = 12, .label_count = 3, .labels = labels, .splits = splits };

static Status weights_of(double **out, const char *text)
{
    static const Recipe empty;
    Recipe recipe = empty;
    snprintf(recipe.train.class_weights, sizeof recipe.train.class_weights, "%s", text);
    return classification_weights(out, &recipe, &data);
}

/// What sklearn.utils.class_weight.compute_class_weight("balanced") gives for the training rows.
static void balanced_weighs_rare_labels_more(void)
{
    double *weights;
    CHECK_EQ(weights_of(&weights, "balanced"), OK);
    CHECK_NEAR(weights[0], 10.0 / (3 * 6), 1e-15);
    CHECK_NEAR(weights[1], 10.0 / (3 * 3), 1e-15);
    CHECK_NEAR(weights[2], 10.0 / (3 * 1), 1e-15);
    mem_free(weights);
}

static void a_list_is_taken_by_label_id(void)
{
    double *weights;
    CHECK_EQ(weights_of(&weights, ""), OK);
    CHECK_TRUE(!weights);
    CHECK_EQ(weights_of(&weights, "[0.5, 3, 0]"), OK);
    CHECK_TRUE(weights[0] == 0.5 && weights[1] == 3 && weights[2] == 0);
    mem_free(weights);
    static const char *const wrong[] = { "[1, 2]",      "[1, 2, 3, 4]", "[1, 2, -1]", "[0, 0, 0]",
                                         "[1, 2, inf]", "[1, 2, 3",     "even",       "[1 2 3]" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQ(weights_of(&weights, wrong[i]), USAGE);
        CHECK_TRUE(!weights && strstr(status_message(), wrong[i]));
        status_clear();
    }
}

/// A step's loss is divided by the weights of its own rows' labels.
static void the_divisor_counts_weights(void)
{
    const Objective *objective = objective_find("text_classification");
    double weights[] = { 0.5, 3, 0 };
    int64_t rows[] = { 0, 5, 7, 9, 11 };
    Trainer trainer = { .data = &data };
    Batch batch = { .rows = rows, .count = 5 };
    CHECK_NEAR(objective->divisor(&trainer, &batch), 5, 0);
    trainer.class_weights = weights;
    CHECK_NEAR(objective->divisor(&trainer, &batch), 4, 0);
    batch = (Batch){ .rows = rows + 3, .count = 2 };
    CHECK_NEAR(objective->divisor(&trainer, &batch), 1, 0);
}

static const Case cases[] = {
    { "balanced weighs rare labels more", balanced_weighs_rare_labels_more },
    { "a list is taken by label id", a_list_is_taken_by_label_id },
    { "the divisor counts weights", the_divisor_counts_weights },
};

int main(int argc, char **argv)
{
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    return mem_live_blocks() ? 1 : code;
}
