#include "nn/slices.h"
#include "base/status.h"
#include "comm/exchange.h"
#include "linalg/tree.h"
#include "linalg/vecmath.h"
#include "nn/columns.h"
#include "nn/ops.h"

#include <string.h>

static size_t floats_bytes(int64_t count)
{
    return (size_t)count * sizeof(float);
}

int64_t group_heads(const Tape *tape, int64_t heads)
{
    int64_t size = tape_group_size(tape);
    return heads > size ? heads / size : heads > 0;
}

Span group_token_span(int64_t tokens, int size, int rank)
{
    int64_t blocks = (tokens + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    int64_t first = blocks * rank / size * COLUMN_BLOCK;
    int64_t end = blocks * (rank + 1) / size * COLUMN_BLOCK;
    if (end > tokens) end = tokens;
    return (Span){ first, first < end ? end - first : 0 };
}

Span tape_tokens_of(const Tape *tape, int rank)
{
    return group_token_span(tape_packing(tape)->tokens, tape_group_size(tape), rank);
}

static Span own_tokens(const Tape *tape)
{
    return tape_tokens_of(tape, tape_group_rank(tape));
}

static GroupRanks whole_group(const Tape *tape)
{
    return (GroupRanks){ 0, tape_group_size(tape), tape_slices(tape) };
}

/// Lists what a rank's subtrees are of my section, from x (subtrees, count) or to be received.
static void list_summands(Tape *tape, Summand *parts, const float *x, int64_t count, Span section,
                          Span run, int rank)
{
    int64_t end = run.first + run.count;
    for (int64_t at = run.first; at < end; at += parts[at].size) {
        parts[at].size = tree_subtree(at, end);
        if (rank == tape_group_rank(tape)) {
            parts[at].data = x + section.first;
            x += count;
            continue;
        }
        float *received = tape_take(tape, floats_bytes(section.count));
        exchange_receive(tape_exchange(tape), received, floats_bytes(section.count), rank, 0);
        parts[at].data = received;
    }
}

/// Starts out = or += the sum over all slices of this rank's section of x (subtrees, count).
static GroupSum start_sum(Tape *tape, float *out, const float *x, int64_t count,
                          const Span *sections, GroupRanks ranks, bool add)
{
    int own = tape_group_rank(tape) - ranks.first;
    Span mine = group_share(ranks.slices, ranks.count, own);
    int64_t subtrees = tree_subtrees(mine.first, mine.count);
    size_t bytes = (size_t)ranks.slices * sizeof(Summand);
    Summand *parts = memset(tape_take(tape, bytes), 0, bytes);
    for (int i = 0; i < ranks.count; i++) {
        list_summands(tape, parts, x, count, sections[own],
                      group_share(ranks.slices, ranks.count, i), ranks.first + i);
        for (int64_t k = 0; k < subtrees && i != own; k++)
            exchange_send(tape_exchange(tape), x + k * count + sections[i].first,
                          floats_bytes(sections[i].count), ranks.first + i, 0);
    }
    return (GroupSum){ out, sections[own].count, parts, ranks, add, NULL, NULL };
}

/// Starts the messages that give every rank the others' sections of x.
static void start_sharing(Tape *tape, float *x, const Span *sections, GroupRanks ranks)
{
    int own = tape_group_rank(tape) - ranks.first;
    Exchange *exchange = tape_exchange(tape);
    for (int i = 0; i < ranks.count; i++) {
        if (i == own) continue;
        exchange_receive(exchange, x + sections[i].first, floats_bytes(sections[i].count),
                         ranks.first + i, 0);
        exchange_send(exchange, x + sections[own].first, floats_bytes(sections[own].count),
                      ranks.first + i, 0);
    }
}

/// Starts out (count) = or += the sum over all slices of x (subtrees, count).
static GroupSum start_sum_of_all(Tape *tape, float *out, const float *x, int64_t count,
                                 GroupRanks ranks, bool add)
{
    Span *sections = tape_take(tape, (size_t)ranks.count * sizeof *sections);
    for (int i = 0; i < ranks.count; i++) sections[i] = group_share(count, ranks.count, i);
    int64_t own = sections[tape_group_rank(tape) - ranks.first].first;
    GroupSum sum = start_sum(tape, out + own, x, count, sections, ranks, add);
    sum.all = out;
    sum.sections = sections;
    return sum;
}

void group_sum_finish(Tape *tape, const GroupSum *sum)
{
    exchange_finish(tape_exchange(tape));
    slices_add_up(sum->out, sum->parts, sum->ranks.slices, sum->count, sum->add);
    if (!sum->all) return;
    start_sharing(tape, sum->all, sum->sections, sum->ranks);
    exchange_finish(tape_exchange(tape));
}

void group_move(void *tape)
{
    Exchange *exchange = tape_exchange(tape);
    if (exchange) exchange_test(exchange);
}

GroupSum group_sum_slices(Tape *tape, float *out, const float *x, int64_t count, bool add)
{
    return start_sum_of_all(tape, out, x, count, whole_group(tape), add);
}

void group_sum(Tape *tape, float *x, int64_t count, int first, int ranks)
{
    if (ranks == 1) return;
    size_t mark = tape_scratch_begin(tape);
    GroupSum sum = start_sum_of_all(tape, x, x, count, (GroupRanks){ first, ranks, ranks }, false);
    group_sum_finish(tape, &sum);
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

void group_share_tokens(Tape *tape, float *x, const float *own, int64_t cols)
{
    Span tokens = own_tokens(tape);
    memcpy(x + tokens.first * cols, own, floats_bytes(tokens.count * cols));
    size_t mark = tape_scratch_begin(tape);
    start_sharing(tape, x, token_sections(tape, cols), whole_group(tape));
    tape_scratch_end(tape, mark);
}

void group_share_finish(Tape *tape)
{
    exchange_finish(tape_exchange(tape));
}

GroupSum group_sum_tokens(Tape *tape, float *out, const float *x, int64_t cols, bool add)
{
    return start_sum(tape, out, x, tape_packing(tape)->tokens * cols, token_sections(tape, cols),
                     whole_group(tape), add);
}

static Span blocks_of(const Tape *tape, int rank)
{
    Span tokens = tape_tokens_of(tape, rank);
    return (Span){ tokens.first / COLUMN_BLOCK, (tokens.count + COLUMN_BLOCK - 1) / COLUMN_BLOCK };
}

TokenBlocks token_blocks(const Tape *tape, const Var *x)
{
    int64_t all = column_blocks(x->own ? tape_packing(tape)->tokens : x->rows);
    bool some = x->own && tape_packing(tape)->tokens; // of no tokens every rank makes the one block
    return (TokenBlocks){ all, some ? blocks_of(tape, tape_group_rank(tape)) : (Span){ 0, all } };
}

void token_blocks_share(Tape *tape, const Var *x, float *const *sums, int count, int64_t cols)
{
    int size = tape_group_size(tape);
    if (!x->own || !tape_packing(tape)->tokens || size == 1) return;
    size_t mark = tape_scratch_begin(tape);
    Span *sections = tape_take(tape, (size_t)size * sizeof *sections);
    for (int i = 0; i < size; i++) {
        Span blocks = blocks_of(tape, i);
        sections[i] = (Span){ blocks.first * cols, blocks.count * cols };
    }
    for (int i = 0; i < count; i++)
        if (sums[i]) start_sharing(tape, sums[i], sections, whole_group(tape));
    exchange_finish(tape_exchange(tape));
    tape_scratch_end(tape, mark);
}

typedef struct {
    Var *y, *x;
} Move;

static void gather_tokens_backward(Tape *tape, void *context)
{
    Move *op = context;
    int64_t cols = op->y->cols, n = op->x->rows * cols;
    const float *dy = tape_gradient(tape, op->y) + own_tokens(tape).first * cols;
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
    if (first)
        memcpy(dx, dy, floats_bytes(n));
    else
        vec_add(dx, dy, n);
}

Var *gather_tokens(Tape *tape, Var *x)
{
    if (!x->own) return x;
    int64_t tokens = tape_packing(tape)->tokens;
    Var *y = tape_var(tape, tokens, x->cols, x->needs_gradient);
    group_share_tokens(tape, y->value, x->value, x->cols);
    group_share_finish(tape);
    if (tape_records(tape, y)) {
        Move *op = tape_take(tape, sizeof *op);
        *op = (Move){ y, x };
        tape_work(tape, 0, (double)(y->rows * y->cols) * sizeof(float));
        tape_record(tape, y, gather_tokens_backward, op);
    }
    return y;
}

static void scatter_tokens_backward(Tape *tape, void *context)
{
    Move *op = context;
    const float *dy = tape_gradient(tape, op->y);
    int64_t cols = op->y->cols;
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
    CHECK(first, "scatter_tokens: something else was made of the input");
    group_share_tokens(tape, dx, dy, cols);
    group_share_finish(tape);
}

Var *scatter_tokens(Tape *tape, Var *x)
{
    CHECK(x->rows == tape_packing(tape)->tokens, "scatter_tokens: a row must be a token");
    int size = tape_group_size(tape);
    Var *y = tape_var(tape, own_tokens(tape).count, x->cols, x->needs_gradient);
    y->own = true;
    size_t mark = tape_scratch_begin(tape);
    GroupSum sum = start_sum(tape, y->value, x->value, x->rows * x->cols,
                             token_sections(tape, x->cols), (GroupRanks){ 0, size, size }, false);
    group_sum_finish(tape, &sum);
    tape_scratch_end(tape, mark);
    if (tape_records(tape, y)) {
        Move *op = tape_take(tape, sizeof *op);
        *op = (Move){ y, x };
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

void group_columns_sum(Tape *tape, float *out, const Var *y, const float *dy, bool first)
{
    size_t mark = tape_scratch_begin(tape);
    TokenBlocks blocks = token_blocks(tape, y);
    float *sums = tape_take(tape, floats_bytes(blocks.all * y->cols));
    if (blocks.own.count)
        columns_block_sums(sums + blocks.own.first * y->cols, dy, y->rows, y->cols);
    token_blocks_share(tape, y, &sums, 1, y->cols);
    columns_add_up(out, sums, blocks.all, y->cols, first);
    tape_scratch_end(tape, mark);
}
