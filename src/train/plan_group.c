#include "linalg/tree.h"
#include "nn/columns.h"
#include "nn/slices.h"
#include "train/plan_parts.h"

#include <string.h>

/// At one place of a pass every rank of a group sends a section to every other.
typedef struct {
    double floats; ///< of a token, the sections of all ranks
    double flops;  ///< of a token, of products that a rank makes meanwhile
    double times;  ///< in a leaf
    double pieces; ///< messages that a section is
} Place;

enum { MOST_PLACES = 16, PRODUCTS = 4 };
typedef struct {
    Place items[MOST_PLACES];
    int count;
} Places;

static void add_place(Places *places, Place place)
{
    if (!place.pieces) place.pieces = 1;
    places->items[places->count++] = place;
}

/// Summands that the rank with most of them sends of a sum over slices.
static double most_subtrees(const Part *part, int64_t cols)
{
    int64_t most = 1;
    for (int64_t rank = 0; rank < cols; rank++) {
        Span own = group_share(part->slices, cols, rank);
        int64_t subtrees = tree_subtrees(own.first, own.count);
        if (subtrees > most) most = subtrees;
    }
    return (double)most;
}

/// Flops of a token in the products of a layer, on a rank: queries, keys and values; their mix; up;
/// down. Of two factors that which has all tokens, or all summands.
static void layer_flops(double *flops /* (PRODUCTS) */, const Planning *p, double narrow)
{
    const Model *model = p->input->model;
    const ModelSpec *spec = &model->spec;
    double h = (double)spec->hidden_size, q = (double)spec->query_size;
    double all = model->arch->forward_flops(spec, 1) / (double)spec->num_hidden_layers;
    flops[0] = 2 * h * (q + 2 * (double)spec->key_size);
    flops[1] = 2 * h * q;
    flops[3] = 2 * h * (double)spec->intermediate_size;
    flops[2] = all - flops[0] - flops[1] - flops[3];
    for (int i = 0; i < PRODUCTS; i++) flops[i] *= narrow / p->cols;
}

static bool by_scalapack(const Planning *p)
{
    return !strcmp(p->input->recipe->grid.backend, "scalapack");
}

/// The first and third product gather tokens, the others sum what they make; on the way back it is
/// the other way round (nn/parallel.c). What is gathered has own tokens' tiles to hide behind, a
/// sum those of its own product if that is of one slice, on the way back the weights' gradients.
static void list_products(Places *out, const Planning *p, bool trains)
{
    const ModelSpec *spec = &p->input->model->spec;
    double layers = (double)spec->num_hidden_layers, wide, flops[PRODUCTS];
    double subtrees = most_subtrees(&p->part, p->layout.cols);
    bool one = p->part.slices == p->layout.cols;
    Recompute recompute = recipe_recompute(&p->input->recipe->train);
    plan_layer_ranks(&wide, p->input->model);
    double width = wide / PRODUCTS, h = (double)spec->hidden_size;
    layer_flops(flops, p, width / h);
    for (int i = 0; i < PRODUCTS; i++) {
        bool sums = i % 2, again = recompute == RECOMPUTE_LAYER ||
                                   (recompute == RECOMPUTE_ATTENTION && i < PRODUCTS / 2);
        Place there = { width, flops[i] * p->inside, layers * (1 + (trains && again)), 1 };
        Place back = { width, flops[i], layers, 1 };
        Place *sum = sums ? &there : &back;
        sum->floats *= subtrees;
        sum->pieces = subtrees;
        if (sums && !one) there.flops = 0;
        if (sums) back.flops *= p->inside;
        add_place(out, there);
        if (trains) add_place(out, back);
    }
}

/// The same with ScaLAPACK's calls, which wait for all that they send: one for each product on the
/// way there and two on the way back, and tokens become features, or features tokens, around them.
static void list_calls(Places *out, const Planning *p, bool trains)
{
    double layers = (double)p->input->model->spec.num_hidden_layers, wide;
    static const double again[] = { [RECOMPUTE_ATTENTION] = 0.5, [RECOMPUTE_LAYER] = 1 };
    plan_layer_ranks(&wide, p->input->model);
    double calls = 1;
    if (trains) calls += 2 + again[recipe_recompute(&p->input->recipe->train)];
    double turns = calls - trains;
    add_place(out, (Place){ .floats = wide * calls, .times = layers, .pieces = PRODUCTS * calls });
    add_place(
        out,
        (Place){ .floats = wide * turns / p->cols, .times = layers, .pieces = PRODUCTS * turns });
}

/// Rows that are looked up, hidden values for the head, and what the head does with a vocabulary.
static void list_ends(Places *out, const Planning *p, bool trains)
{
    const ModelSpec *spec = &p->input->model->spec;
    double h = (double)spec->hidden_size, targets = p->input->targets;
    double words = (double)spec->vocab_size / p->cols;
    add_place(out, (Place){ .floats = h, .times = trains ? 2 : 1 });
    add_place(out, (Place){ .floats = h, .times = 1 });
    // norms, of whose parameters every block of 64 tokens has two sums
    if (trains)
        add_place(out, (Place){ .floats = 2 * h / COLUMN_BLOCK,
                                .times = 2 * (double)spec->num_hidden_layers + 1,
                                .pieces = 2 });
    if (targets == 0) return;
    // what slices say of a row
    add_place(out, (Place){ .floats = 8 * (double)p->part.slices * targets, .times = 1 });
    if (!trains) return;
    double subtrees = most_subtrees(&p->part, p->layout.cols);
    add_place(out, (Place){ targets * h * subtrees, 2 * targets * h * words, 1, subtrees });
    add_place(out, (Place){ .floats = targets * h, .times = 1 });
}

/// Ranks of a group that are on another node than one of them, for whom these are most. Ranks of a
/// group and of a node are next to each other.
static double far_ranks(const Planning *p)
{
    int64_t cols = p->layout.cols, node = p->machine->ranks_per_node, a = cols, b = node;
    if (p->machine->nodes == 1) return 0;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (double)(cols - a); // the divisor: where groups and nodes overlap least
}

/// Between nodes all travel at once, behind products; within one a message is a copy, which the
/// rank makes itself.
static double shown_s(const Planning *p, const Place *place, double tokens)
{
    const Machine *m = p->machine;
    double far = far_ranks(p), near = p->cols - 1 - far, far_s = 0;
    double bytes = 4 * place->floats * tokens / p->cols;
    double beside_s = place->flops * tokens / p->flop_s;
    if (far > 0) far_s = far * bytes * (double)m->ranks_per_node / m->bytes_per_s + m->latency_s;
    return near * (bytes / m->near_bytes_per_s + m->near_latency_s) +
           (far_s > beside_s ? far_s - beside_s : 0);
}

void plan_group_messages(Plan *out, const Planning *p, double leaves, double leaf_tokens,
                         bool trains)
{
    Places places = { .count = 0 };
    if (p->cols == 1) return;
    (by_scalapack(p) ? list_calls : list_products)(&places, p, trains);
    list_ends(&places, p, trains);
    for (int i = 0; i < places.count; i++) {
        const Place *place = &places.items[i];
        double times = place->times * leaves;
        out->messages += times * place->pieces * (p->cols - 1);
        out->group_bytes += times * 4 * place->floats * leaf_tokens * (p->cols - 1) / p->cols;
        out->group_s += times * shown_s(p, place, leaf_tokens);
    }
    out->sent_bytes += out->group_bytes;
}
