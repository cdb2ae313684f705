#include "nn/ops.h"
#include "nn/columns.h"
#include "base/status.h"
#include "linalg/kernel.h"
#include "nn/group.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    Var *y;
    Weight *word, *position, *type;
    int64_t offset;
} Embedding;

KERNEL static void add_rows(float *restrict y, const float *a, const float *b, const float *c,
                            int64_t cols)
{
    if (b && c)
        for (int64_t i = 0; i < cols; i++) y[i] = a[i] + c[i] + b[i];
    else if (b || c)
        for (int64_t i = 0; i < cols; i++) y[i] = a[i] + (b ? b : c)[i];
    else
        memcpy(y, a, (size_t)cols * sizeof(float));
}

/// The row of each table that a token reads.
static int32_t word_row(const Packing *packing, int64_t offset, int64_t sequence, int64_t token)
{
    (void)offset, (void)sequence;
    return packing->ids[token];
}
static int32_t position_row(const Packing *packing, int64_t offset, int64_t sequence, int64_t token)
{
    return (int32_t)(packing_past(packing, sequence) + token - packing->cu_seqlens[sequence] +
                     offset);
}
static int32_t type_row(const Packing *packing, int64_t offset, int64_t sequence, int64_t token)
{
    (void)offset, (void)sequence;
    return packing->types ? packing->types[token] : 0;
}
typedef int32_t (*RowOf)(const Packing *packing, int64_t offset, int64_t sequence, int64_t token);

/// Tokens ordered by the row they read, so that a row's gradient is one sum.
typedef struct {
    int64_t groups;
    int64_t *starts; ///< (groups + 1) into tokens
    int32_t *rows;   ///< (groups), ascending
    int32_t *tokens; ///< (tokens), ascending within a group
} Groups;

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/// Of the tokens whose row this rank has. Taken from the tape.
static Groups group_tokens(Tape *tape, const Embedding *op, const Weight *table, RowOf row_of)
{
    const Packing *packing = tape_packing(tape);
    size_t most = (size_t)packing->tokens, count = 0;
    uint64_t *keys = tape_take(tape, most * sizeof *keys);
    Groups groups = { .starts = tape_take(tape, (most + 1) * sizeof *groups.starts),
                      .rows = tape_take(tape, most * sizeof *groups.rows),
                      .tokens = tape_take(tape, most * sizeof *groups.tokens) };
    for (int64_t s = 0; s < packing->sequences; s++)
        for (int64_t t = packing->cu_seqlens[s]; t < packing->cu_seqlens[s + 1]; t++) {
            int64_t row = row_of(packing, op->offset, s, t) - table->first_row;
            if (row >= 0 && row < table->rows) keys[count++] = (uint64_t)row << 32 | (uint32_t)t;
        }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 0; i < count; i++) {
        groups.tokens[i] = (int32_t)(uint32_t)keys[i];
        if (i && keys[i] >> 32 == keys[i - 1] >> 32) continue;
        groups.rows[groups.groups] = (int32_t)(keys[i] >> 32);
        groups.starts[groups.groups++] = (int64_t)i;
    }
    groups.starts[groups.groups] = (int64_t)count;
    return groups;
}

/// Sums of n <= 16 columns over tokens: blocks of 64 in order, then pairwise, merged as the carries
/// of a binary counter.
KERNEL_INLINE void gathered_columns(float *restrict out, const float *restrict dy,
                                    const int32_t *restrict tokens, int64_t count, int64_t cols,
                                    bool first, int n)
{
    float level[40][LANES];
    int depth = 0;
    for (int64_t b = 0; b * COLUMN_BLOCK < count; b++) {
        int64_t end = (b + 1) * COLUMN_BLOCK < count ? (b + 1) * COLUMN_BLOCK : count;
        float sum[LANES] = { 0 };
        for (int64_t k = b * COLUMN_BLOCK; k < end; k++)
            LANE_LOOP(l, n) sum[l] += dy[tokens[k] * cols + l];
        for (int64_t index = b; index & 1; index >>= 1, depth--)
            LANE_LOOP(l, n) sum[l] = level[depth - 1][l] + sum[l];
        memcpy(level[depth++], sum, sizeof sum);
    }
    for (; depth > 1; depth--) LANE_LOOP(l, n) level[depth - 2][l] += level[depth - 1][l];
    LANE_LOOP(l, n) out[l] = level[0][l] + (first ? 0 : out[l]);
}

KERNEL static void gather_sum(float *restrict out, const float *restrict dy, const int32_t *tokens,
                              int64_t count, int64_t cols, bool first)
{
    int64_t i = 0;
    for (; i + LANES <= cols; i += LANES)
        gathered_columns(out + i, dy + i, tokens, count, cols, first, LANES);
    if (i < cols) gathered_columns(out + i, dy + i, tokens, count, cols, first, (int)(cols - i));
}

