#include "nn/tape.h"
#include "base/pulse.h"
#include "base/status.h"
#include "comm/exchange.h"
#include "nn/group.h"

#include <string.h>

/// A weight whose first use is this record: its last use on the way back.
typedef struct Use {
    struct Use *next;
    Weight *weight;
} Use;

typedef struct Record {
    struct Record *previous;
    Var *output;
    Backward backward;
    void *context;
    const char *name; ///< of the operator
    double flops, bytes;
    Use *uses;
} Record;

typedef struct Unused {
    struct Unused *next;
} Unused;

/// Gradient buffers of one size that no value uses any more.
typedef struct SizeClass {
    struct SizeClass *next;
    size_t bytes;
    Unused *unused;
} SizeClass;

struct Tape {
    Arena arena;
    Arena gradients; ///< which outlive what a layer takes to run once more
    bool forgets;    ///< what runs now is run once more on the way back: nothing is recorded
    Pass pass;
    const Packing *packing;
    Record *last;
    SizeClass *classes;
    uint32_t sites;
    int scratch_depth;
    Profile *profile;
    double flops, bytes; ///< of the operator that records next
    Use *uses;           ///< likewise
    Weight *weights;     ///< (weight_count) to tell `ready` of; borrowed
    int weight_count;
    GradientReady ready;
    void *ready_context;
    WeightNeeded needed;
    void *needed_context;
    const Comm *group;             ///< borrowed; NULL: this rank alone
    int64_t slices;                ///< of the group's products
    const MatrixGrid *matrix_grid; ///< borrowed, of the group; NULL: its products are our own
    Exchange *exchange;            ///< owned, of the group
};

Tape *tape_new(size_t arena_bytes)
{
    Tape *tape = MEM_NEW(Tape, 1);
    arena_init(&tape->arena, arena_bytes);
    arena_init(&tape->gradients, arena_bytes);
    return tape;
}

void tape_free(Tape *tape)
{
    if (!tape) return;
    exchange_free(tape->exchange);
    arena_release(&tape->gradients);
    arena_release(&tape->arena);
    mem_free(tape);
}

void tape_set_group(Tape *tape, const Comm *group, int64_t slices, const MatrixGrid *grid)
{
    CHECK(!group || slices % group->size == 0, "%d ranks have parts of %lld slices", group->size,
          (long long)slices);
    exchange_free(tape->exchange);
    tape->group = group;
    tape->slices = slices;
    tape->matrix_grid = grid;
    tape->exchange = group ? exchange_new(group, 2 * group->size) : NULL;
}

int64_t tape_slices(const Tape *tape)
{
    return tape->group ? tape->slices : 1;
}

const Comm *tape_group(const Tape *tape)
{
    return tape->group;
}

const MatrixGrid *tape_matrix_grid(const Tape *tape)
{
    return tape->matrix_grid;
}

int tape_group_size(const Tape *tape)
{
    return tape->group ? tape->group->size : 1;
}

int tape_group_rank(const Tape *tape)
{
    return tape->group ? tape->group->rank : 0;
}

Exchange *tape_exchange(const Tape *tape)
{
    return tape->exchange;
}

void tape_start(Tape *tape, const Pass *pass, const Packing *packing)
{
    arena_reset(&tape->arena, 0);
    arena_reset(&tape->gradients, 0);
    tape->pass = *pass;
    tape->packing = packing;
    tape->last = NULL;
    tape->classes = NULL;
    tape->sites = 0;
    tape->scratch_depth = 0;
    tape->uses = NULL;
    for (int i = 0; i < tape->weight_count; i++) tape->weights[i].awaited = false;
}

const Pass *tape_pass(const Tape *tape)
{
    return &tape->pass;
}

const Packing *tape_packing(const Tape *tape)
{
    return tape->packing;
}

size_t tape_peak_bytes(const Tape *tape)
{
    return tape->arena.peak_bytes + tape->gradients.peak_bytes;
}

void *tape_take(Tape *tape, size_t bytes)
{
    return arena_take(&tape->arena, bytes);
}

static void check_no_scratch(const Tape *tape)
{
    CHECK(tape->scratch_depth == 0, "a value that outlives the operator is taken from its scratch");
}

Var *tape_var(Tape *tape, int64_t rows, int64_t cols, bool needs_gradient)
{
    check_no_scratch(tape);
    Var *var = tape_take(tape, sizeof *var);
    *var = (Var){ .rows = rows, .cols = cols, .needs_gradient = needs_gradient };
    var->value = tape_take(tape, (size_t)(rows * cols) * sizeof(float));
    return var;
}

