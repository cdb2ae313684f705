/* TEST labels=linalg timeout=60 */
#include "support/check.h"
#include "linalg/elementary.h"

#include <stdlib.h>

// Against libm in double, over steps through all floats.

typedef struct {
    const char *name;
    void (*lanes)(float *y, const float *x);
    double (*exact)(double x);
    double absolute, relative; ///< error allowed: the sum of both
} Function;

KERNEL static void exp_of(float *restrict y, const float *restrict x)
{
    for (int i = 0; i < LANES; i++) y[i] = kernel_exp(x[i]);
}
KERNEL static void tanh_of(float *restrict y, const float *restrict x)
{
    for (int i = 0; i < LANES; i++) y[i] = kernel_tanh(x[i]);
}
KERNEL static void sigmoid_of(float *restrict y, const float *restrict x)
{
    for (int i = 0; i < LANES; i++) y[i] = kernel_sigmoid(x[i]);
}
KERNEL static void normal_of(float *restrict y, const float *restrict x)
{
    float bell;
    for (int i = 0; i < LANES; i++) y[i] = kernel_normal(&bell, x[i]);
}
KERNEL static void bell_of(float *restrict y, const float *restrict x)
{
    for (int i = 0; i < LANES; i++) (void)kernel_normal(&y[i], x[i]);
}
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double normal(double x)
{
    return erfc(-x / sqrt(2)) / 2;
}
static double bell(double x)
{
    return exp(-x * x / 2);
}

// exp(-x^2 / 2) inherits the rounding of x^2 / 2, so its tail has an absolute bound.
static const Function functions[] = {
    { "exp", exp_of, exp, 1.5e-45, 2e-7 },
    { "tanh", tanh_of, tanh, 0, 4e-7 },
    { "sigmoid", sigmoid_of, sigmoid, 2e-38, 3e-7 },
    { "normal", normal_of, normal, 2e-7, 0 },
    { "bell", bell_of, bell, 2e-7, 0 },
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static void check_lanes(const Function *f, const float *x)
{
    float y[LANES];
    f->lanes(y, x);
    for (int i = 0; i < LANES; i++) {
        double exact = f->exact((double)x[i]);
        if (isnan(exact) ? isnan(y[i]) : (float)exact == y[i]) continue;
        if (!(fabs((double)y[i] - exact) <= f->absolute + f->relative * fabs(exact)))
            check_failed(__FILE__, __LINE__, "%s(%a) is %a, expected %a", f->name, (double)x[i],
                         (double)y[i], exact);
    }
}

static void all_magnitudes(void)
{
    for (int k = 0; k < FUNCTIONS; k++) {
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 16 * 4099) {
            float x[LANES];
            for (uint32_t i = 0; i < LANES; i++) {
                uint32_t of_lane = (uint32_t)bits + i * 4099;
                memcpy(&x[i], &of_lane, sizeof x[i]);
            }
            check_lanes(&functions[k], x);
        }
    }
}

static void usual_range(void)
{
    for (int k = 0; k < FUNCTIONS; k++) {
        for (int step = -200000; step < 200000; step += LANES) {
            float x[LANES];
            for (int i = 0; i < LANES; i++) x[i] = (float)(step + i) * 6e-4f;
            check_lanes(&functions[k], x);
        }
    }
}

static void special_values(void)
{
    const float special[LANES] = { 0,       -0.0f,    INFINITY, -INFINITY, NAN,     1e-45f,
                                   -1e-45f, 1e-38f,   88.72f,   88.73f,    -103.9f, -104.1f,
                                   3.4e38f, -3.4e38f, -87.4f,   20 };
    for (int k = 0; k < FUNCTIONS; k++) check_lanes(&functions[k], special);
}

KERNEL static void reduce_of(float *sum, float *greatest, const float *x)
{
    *sum = lanes_sum(x);
    *greatest = lanes_greatest(x);
}

static void reductions(void)
{
    for (int at = 0; at < LANES; at++) {
        float x[LANES], tree[LANES], sum, greatest;
        for (int i = 0; i < LANES; i++) tree[i] = x[i] = (float)(i * i % 7) / 3;
        x[at] = tree[at] = 5.5f + (float)at;
        reduce_of(&sum, &greatest, x);
        for (int half = LANES / 2; half; half /= 2)
            for (int i = 0; i < half; i++) tree[i] += tree[i + half];
        CHECK_TRUE(sum == tree[0]);
        CHECK_TRUE(greatest == x[at]);
    }
}

static const Case cases[] = {
    { "all_magnitudes", all_magnitudes },
    { "usual_range", usual_range },
    { "special_values", special_values },
    { "reductions", reductions },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