/// Makes room in `touched` for rows that it lacks, filled with 0. From the end, so in place.
static void merge_rows(TouchedRows *touched, const Groups *groups)
{
    int64_t count = touched->count, cols = touched->cols, old = count - 1;
    size_t bytes = (size_t)cols * sizeof(float);
    for (int64_t g = 0, have = 0; g < groups->groups; g++) {
        while (have < touched->count && touched->ids[have] < groups->rows[g]) have++;
        count += have == touched->count || touched->ids[have] != groups->rows[g];
    }
    CHECK(count <= touched->capacity, "a leaf touches more than %lld rows of a table",
          (long long)touched->capacity);
    touched->count = count;
    for (int64_t to = count - 1, g = groups->groups - 1; g >= 0; to--) {
        int32_t id = groups->rows[g];
        float *row = touched->rows + to * cols;
        if (old >= 0 && touched->ids[old] >= id) {
            g -= touched->ids[old] == id;
            touched->ids[to] = touched->ids[old];
            memmove(row, touched->rows + old-- * cols, bytes);
        } else {
            g--;
            touched->ids[to] = id;
            memset(row, 0, bytes);
        }
    }
}

/// Where the sums of the groups go: places[g] is a row of the table's gradient.
static float *table_rows(Weight *table, const Groups *groups, int64_t *places, bool *first)
{
    TouchedRows *touched = table->touched;
    if (!touched) {
        float *rows = weight_gradient_for(table, first);
        for (int64_t g = 0; g < groups->groups; g++) places[g] = groups->rows[g];
        if (*first) memset(rows, 0, (size_t)(table->rows * table->cols) * sizeof(float));
        return rows;
    }
    CHECK(table->awaited, "a gradient is written that no record announced: tape_uses is missing");
    *first = !table->written;
    table->written = true;
    if (*first) touched->count = 0;
    merge_rows(touched, groups);
    for (int64_t g = 0, place = 0; g < groups->groups; g++) {
        while (touched->ids[place] != groups->rows[g]) place++;
        places[g] = place;
    }
    return touched->rows;
}

static void table_backward(Tape *tape, const Embedding *op, Weight *table, RowOf row_of)
{
    if (!table || (!table->gradient && !table->touched)) return;
    const float *dy = tape_gradient(tape, op->y);
    int64_t cols = op->y->cols;
    bool first;
    size_t mark = tape_scratch_begin(tape);
    Groups groups = group_tokens(tape, op, table, row_of);
    int64_t *places = tape_take(tape, (size_t)groups.groups * sizeof *places);
    float *rows = table_rows(table, &groups, places, &first);
#pragma omp parallel for schedule(dynamic, 8)
    for (int64_t g = 0; g < groups.groups; g++)
        gather_sum(rows + places[g] * cols, dy, groups.tokens + groups.starts[g],
                   groups.starts[g + 1] - groups.starts[g], cols, first);
    tape_scratch_end(tape, mark);
}

static void embedding_backward(Tape *tape, void *context)
{
    Embedding *op = context;
    table_backward(tape, op, op->word, word_row);
    table_backward(tape, op, op->position, position_row);
    table_backward(tape, op, op->type, type_row);
}

static bool is_trained(const Weight *weight)
{
    return weight && (weight->gradient || weight->touched);
}

static const float *table_row(const Weight *table, int32_t row)
{
    CHECK(row >= 0 && row < table->rows, "row %d of a table of %lld", row, (long long)table->rows);
    return table->value + row * table->cols;
}

/// The word's row, NULL where another rank of the group has it.
static const float *word_row_here(const Tape *tape, const Weight *word, int32_t id)
{
    int64_t row = id - word->first_row;
    if (tape_group(tape) && (row < 0 || row >= word->rows)) return NULL;
    return table_row(word, (int32_t)row);
}

/// A token's row of y; zeros where another rank of the group has its word.
static void put_row(float *y, const Tape *tape, const Embedding *op, int64_t sequence,
                    int64_t token)
{
    const Packing *packing = tape_packing(tape);
    const float *word = word_row_here(tape, op->word, packing->ids[token]);
    const float *position = NULL, *type = NULL;
    if (!word) {
        memset(y, 0, (size_t)op->y->cols * sizeof *y);
        return;
    }
    if (op->position)
        position = table_row(op->position, position_row(packing, op->offset, sequence, token));
    if (op->type) type = table_row(op->type, type_row(packing, 0, sequence, token));
    add_rows(y, word, position, type, op->y->cols);
}

Var *embedding(Tape *tape, Weight *word, Weight *position, Weight *type, int64_t position_offset)
{
    const Packing *packing = tape_packing(tape);
    int64_t cols = word->cols;
    bool needs = is_trained(word) || is_trained(position) || is_trained(type);
    CHECK((!position || position->cols == cols) && (!type || type->cols == cols),
          "embedding: the tables differ in width");
    tape_needs(tape, word);
    tape_needs(tape, position);
    tape_needs(tape, type);
    Embedding *op = tape_take(tape, sizeof *op);
    Var *y = tape_var(tape, packing->tokens, cols, needs);
    *op = (Embedding){ y, word, position, type, position_offset };
#pragma omp parallel for schedule(static)
    for (int64_t s = 0; s < packing->sequences; s++)
        for (int64_t t = packing->cu_seqlens[s]; t < packing->cu_seqlens[s + 1]; t++)
            put_row(y->value + t * cols, tape, op, s, t);
    if (tape_records(tape, y)) {
        tape_uses(tape, word);
        tape_uses(tape, position);
        tape_uses(tape, type);
        tape_work(tape, 0, (2 + !!position + !!type) * (double)(y->rows * cols) * sizeof(float));
        tape_record(tape, y, embedding_backward, op);
    }
    return tape_group(tape) ? scatter_tokens(tape, y) : y;
}
