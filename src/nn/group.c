#include "nn/group.h"
#include "base/status.h"
#include "comm/exchange.h"
#include "linalg/vecmath.h"
#include "nn/columns.h"
#include "nn/ops.h"

#include <string.h>

enum { BLOCK = 8192 }; // elements; one thread takes one block

static size_t floats_bytes(int64_t count)
{
    return (size_t)count * sizeof(float);
}

int64_t group_heads(const Tape *tape, int64_t heads)
{
    int64_t size = tape_group_size(tape);
    return heads > size ? heads / size : heads > 0;
}

Span tape_tokens_of(const Tape *tape, int rank)
{
    int64_t tokens = tape_packing(tape)->tokens, size = tape_group_size(tape);
    int64_t blocks = (tokens + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    int64_t first = blocks * rank / size * COLUMN_BLOCK;
    int64_t end = blocks * (rank + 1) / size * COLUMN_BLOCK;
    if (end > tokens) end = tokens;
    return (Span){ first, first < end ? end - first : 0 };
}

static Span own_tokens(const Tape *tape)
{
    return tape_tokens_of(tape, tape_group_rank(tape));
}

/// out (count) = or += the sum of the parts, in their order.
static void add_up(float *out, const float *const *parts, int part_count, int64_t count, bool add)
{
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < count; at += BLOCK) {
        float sum[BLOCK];
        int64_t n = count - at < BLOCK ? count - at : BLOCK;
        memcpy(sum, parts[0] + at, floats_bytes(n));
        for (int p = 1; p < part_count; p++) vec_add(sum, parts[p] + at, n);
        if (add)
            vec_add(out + at, sum, n);
        else
            memcpy(out + at, sum, floats_bytes(n));
    }
}

/// out = or += the sum over ranks [first, first + ranks) of this rank's section of x.
static void sum_section(Tape *tape, float *out, const float *x, const Span *sections, int first,
                        int ranks, bool add)
{
    int own = tape_group_rank(tape) - first;
    int64_t count = sections[own].count;
    size_t mark = tape_scratch_begin(tape);
    float *received = tape_take(tape, floats_bytes(ranks * count));
    const float **parts = tape_take(tape, (size_t)ranks * sizeof *parts);
    Exchange *exchange = tape_exchange(tape);
    for (int i = 0; i < ranks; i++) {
        parts[i] = i == own ? x + sections[own].first : received + i * count;
        if (i == own) continue;
        exchange_receive(exchange, received + i * count, floats_bytes(count), first + i, 0);
        exchange_send(exchange, x + sections[i].first, floats_bytes(sections[i].count), first + i,
                      0);
    }
    exchange_finish(exchange);
    add_up(out, parts, ranks, count, add);
    tape_scratch_end(tape, mark);
}

/// Every rank's section of x, from the rank that has it.
static void share_sections(Tape *tape, float *x, const Span *sections, int first, int ranks)
{
    int own = tape_group_rank(tape) - first;
    Exchange *exchange = tape_exchange(tape);
    for (int i = 0; i < ranks; i++) {
        if (i == own) continue;
        exchange_receive(exchange, x + sections[i].first, floats_bytes(sections[i].count),
                         first + i, 0);
        exchange_send(exchange, x + sections[own].first, floats_bytes(sections[own].count),
                      first + i, 0);
    }
    exchange_finish(exchange);
}

void group_sum(Tape *tape, float *x, int64_t count, int first, int ranks)
{
    if (ranks == 1) return;
    size_t mark = tape_scratch_begin(tape);
    Span *sections = tape_take(tape, (size_t)ranks * sizeof *sections);
    for (int i = 0; i < ranks; i++) sections[i] = group_share(count, ranks, i);
    float *own = x + sections[tape_group_rank(tape) - first].first;
    sum_section(tape, own, x, sections, first, ranks, false);
    share_sections(tape, x, sections, first, ranks);
    tape_scratch_end(tape, mark);
}

/// The elements of every rank's tokens, in scratch.
static Span *token_sections(Tape *tape, int64_t cols)
{
    int size = tape_group_size(tape);
    Span *sections = tape_take(tape, (size_t)size * sizeof *sections);
    for (int i = 0; i < size; i++) {
        Span tokens = tape_tokens_of(tape, i);
        sections[i] = (Span){ tokens.first * cols, tokens.count * cols };
    }
    return sections;
}

/// y (T, cols) with this rank's tokens in place: everybody's.
static void share_tokens(Tape *tape, float *y, int64_t cols)
{
    size_t mark = tape_scratch_begin(tape);
    share_sections(tape, y, token_sections(tape, cols), 0, tape_group_size(tape));
    tape_scratch_end(tape, mark);
}

