#include "nn/ops.h"
#include "base/status.h"
#include "linalg/kernel.h"
#include "nn/group.h"

#include <math.h>
#include <string.h>

struct Rotary {
    int64_t half;                 ///< pairs of a head
    int64_t first;                ///< place of the first row
    const float *cosines, *sines; ///< (places, half)
};

// In float where transformers is: angles of late places are rounded, and both must agree on them.
const Rotary *rotary_table(Tape *tape, const float *frequencies, int64_t half)
{
    const Packing *packing = tape_packing(tape);
    int64_t end = packing_end(packing), first = end;
    for (int64_t i = 0; i < packing->sequences; i++)
        first = packing_past(packing, i) < first ? packing_past(packing, i) : first;
    int64_t places = end - first;
    float *values = tape_take(tape, (size_t)(2 * places * half) * sizeof(float));
    Rotary *table = tape_take(tape, sizeof *table);
    *table = (Rotary){ half, first, values, values + places * half };
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < places; p++) {
        for (int64_t i = 0; i < half; i++) {
            float angle = (float)(first + p) * frequencies[i];
            values[p * half + i] = (float)cos((double)angle);
            values[(places + p) * half + i] = (float)sin((double)angle);
        }
    }
    return table;
}

typedef struct {
    Var *y, *x;
    const Rotary *table;
    int64_t heads;
} Rotate;

/// out = or += in, its heads turned by the angles of their place (sign -1: back).
KERNEL static void rotate_row(float *restrict out, const float *restrict in,
                              const float *restrict cosines, const float *restrict sines,
                              float sign, bool first, int64_t heads, int64_t half)
{
    for (int64_t h = 0; h < heads; h++) {
        const float *a = in + 2 * h * half, *b = a + half;
        float *restrict p = out + 2 * h * half, *restrict q = p + half;
        for (int64_t i = 0; i < half; i++) {
            float s = sign * sines[i], x = a[i] * cosines[i] - b[i] * s;
            float y = b[i] * cosines[i] + a[i] * s;
            p[i] = first ? x : p[i] + x;
            q[i] = first ? y : q[i] + y;
        }
    }
}

KERNEL static void copy_rest(float *restrict out, const float *restrict in, bool first, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = first ? in[i] : out[i] + in[i];
}

static void turn(Tape *tape, const Rotate *op, float *out, const float *in, float sign, bool first)
{
    const Packing *packing = tape_packing(tape);
    int64_t half = op->table->half, cols = op->x->cols, turned = 2 * op->heads * half;
#pragma omp parallel for schedule(dynamic)
    for (int64_t s = 0; s < packing->sequences; s++) {
        int64_t start = packing->cu_seqlens[s];
        for (int64_t t = start; t < packing->cu_seqlens[s + 1]; t++) {
            int64_t place = packing_past(packing, s) + t - start - op->table->first;
            rotate_row(out + t * cols, in + t * cols, op->table->cosines + place * half,
                       op->table->sines + place * half, sign, first, op->heads, half);
            copy_rest(out + t * cols + turned, in + t * cols + turned, first, cols - turned);
        }
    }
}

static void rotary_backward(Tape *tape, void *context)
{
    Rotate *op = context;
    const float *dy = tape_gradient(tape, op->y);
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (dx) turn(tape, op, dx, dy, -1, first);
}

Var *rotary(Tape *tape, Var *x, const Rotary *table, int64_t heads, int64_t kv_heads)
{
    heads = group_heads(tape, heads) + group_heads(tape, kv_heads);
    CHECK(x->rows == tape_packing(tape)->tokens, "rotary: a row must be a token");
    CHECK(x->cols >= 2 * heads * table->half, "rotary: %lld columns for %lld heads",
          (long long)x->cols, (long long)heads);
    Var *y = tape_var(tape, x->rows, x->cols, x->needs_gradient);
    Rotate *op = tape_take(tape, sizeof *op);
    *op = (Rotate){ y, x, table, heads };
    turn(tape, op, y->value, x->value, 1, true);
    if (tape_records(tape, y)) {
        tape_work(tape, 0, 2 * (double)(x->rows * x->cols) * sizeof(float));
        tape_record(tape, y, rotary_backward, op);
    }
    return y;
}
