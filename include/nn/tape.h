/// The tape of one leaf: operators append records on the way forward, `tape_backward` walks them in
/// reverse. Activations, saved values and gradients live in one arena that is reserved before the
/// run and reset per leaf; nothing here can fail.
///
/// An operator is one file under nn/: its function checks shapes, computes the value, and, if
/// anything it reads needs a gradient, names its weights (`tape_uses`) and records a backward
/// function with a context taken from the tape. Backward functions read `tape_gradient(output)` and
/// add to the gradients of the operands:
///
///     bool first;
///     float *dx = tape_gradient_for(tape, x, &first);   // first: store, else: add
#pragma once
#include "base/mem.h"
#include "base/profile.h"
#include "nn/packing.h"

#include <stdbool.h>
#include <stdint.h>

/// A value of the forward pass.
typedef struct {
    int64_t rows, cols;
    float *value;        ///< (rows, cols), row-major
    float *gradient;     ///< same shape; NULL until a consumer's backward asked for it
    bool needs_gradient; ///< something trainable lies behind it
    bool own;            ///< rows are this rank's tokens of the leaf, not all (nn/group.h)
} Var;

/// Gradient of a lookup table as the rows that a leaf touched, ids ascending and unique.
typedef struct {
    int64_t count, capacity; ///< capacity: most rows a leaf can touch
    int64_t cols;
    int32_t *ids; ///< (count)
    float *rows;  ///< (count, cols)
} TouchedRows;

/// A parameter as operators see it. A vector (bias, gain) has rows = 1.
typedef struct Weight {
    int64_t rows, cols;
    const float *value;   ///< (rows, cols)
    float *gradient;      ///< (rows, cols) or NULL; frozen if both this and `touched` are NULL
    TouchedRows *touched; ///< of a lookup table, instead of `gradient`
    bool written;         ///< this leaf's backward pass has stored into the gradient: now add
    bool awaited;         ///< a record that is left uses it: the gradient is not complete
    struct Weight *parts; ///< (part_count) weights that lie end to end and that this one is a view
                          ///< of: written when it is
    int part_count;
    int sections; ///< as many matrices of one size one below the other, if it is not one
    int64_t first_row, all_rows; ///< where a group has parts of it: the row of the whole that its
                                 ///< first one is, and all rows; all_rows 0: it is the whole
    struct Weight *right; ///< (cols, inputs): this is a left factor, and `rows` x inputs is the
                          ///< weight that the two are the product of; NULL: it is one itself
} Weight;

typedef struct Tape Tape;

/// Local. One weight over `count` that lie end to end in values and gradients: matrices one below
/// the other, vectors one after the other. From the tape.
Weight *weights_joined(Tape *tape, Weight *parts, int count);

typedef struct KvCache KvCache;

/// What of a layer does not stay on the tape in training, but is run once more on the way back.
typedef enum { RECOMPUTE_NONE, RECOMPUTE_ATTENTION, RECOMPUTE_LAYER } Recompute;

/// What a forward pass is for.
typedef struct {
    uint64_t seed;
    uint32_t step;
    uint32_t pass; ///< number of this pass within the step, and of the model; 0 if there is one
    bool training; ///< dropout is on and records are made
    Recompute recompute;
    KvCache *cache; ///< of generation, where attention goes on; NULL: none
} Pass;

typedef void (*Backward)(Tape *tape, void *context);
/// Asked in the forward pass before an operator reads `count` floats of a weight: returns when they
/// are there.
typedef void (*WeightNeeded)(void *context, const float *value, int64_t count);
/// Told in the backward pass: the gradient of the weight at `index` is complete, written or not.
typedef void (*GradientReady)(void *context, int index);

/// Local. Reserves address space, not memory. The caller owns the tape.
Tape *tape_new(size_t arena_bytes);
void tape_free(Tape *tape);
/// Local. Forgets everything and starts a pass over `packing`, which must outlive it.
void tape_start(Tape *tape, const Pass *pass, const Packing *packing);
const Pass *tape_pass(const Tape *tape);
const Packing *tape_packing(const Tape *tape);
/// Local. Highest use of the arena so far.
size_t tape_peak_bytes(const Tape *tape);