/// out (own tokens, cols) = or += the sum of x (T, cols) over the ranks.
static void sum_tokens(Tape *tape, float *out, const float *x, int64_t cols, bool add)
{
    size_t mark = tape_scratch_begin(tape);
    sum_section(tape, out, x, token_sections(tape, cols), 0, tape_group_size(tape), add);
    tape_scratch_end(tape, mark);
}

typedef struct {
    Var *y, *x;
    Weight *b;
    bool partial;
} Move;

static void gather_tokens_backward(Tape *tape, void *context)
{
    Move *op = context;
    const float *dy = tape_gradient(tape, op->y);
    int64_t cols = op->y->cols, own = own_tokens(tape).first * cols, n = op->x->rows * cols;
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
    if (op->partial)
        sum_tokens(tape, dx, dy, cols, !first);
    else
        add_up(dx, (const float *[]){ dy + own }, 1, n, !first);
}

Var *gather_tokens(Tape *tape, Var *x, bool partial)
{
    if (!x->own) return x;
    int64_t tokens = tape_packing(tape)->tokens;
    Span own = own_tokens(tape);
    Var *y = tape_var(tape, tokens, x->cols, x->needs_gradient);
    memcpy(y->value + own.first * x->cols, x->value, floats_bytes(own.count * x->cols));
    share_tokens(tape, y->value, x->cols);
    if (tape_records(tape, y)) {
        Move *op = tape_take(tape, sizeof *op);
        *op = (Move){ .y = y, .x = x, .partial = partial };
        tape_work(tape, 0, (double)(y->rows * y->cols) * sizeof(float));
        tape_record(tape, y, gather_tokens_backward, op);
    }
    return y;
}

static void scatter_tokens_backward(Tape *tape, void *context)
{
    Move *op = context;
    const float *dy = tape_gradient(tape, op->y);
    int64_t cols = op->y->cols, rows = op->y->rows, all = op->x->rows * cols;
    bool first;
    float *db = op->b ? weight_gradient_for(op->b, &first) : NULL;
    if (db) columns_sum(tape, db, dy, rows, cols, first);
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
    size_t mark = tape_scratch_begin(tape);
    float *whole = first ? dx : tape_take(tape, floats_bytes(all));
    memcpy(whole + own_tokens(tape).first * cols, dy, floats_bytes(rows * cols));
    share_tokens(tape, whole, cols);
    if (!first) add_up(dx, (const float *[]){ whole }, 1, all, true);
    tape_scratch_end(tape, mark);
}

Var *scatter_tokens(Tape *tape, Var *x, Weight *b)
{
    CHECK(x->rows == tape_packing(tape)->tokens, "scatter_tokens: a row must be a token");
    Var *y =
        tape_var(tape, own_tokens(tape).count, x->cols, x->needs_gradient || (b && b->gradient));
    y->own = true;
    sum_tokens(tape, y->value, x->value, x->cols, false);
    tape_needs(tape, b);
    for (int64_t r = 0; b && r < y->rows; r++) vec_add(y->value + r * y->cols, b->value, y->cols);
    if (tape_records(tape, y)) {
        Move *op = tape_take(tape, sizeof *op);
        *op = (Move){ .y = y, .x = x, .b = b };
        tape_uses(tape, b);
        tape_work(tape, 0, (double)(x->rows * x->cols) * sizeof(float));
        tape_record(tape, y, scatter_tokens_backward, op);
    }
    return y;
}

Var *gather_columns(Tape *tape, Var *x, int64_t all_columns)
{
    if (x->cols == all_columns) return x;
    CHECK(!tape_pass(tape)->training, "gather_columns has no way back");
    int size = tape_group_size(tape);
    Var *y = tape_var(tape, x->rows, all_columns, false);
    size_t mark = tape_scratch_begin(tape);
    int64_t *counts = tape_take(tape, (size_t)size * sizeof *counts);
    float *parts = tape_take(tape, floats_bytes(x->rows * all_columns));
    for (int i = 0; i < size; i++)
        counts[i] = (int64_t)floats_bytes(x->rows * group_share(all_columns, size, i).count);
    comm_gather_all(tape_group(tape), parts, x->value, counts);
    for (int i = 0; i < size; i++) {
        Span columns = group_share(all_columns, size, i);
        for (int64_t r = 0; r < x->rows; r++, parts += columns.count)
            memcpy(y->value + r * all_columns + columns.first, parts, floats_bytes(columns.count));
    }
    tape_scratch_end(tape, mark);
    return y;
}

Var *column_parallel(Tape *tape, Var *x, Weight *w, Weight *b)
{
    return linear(tape, gather_tokens(tape, x, true), w, b);
}

Var *row_parallel(Tape *tape, Var *x, Weight *w, Weight *b)
{
    if (!tape_group(tape)) return linear(tape, x, w, b);
    return scatter_tokens(tape, linear(tape, x, w, NULL), b);
}
