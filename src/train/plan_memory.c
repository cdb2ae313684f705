#include "linalg/tree.h"
#include "model/factors.h"
#include "nn/slices.h"
#include "train/async.h"
#include "train/blocks.h"
#include "train/plan_parts.h"

#include <math.h>
#include <string.h>

enum { BUCKETS_AT_ONCE = 8 };
// Of an idle rank of Open MPI with its libraries and a tokenizer: measured as the growth of all
// ranks' memory with their number, and what is there once.
static const double RANK_BYTES = 13.5 * (1 << 20), ONCE_BYTES = 14.0 * (1 << 20);

/// While a sum over slices is made, as many times its result: the subtrees here, one on each level
/// of them, and those of other ranks.
static double subtree_floats(const Part *part, double cols)
{
    Span first = group_share(part->slices, (int64_t)cols, 0);
    return (double)tree_subtrees(first.first, first.count) * (cols > 1 ? 2 : 1) +
           floor(log2((double)first.count));
}

/// Floats of activations, their gradients and scratch of a leaf.
static double leaf_floats(const Planning *p)
{
    const Model *model = p->input->model;
    const ModelSpec *spec = &model->spec;
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    double tokens = (double)p->most_tokens, cols = p->cols;
    double wide, ranks = plan_layer_ranks(&wide, model);
    // between factors, and in a group tokens of all ranks before a product that splits its outputs
    double between = cols > 1 ? wide / 2 + ranks / cols : ranks;
    double layer = model->arch->layer_floats(spec) / cols + between;
    double layers = (double)spec->num_hidden_layers, kept[] = {
        [RECOMPUTE_NONE] = layer,
        [RECOMPUTE_ATTENTION] = layer - model->arch->attention_floats(spec) / cols - between / 2,
        [RECOMPUTE_LAYER] = h / cols,
    };
    double stays = kept[recipe_recompute(&p->input->recipe->train)];
    // on the way back: gradients of a layer's widest values, of a size one at a time
    double back =
        (2 * f + 4 * h) / cols + (p->part.grouped ? subtree_floats(&p->part, cols) * h : h);
    // of what does not stay, one layer's is there at a time
    double floats = tokens * (layers * stays + layer - stays + back + 4 * h / cols);
    if (model->head->vocabulary)
        floats += (double)vocabulary_scratch_floats(spec->vocab_size, (int64_t)tokens,
                                                    (int64_t)cols, p->part.slices) +
                  3 * tokens * h;
    return floats;
}

double plan_forward_floats(const Planning *p)
{
    const ModelSpec *spec = &p->input->model->spec;
    double layer = p->input->model->arch->layer_floats(spec), h = (double)spec->hidden_size;
    return (layer + 4 * h) / p->cols +
           (p->part.grouped ? subtree_floats(&p->part, p->cols) * h : 0);
}

bool plan_shares(const Planning *p)
{
    return !p->machine->dealt && strcmp(p->input->recipe->grid.shared_weights, "never");
}

double plan_bucket_bytes(const Planning *p)
{
    return 4 * (double)blocks_bucket_elements((int64_t)p->part.dense_elements, (int64_t)p->copies);
}

void plan_memory(Plan *out, const Planning *p)
{
    const PlanInput *input = p->input;
    const Part *part = &p->part;
    const Dataset *data = input->batches->data;
    double copies = p->copies, cols = p->cols, node = (double)p->machine->ranks_per_node;
    double buffers = p->rank_leaves <= 1 ? 1 : floor(log2(p->rank_leaves)) + 1;
    double rows = fmin((double)p->most_tokens, part->table_rows);
    double words = fmin((double)input->words / cols, part->table_rows);
    double parts = fmin(node, cols); // kinds of parts on a node
    out->weights_bytes = 4 * part->elements * (plan_shares(p) ? parts / node : 1);
    out->gradients_bytes =
        4 * buffers * (part->dense_elements + fmin(rows, words) * part->table_cols);
    out->state_bytes = 8 * (part->dense_elements + words * part->table_cols) / copies;
    out->activations_bytes = 4 * leaf_floats(p);
    double slice = fmin(BUCKETS_AT_ONCE * plan_bucket_bytes(p), 4 * part->dense_elements / copies);
    out->buffers_bytes = (copies - 1) * (slice + 8 * fmin(rows, words) * part->table_cols / copies);
    out->copy_bytes = 12 * (part->dense_elements + part->table_rows * part->table_cols) / copies;
    if (!strcmp(input->recipe->output.checkpoint_async, "true") &&
        async_has_use(input->recipe, data))
        out->buffers_bytes += out->copy_bytes;
    double shared = ONCE_BYTES + 5 * (double)data->tokens + 24 * (double)data->rows;
    out->base_bytes = RANK_BYTES + shared / node + 16 * (double)input->batches->count;
}
