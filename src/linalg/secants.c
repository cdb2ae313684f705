#include "linalg/secants.h"

double secants_dot(const double *a, const double *b, int64_t n)
{
    double sums[4] = { 0 };
    for (int64_t j = 0; j < n; j += 4)
        for (int64_t i = 0; i < 4; i++) sums[i] += a[j + i] * b[j + i];
    return sums[0] + sums[1] + (sums[2] + sums[3]);
}

void secants_start(Secants *out, double *memory, int64_t n)
{
    *out = (Secants){ .n = n, .steps = memory, .turns = memory + SECANTS * n };
}

void secants_add(Secants *s, const double *x1, const double *x, const double *g1, const double *g)
{
    int64_t n = s->n, at = s->count % SECANTS;
    double *step = s->steps + at * n, *turn = s->turns + at * n, curvature = 0;
    for (int64_t j = 0; j < n; j++) curvature += (x1[j] - x[j]) * (g1[j] - g[j]);
    if (!(curvature > 0)) return;
    for (int64_t j = 0; j < n; j++) {
        step[j] = x1[j] - x[j];
        turn[j] = g1[j] - g[j];
    }
    s->curvature[at] = curvature;
    s->count++;
}

static int64_t oldest(const Secants *s)
{
    return s->count < SECANTS ? 0 : s->count - SECANTS;
}

static void add(double *y, double factor, const double *x, int64_t n)
{
    for (int64_t j = 0; j < n; j++) y[j] += factor * x[j];
}

void secants_before(Secants *s, double *y)
{
    for (int64_t i = s->count - 1; i >= oldest(s); i--) {
        int64_t at = i % SECANTS;
        s->share[at] = secants_dot(s->steps + at * s->n, y, s->n) / s->curvature[at];
        add(y, -s->share[at], s->turns + at * s->n, s->n);
    }
}

void secants_after(const Secants *s, double *y)
{
    for (int64_t i = oldest(s); i < s->count; i++) {
        int64_t at = i % SECANTS;
        double share = secants_dot(s->turns + at * s->n, y, s->n) / s->curvature[at];
        add(y, s->share[at] - share, s->steps + at * s->n, s->n);
    }
}
