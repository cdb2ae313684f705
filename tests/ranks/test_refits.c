/* TEST ranks=1,2,3 labels=linalg timeout=120 */
#include "base/mem.h"
#include "base/pulse.h"
#include "linalg/gemm.h"
#include "linalg/logistic.h"
#include "support/check.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static Comm world, self;

/// Rows that classes overlap in, some of which alone decide where they are.
typedef struct {
    int64_t rows, features;
    int classes;
    bool intercept;
    int64_t lone; ///< the last class has this row alone; 0: it has as many as others
} Problem;

static double noise(int64_t i, int64_t j)
{
    uint64_t x = (uint64_t)(i * 1000 + j) * 0x9e3779b97f4a7c15u + 12345;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (double)(x >> 40) / (1 << 23) - 1;
}

static int32_t label_of(const Problem *p, int64_t row)
{
    if (!p->lone) return (int32_t)(row % p->classes);
    return (int32_t)(row == p->lone ? p->classes - 1 : row % (p->classes - 1));
}

static float feature(const Problem *p, int64_t row, int64_t j)
{
    bool is_far = row % 13 == 5, is_mistaken = row % 17 == 3;
    double centre = (row + is_mistaken) % p->classes == j % p->classes ? 0.8 : 0;
    return (float)((noise(row, j) + centre) * (is_far ? 25 : 1) + 0.3);
}

/// The rows of the problem that `comm` has between its ranks, all but one; -1: all.
static Samples samples_without(const Problem *p, const Comm *comm, int64_t without)
{
    Samples s = { .comm = comm,
                  .all_rows = p->rows - (without >= 0),
                  .features = p->features,
                  .classes = p->classes,
                  .intercept = p->intercept };
    RowBlocks blocks;
    row_blocks_init(&blocks, comm, s.all_rows);
    float *x = MEM_NEW(float, blocks.rows *s.features + 1);
    int32_t *labels = MEM_NEW(int32_t, blocks.rows + 1);
    for (int64_t i = 0; i < blocks.rows; i++) {
        int64_t row = blocks.first + i;
        row += without >= 0 && row >= without;
        labels[i] = label_of(p, row);
        for (int64_t j = 0; j < s.features; j++) x[i * s.features + j] = feature(p, row, j);
    }
    s.x = x;
    s.labels = labels;
    return s;
}

static void samples_release(Samples *s)
{
    mem_free((float *)(uintptr_t)s->x);
    mem_free((int32_t *)(uintptr_t)s->labels);
}

static LinearFit fit_over(const Comm *comm, const Problem *p, double lambda, LeaveOut how)
{
    LinearFit fit = { 0 };
    Samples s = samples_without(p, comm, -1);
    CHECK_EQ(solve_logistic(&fit, &s, &(Penalties){ &lambda, 1, how }), OK);
    samples_release(&s);
    return fit;
}

static LinearFit fit_of(const Problem *p, double lambda, LeaveOut how)
{
    return fit_over(&world, p, lambda, how);
}

/// The loss of a row by a model of all others.
static double loss_without(const Problem *p, int64_t row, double lambda)
{
    LinearFit fit = { 0 };
    Samples others = samples_without(p, &self, row);
    CHECK_EQ(solve_logistic(&fit, &others, &(Penalties){ &lambda, 1, LEAVE_OUT_STEP }), OK);
    float *x = MEM_NEW(float, p->features);
    int32_t label = label_of(p, row);
    for (int64_t j = 0; j < p->features; j++) x[j] = feature(p, row, j);
    others.all_rows = 1;
    Samples one = others;
    one.x = x;
    one.labels = &label;
    double loss = solve_loss(&fit, &one);
    linear_fit_release(&fit);
    samples_release(&others);
    mem_free(x);
    return loss;
}

static int64_t first_row(const Problem *p)
{
    RowBlocks blocks;
    row_blocks_init(&blocks, &world, p->rows);
    return blocks.first;
}

static int64_t own_rows(const Problem *p)
{
    RowBlocks blocks;
    row_blocks_init(&blocks, &world, p->rows);
    return blocks.rows;
}

/// Of a row of this rank.
static bool is_lone(const Problem *p, int64_t i)
{
    return p->lone && first_row(p) + i == p->lone;
}

/// By how much losses are off at most: of a row of this rank, and of the mean, of itself. A loss of
/// next to nothing is a difference of scores, and has no more digits than they.
typedef struct {
    double row, mean;
} Off;

static Off off_of(const Problem *p, const LinearFit *fit, const double *truth)
{
    Off off = { 0 };
    double sum = 0;
    for (int64_t i = 0; i < own_rows(p); i++) {
        CHECK_TRUE(isnan(fit->left_out[i]) == is_lone(p, i));
        if (is_lone(p, i)) continue;
        sum += truth[i];
        off.row = fmax(off.row, fabs(fit->left_out[i] - truth[i]) / (truth[i] + 1e-9));
    }
    comm_sum_doubles(&world, &sum, 1);
    off.mean = fabs(fit->error * (double)(p->rows - !!p->lone) - sum) / sum;
    return off;
}

