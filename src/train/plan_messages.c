#include "train/plan_parts.h"

#include <math.h>

/// What shows of messages that take so long behind so much computing, of which `last_s` are the
/// last ones.
static double beyond(double messages_s, double hidden_s, double last_s)
{
    double rest = messages_s - hidden_s;
    return rest > last_s ? rest : fmin(last_s, messages_s);
}

/// Seconds of the gradients that a rank sends: to ranks of its node first, what these have in sum
/// to other nodes.
static double gradient_s(const Planning *p, double dense, double bytes_per_s)
{
    const Machine *m = p->machine;
    double nodes = m->dealt ? p->copies : fmin((double)m->nodes, p->copies);
    double here = p->copies / nodes; // copies on a node
    return dense / here * (nodes - 1) / nodes / bytes_per_s +
           dense * (here - 1) / here / m->near_bytes_per_s;
}

/// Subtrees to their owners, and new weights.
static void plan_exchange(Plan *out, const Planning *p)
{
    const Machine *machine = p->machine;
    double copies = p->copies, bucket = plan_bucket_bytes(p), dense = 4 * p->part.dense_elements;
    double leaders = plan_shares(p) ? fmin((double)machine->nodes, copies) : copies;
    bool far = machine->nodes > 1 && copies > 1;
    double bytes_per_s =
        far ? machine->bytes_per_s / (double)machine->ranks_per_node : machine->near_bytes_per_s;
    double gather = dense * (leaders - 1) / copies;
    out->messages += (copies - 1) * ceil(dense / copies / bucket);
    out->sent_bytes += dense * (copies - 1) / copies + gather;
    // between nodes gradients travel during the backward pass of a rank's last leaf, new weights
    // during the forward pass of its first; of both the last buckets show
    double leaf_s = out->compute_s / p->rank_leaves;
    double last_s = fmin(copies * bucket, dense) / bytes_per_s;
    out->exchange_s = beyond(gradient_s(p, dense, bytes_per_s), far ? leaf_s * 2 / 3 : 0, last_s) +
                      beyond(gather / bytes_per_s, far ? leaf_s / 3 : 0, last_s);
}

void plan_messages(Plan *out, const Planning *p)
{
    plan_exchange(out, p);
    plan_group_messages(out, p, p->rank_leaves, p->tokens / (double)p->leaves, true);
}