size_t tape_scratch_begin(Tape *tape)
{
    tape->scratch_depth++;
    return tape->arena.used_bytes;
}

void tape_scratch_end(Tape *tape, size_t mark)
{
    tape->scratch_depth--;
    arena_reset(&tape->arena, mark);
}

size_t tape_mark(const Tape *tape)
{
    return tape->arena.used_bytes;
}

/// Moves `x` to where all that was taken since `mark` is given back.
static Var *keep_alone(Tape *tape, size_t mark, const Var *x)
{
    Var old = *x;
    check_no_scratch(tape);
    arena_reset(&tape->arena, mark);
    Var *kept = tape_take(tape, sizeof *kept);
    *kept = old;
    size_t bytes = (size_t)(old.rows * old.cols) * sizeof(float);
    kept->value = tape_take(tape, bytes);
    memmove(kept->value, old.value, bytes);
    return kept;
}

bool tape_records(const Tape *tape, const Var *result)
{
    return tape->pass.training && !tape->forgets && result->needs_gradient;
}

void tape_work(Tape *tape, double flops, double bytes)
{
    tape->flops = flops;
    tape->bytes = bytes;
}

void tape_set_needs(Tape *tape, WeightNeeded needed, void *context)
{
    tape->needed = needed;
    tape->needed_context = context;
}

void tape_needs(Tape *tape, const Weight *weight)
{
    if (weight && tape->needed && !weight->touched)
        tape->needed(tape->needed_context, weight->value, weight->rows * weight->cols);
}

void tape_uses(Tape *tape, Weight *weight)
{
    if (!weight) return;
    tape_uses(tape, weight->right);
    for (int i = 0; i < weight->part_count; i++) tape_uses(tape, &weight->parts[i]);
    if (weight->part_count || weight->awaited) return;
    check_no_scratch(tape);
    Use *use = tape_take(tape, sizeof *use);
    *use = (Use){ tape->uses, weight };
    tape->uses = use;
    weight->awaited = true;
}

void tape_watch(Tape *tape, Weight *weights, int count, GradientReady ready, void *context)
{
    tape->weights = weights;
    tape->weight_count = count;
    tape->ready = ready;
    tape->ready_context = context;
}

void tape_set_profile(Tape *tape, Profile *profile)
{
    tape->profile = profile;
}

void tape_record_as(Tape *tape, const char *name, Var *output, Backward backward, void *context)
{
    check_no_scratch(tape);
    Record *record = tape_take(tape, sizeof *record);
    *record = (Record){ tape->last, output,      backward,    context,
                        name,       tape->flops, tape->bytes, tape->uses };
    tape->last = record;
    tape->flops = tape->bytes = 0;
    tape->uses = NULL;
    pulse_progress();
    profile_lap(tape->profile, name, "forward", record->flops, record->bytes);
}

uint32_t tape_site(Tape *tape)
{
    return tape->sites++;
}

const float *tape_gradient(Tape *tape, Var *output)
{
    (void)tape;
    CHECK(output->gradient, "the gradient of a value is read before a consumer made it");
    return output->gradient;
}

static SizeClass *size_class(Tape *tape, const Var *var)
{
    size_t bytes = (size_t)(var->rows * var->cols) * sizeof(float);
    if (bytes < sizeof(Unused)) bytes = sizeof(Unused);
    for (SizeClass *class = tape->classes; class; class = class->next)
        if (class->bytes == bytes) return class;
    SizeClass *class = arena_take(&tape->gradients, sizeof *class);
    *class = (SizeClass){ .next = tape->classes, .bytes = bytes };
    tape->classes = class;
    return class;
}

float *tape_gradient_for(Tape *tape, Var *x, bool *first)
{
    *first = false;
    if (!x->needs_gradient) return NULL;
    if (x->gradient) return x->gradient;
    *first = true;
    SizeClass *class = size_class(tape, x);
    Unused *block = class->unused; // the one freed last is the warmest in the cache
    if (block)
        class->unused = block->next;
    else
        block = arena_take(&tape->gradients, class->bytes);
    x->gradient = (float *)block;
    return x->gradient;
}