/// Local. A new value, not initialised; lives until the next `tape_start`.
Var *tape_var(Tape *tape, int64_t rows, int64_t cols, bool needs_gradient);
/// Local. Memory that lives as long: saved values and contexts.
void *tape_take(Tape *tape, size_t bytes);
/// Local. Scratch for the operator that runs now: taken back when it returns to
/// `tape_scratch_end`. Nests.
size_t tape_scratch_begin(Tape *tape);
void tape_scratch_end(Tape *tape, size_t mark);

/// One of a model's layers, or a part of one.
typedef struct {
    Var *(*forward)(Tape *tape, const void *context, Weight *weights, Var *x);
    const void *context; ///< lives as long as the pass
    Weight *weights;     ///< (weight_count): all that it uses
    int weight_count;
} Layer;
/// Local. The layer's result of x. In training all that it took stays; with RECOMPUTE_LAYER the
/// result alone does, and the way back runs the layer once more first (Chen et al. 2016): the same
/// bits. Outside of training the result takes the place of all that was taken since `mark`.
Var *tape_layer(Tape *tape, size_t mark, const Layer *layer, Var *x);
/// Local, in a layer. Its first half, up to the sum with what attention found: of this the result
/// alone stays with RECOMPUTE_ATTENTION.
Var *tape_attention(Tape *tape, const Layer *half, Var *x);
/// Local. A place to come back to.
size_t tape_mark(const Tape *tape);

/// Local. True if an operator with this result must record: training, and the result needs it.
bool tape_records(const Tape *tape, const Var *result);
/// Local. Records an operator whose result is `output`. `context` is from `tape_take`.
#define tape_record(tape, output, backward, context)                                               \
    tape_record_as(tape, __func__, output, backward, context)
void tape_record_as(Tape *tape, const char *name, Var *output, Backward backward, void *context);
/// Local. The operator that runs is about to read `weight` (NULL: none), but for tables that it
/// looks up, whose rows are there.
void tape_needs(Tape *tape, const Weight *weight);
/// Local. From the next pass on, asks for every weight before it is read. Borrowed.
void tape_set_needs(Tape *tape, WeightNeeded needed, void *context);
/// Local. The operator that records next has `weight` among its operands (NULL: none): its backward
/// function may ask for the gradient.
void tape_uses(Tape *tape, Weight *weight);
/// Local. From the next pass on, `tape_backward` tells `ready` of each of weights[count] once:
/// after the last record that uses it, at the start if none does. All weights that operators on
/// this tape use are among them, or views of them. Borrowed.
void tape_watch(Tape *tape, Weight *weights, int count, GradientReady ready, void *context);
/// Local. The work of the operator that records next, for the profile: its forward pass does
/// `flops` and moves at least `bytes`; backward counts as twice that.
void tape_work(Tape *tape, double flops, double bytes);
/// Local. Books the time of operators on `profile` (borrowed; NULL: none) from the next pass on.
void tape_set_profile(Tape *tape, Profile *profile);
/// Local. Number of the next random site of this pass: 0, 1, 2 ... in forward order.
uint32_t tape_site(Tape *tape);

/// Local, in a backward function: the complete gradient of the record's output.
const float *tape_gradient(Tape *tape, Var *output);
/// Local, in a backward function: where the gradient of operand `x` goes; NULL if x needs none.
/// *first says that nothing is there yet: store, do not add.
float *tape_gradient_for(Tape *tape, Var *x, bool *first);
/// Local, in a backward function: the gradient of a weight, likewise; NULL if frozen.
float *weight_gradient_for(Weight *weight, bool *first);

/// Local. Walks the records in reverse from `loss`, whose gradient the caller has filled through
/// `tape_gradient_for`.
void tape_backward(Tape *tape);
