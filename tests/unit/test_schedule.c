/* TEST labels=train timeout=20 */
#include "support/check.h"
#include "train/schedule.h"

/// transformers' get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup (5.23) for a
/// peak of 1, 4 warm-up steps and a horizon of 12.
static void against_transformers(void)
{
    static const struct {
        const char *name;
        double rates[13];
    } rows[] = {
        { "linear", { 0, .25, .5, .75, 1, .875, .75, .625, .5, .375, .25, .125, 0 } },
        { "cosine",
          { 0, .25, .5, .75, 1, 0.96193976625564337, 0.85355339059327373, 0.69134171618254492, 0.5,
            0.30865828381745514, 0.14644660940672627, 0.038060233744356631, 0 } },
        { "constant", { 0, .25, .5, .75, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
    };
    TrainOptions options = { .learning_rate = 1 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        strcpy(options.lr_scheduler_type, rows[i].name);
        for (int step = 0; step < 13; step++)
            CHECK_NEAR(schedule_learning_rate(&options, step, 4, 12), rows[i].rates[step], 1e-15);
    }
}

static void warmup_rounds_up(void)
{
    TrainOptions options = { .warmup_ratio = 0.1 };
    CHECK_EQ(schedule_warmup(&options, 251), 26);
    CHECK_EQ(schedule_warmup(&options, 250), 25);
    options.warmup_steps = 7;
    CHECK_EQ(schedule_warmup(&options, 250), 7);
}

static const Case cases[] = { { "against transformers", against_transformers },
                              { "warm-up rounds up", warmup_rounds_up } };

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, 2);
}
