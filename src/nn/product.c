#include "nn/product.h"
#include "base/status.h"
#include "linalg/vecmath.h"

bool product_start(const char *name, const Var *x, const Weight *w, const Weight *b)
{
    CHECK(x->cols == w->cols, "%s: %lld columns meet a weight of %lld", name, (long long)x->cols,
          (long long)w->cols);
    CHECK(!b || (b->rows == 1 && b->cols == w->rows), "%s: the bias does not fit the weight", name);
    CHECK(!w->touched && (!b || !b->touched), "%s: a lookup table has no dense gradient", name);
    return x->needs_gradient || w->gradient || (b && b->gradient);
}

void product_uses(Tape *tape, Weight *w, Weight *b, int64_t rows)
{
    double m = (double)rows, n = (double)w->rows, k = (double)w->cols;
    tape_uses(tape, w);
    tape_uses(tape, b);
    tape_work(tape, 2 * m * n * k, (m * k + k * n + m * n) * sizeof(float));
}

void product_add_bias(Var *y, const Weight *b)
{
    for (int64_t r = 0; b && r < y->rows; r++) vec_add(y->value + r * y->cols, b->value, y->cols);
}
