/// Parameter tables of known models, in the order of the program's own (src/model), and the work of
/// a training step on them.
#pragma once
#include "model/model.h"

typedef struct {
    const char *name;
    int64_t layers, hidden, ffn, vocab;
    int64_t positions; ///< rows of the position table; 0: a decoder with rotary positions
    int64_t sequence_tokens;
} Shape;

/// Local. NULL if there is none of that name; `shape_names` lists them.
const Shape *shape_find(const char *name);
const char *shape_names(void);

/// Where a group's messages go: tokens are gathered before the first of the products that read them
/// (the others are with it) and summands are summed after a row parallel one; what comes back goes
/// the other way. Of a product with the vocabulary every rank gets the sum of what comes back.
typedef enum {
    MOVES_NOTHING,
    MOVES_TOKENS_IN,
    MOVES_WITH_IT,
    MOVES_SUMS_OUT,
    MOVES_SUMS_BACK
} Moves;

/// Local. What one of `cols` ranks has of a model of that shape, without values, and what moves
/// around each parameter: (*moves)[param_count]. Owned: `shape_release`.
void shape_init(Model *model, Moves **moves, const Shape *shape, int cols);
void shape_release(Model *model, Moves *moves);

/// Local. Flops of the forward pass over `tokens` for one parameter: its product, and its part of
/// the layer's attention. Backward takes twice that.
double shape_forward_flops(const Shape *shape, const Param *param, int64_t tokens);