float *weight_gradient_for(Weight *weight, bool *first)
{
    *first = false;
    if (!weight->gradient) return NULL;
    CHECK((weight->part_count ? weight->parts : weight)->awaited,
          "a gradient is written that no record announced: tape_uses is missing");
    *first = !weight->written;
    weight->written = true;
    for (int i = 0; i < weight->part_count; i++) weight->parts[i].written = true;
    return weight->gradient;
}

Weight *weights_joined(Tape *tape, Weight *parts, int count)
{
    Weight *all = tape_take(tape, sizeof *all);
    *all = parts[0];
    for (int i = 1; i < count; i++) {
        CHECK(parts[i].value == all->value + all->rows * all->cols, "weights do not join");
        if (all->rows == 1 && parts[i].rows == 1)
            all->cols += parts[i].cols;
        else
            all->rows += parts[i].rows;
    }
    all->parts = parts;
    all->part_count = count;
    return all;
}

static void release_gradient(Tape *tape, Var *var)
{
    SizeClass *class = size_class(tape, var);
    Unused *block = (Unused *)var->gradient;
    block->next = class->unused;
    class->unused = block;
    var->gradient = NULL;
}

static void tell_ready(Tape *tape, const Weight *weight)
{
    tape->ready(tape->ready_context, (int)(weight - tape->weights));
    profile_lap(tape->profile, "gradients_ready", "reduction", 0, 0);
}

static void tell_unused(Tape *tape)
{
    for (int i = 0; i < tape->weight_count; i++)
        if (!tape->weights[i].awaited) tell_ready(tape, &tape->weights[i]);
}

static void end_uses(Tape *tape, const Record *record)
{
    for (Use *use = record->uses; use; use = use->next) {
        use->weight->awaited = false;
        if (tape->ready) tell_ready(tape, use->weight);
    }
}

static void run_record(Tape *tape, const Record *record)
{
    if (!record->output->gradient) return; // nothing that counts was made of this value
    record->backward(tape, record->context);
    if (record->output->gradient) release_gradient(tape, record->output);
    pulse_progress();
    profile_lap(tape->profile, record->name, "backward", 2 * record->flops, 2 * record->bytes);
}

static void run_records(Tape *tape)
{
    for (Record *record = tape->last; record; record = record->previous) {
        run_record(tape, record);
        end_uses(tape, record);
    }
    tape->last = NULL;
}

void tape_backward(Tape *tape)
{
    tell_unused(tape);
    run_records(tape);
}

/// A layer that is run once more on the way back.
typedef struct {
    Layer layer;
    Var *x, *y;
    uint32_t sites; ///< before it
} Again;

static void again_backward(Tape *tape, void *context)
{
    Again *again = context;
    Record *last = tape->last;
    uint32_t sites = tape->sites;
    size_t mark = tape_mark(tape);
    tape->last = NULL;
    tape->sites = again->sites;
    Var *y = again->layer.forward(tape, again->layer.context, again->layer.weights, again->x);
    y->gradient = again->y->gradient;
    again->y->gradient = NULL;
    run_records(tape);
    tape->last = last;
    tape->sites = sites;
    arena_reset(&tape->arena, mark);
}

static Var *run_forgetting(Tape *tape, const Layer *layer, Var *x)
{
    Again *again = tape_take(tape, sizeof *again);
    *again = (Again){ *layer, x, NULL, tape->sites };
    size_t mark = tape_mark(tape);
    tape->forgets = true;
    Var *y = layer->forward(tape, layer->context, layer->weights, x);
    tape->forgets = false;
    again->y = keep_alone(tape, mark, y);
    tape_work(tape, 0, 0);
    if (!tape_records(tape, again->y)) return again->y;
    for (int i = 0; i < layer->weight_count; i++) tape_uses(tape, &layer->weights[i]);
    tape_record_as(tape, "layer", again->y, again_backward, again);
    return again->y;
}

Var *tape_layer(Tape *tape, size_t mark, const Layer *layer, Var *x)
{
    if (tape->pass.training && tape->pass.recompute == RECOMPUTE_LAYER)
        return run_forgetting(tape, layer, x);
    Var *y = layer->forward(tape, layer->context, layer->weights, x);
    return tape->pass.training ? y : keep_alone(tape, mark, y);
}

Var *tape_attention(Tape *tape, const Layer *half, Var *x)
{
    if (tape->pass.training && tape->pass.recompute == RECOMPUTE_ATTENTION)
        return run_forgetting(tape, half, x);
    return half->forward(tape, half->context, half->weights, x);
}