static void check_losses(const Problem *p, double lambda)
{
    double *truth = MEM_NEW(double, own_rows(p) + 1);
    for (int64_t i = 0; i < own_rows(p); i++)
        truth[i] = is_lone(p, i) ? NAN : loss_without(p, first_row(p) + i, lambda);
    LinearFit exact = fit_of(p, lambda, LEAVE_OUT_EXACT);
    LinearFit step = fit_of(p, lambda, LEAVE_OUT_STEP);
    Off of_exact = off_of(p, &exact, truth), of_step = off_of(p, &step, truth);
    if (world.rank == 0)
        printf("%d classes%s, penalty %g: off by %.1e (a row %.1e), a step by %.1e; %.1f trials a "
               "row, %lld rows alone\n",
               p->classes, p->intercept ? "" : ", no intercept", lambda, of_exact.mean,
               of_exact.row, of_step.mean, (double)exact.trials / (double)p->rows,
               (long long)exact.alone);
    CHECK_TRUE(of_exact.row < 1e-5 && of_exact.mean < 1e-6 && exact.alone < p->rows / 2);
    if (lambda < 0.1) CHECK_TRUE(of_step.mean > 1e-3); // the control
    linear_fit_release(&exact);
    linear_fit_release(&step);
    if (lambda == 0.03) { // most of them by Newton's method
        refit_trials = 1;
        LinearFit alone = fit_of(p, lambda, LEAVE_OUT_EXACT);
        refit_trials = REFIT_TRIALS;
        Off of_alone = off_of(p, &alone, truth);
        CHECK_TRUE(of_alone.row < 1e-5 && of_alone.mean < 1e-6 && alone.alone > p->rows / 2);
        linear_fit_release(&alone);
    }
    mem_free(truth);
}

static const double penalties[] = { 0.001, 0.03, 1, 100 };

static void check_problem(Problem p)
{
    for (int i = 0; i < 4; i++) check_losses(&p, penalties[i]);
}

static void two_classes(void)
{
    check_problem((Problem){ 60, 7, 2, true, 0 });
    check_problem((Problem){ 60, 7, 2, false, 0 });
}

static void four_classes(void)
{
    check_problem((Problem){ 32, 6, 4, true, 0 });
    check_problem((Problem){ 32, 6, 4, false, 0 });
}

/// Without it nothing holds the intercept of its class: it counts for nothing, others as ever.
static void a_class_of_one_row(void)
{
    Problem p = { 40, 5, 3, true, 7 };
    check_losses(&p, 0.03);
    CHECK_EQ(refit_shape(p.rows, 1, 64).parts, 2); // more rows than are on their way at once
}

static bool same(const LinearFit *a, const LinearFit *b, const Problem *p)
{
    size_t bytes = (size_t)(p->features * p->classes) * sizeof(double);
    return a->error == b->error && a->trials == b->trials && a->alone == b->alone &&
           !memcmp(a->weights, b->weights, bytes);
}

/// Of one rank with one thread; of several parts, some of whose rows are solved alone.
static void bits_are_those_of_one(void)
{
    Problem p = { 260, 70, 2, true, 0 };
    refit_trials = 4;
    LinearFit alone = fit_over(&self, &p, 0.01, LEAVE_OUT_EXACT);
    CHECK_TRUE(alone.alone > 0 && alone.alone < p.rows / 2);
    CHECK_TRUE(refit_shape(p.rows, 1, 128).parts > 3);
    for (int threads = 1; threads <= 3 - (world.size > 2); threads++) {
        omp_set_num_threads(threads);
        LinearFit fit = fit_of(&p, 0.01, LEAVE_OUT_EXACT);
        CHECK_TRUE(same(&fit, &alone, &p));
        for (int64_t i = 0; i < own_rows(&p); i++)
            CHECK_TRUE(fit.left_out[i] == alone.left_out[first_row(&p) + i]);
        linear_fit_release(&fit);
    }
    omp_set_num_threads(1);
    refit_trials = REFIT_TRIALS;
    linear_fit_release(&alone);
}

/// By the number of operations, whatever the ranks.
static void auto_has_a_limit(void)
{
    SolveShape sms = { 5017, 384, 2, true, 2, 9, LEAVE_OUT_AUTO }, many = sms;
    CHECK_NEAR(solve_refit_flops(&sms), 9 * (24.0 * 5017 * 5017 * 448 + 14.0 * 5017 * 448 * 448),
               1);
    CHECK_TRUE(solve_refits(&sms));
    many.all_rows = 50000;
    CHECK_TRUE(!solve_refits(&many));
    many.leave_out = LEAVE_OUT_EXACT;
    sms.leave_out = LEAVE_OUT_STEP;
    CHECK_TRUE(solve_refits(&many) && !solve_refits(&sms));
}

static void add_nothing(double *out, RowBlock block, void *context)
{
    (void)out, (void)block, (void)context;
}

/// A rank alone has no messages that would tell a watchdog that it goes on.
static void sums_tell_that_they_go_on(void)
{
    Pulse watched = { 0 };
    RowBlocks blocks;
    double sum;
    row_blocks_init(&blocks, &self, 1000);
    pulse_move(&watched);
    row_blocks_sum(&blocks, &sum, 1, add_nothing, NULL);
    CHECK_TRUE(watched.progress >= blocks.blocks);
    pulse_move(NULL);
}

static const Case cases[] = {
    { "two_classes", two_classes },
    { "four_classes", four_classes },
    { "a_class_of_one_row", a_class_of_one_row },
    { "bits_are_those_of_one", bits_are_those_of_one },
    { "auto_has_a_limit", auto_has_a_limit },
    { "sums_tell_that_they_go_on", sums_tell_that_they_go_on },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    gemm_start();
    self = comm_split(&world, world.rank);
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_release(&self);
    comm_stop(&world);
    return result;
}
