#include "train/schedule.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/// Share of the peak at `progress` in [0, 1] of the way from the end of warm-up to the horizon.
static double linear(double progress)
{
    return 1 - progress;
}

static double cosine(double progress)
{
    return 0.5 * (1 + cos(pi * progress));
}

static double constant(double progress)
{
    (void)progress;
    return 1;
}

static const struct {
    const char *name;
    double (*share)(double progress);
} schedules[] = { { "linear", linear }, { "cosine", cosine }, { "constant", constant } };

double schedule_learning_rate(const TrainOptions *options, int64_t step, int64_t warmup,
                              int64_t horizon)
{
    double peak = options->learning_rate;
    if (step < warmup) return peak * (double)step / (double)warmup;
    double progress = horizon > warmup ? (double)(step - warmup) / (double)(horizon - warmup) : 1;
    if (progress > 1) progress = 1;
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++)
        if (!strcmp(schedules[i].name, options->lr_scheduler_type))
            return peak * schedules[i].share(progress);
    return peak;
}

int64_t schedule_warmup(const TrainOptions *options, int64_t horizon)
{
    if (options->warmup_steps > 0) return options->warmup_steps;
    return (int64_t)ceil(options->warmup_ratio * (double)horizon);
}
