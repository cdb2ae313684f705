#include "train/checkpoint_parts.h"
#include "base/mem.h"
#include "train/method.h"

const char *const checkpoint_groups[CHECKPOINT_GROUPS] = { "model", "optim/exp_avg",
                                                           "optim/exp_avg_sq" };

int checkpoint_group_count(const Trainer *t)
{
    return method_find(t->recipe->train.method)->once ? 1 : CHECKPOINT_GROUPS;
}

int checkpoint_ranges(TensorRange *out, const Trainer *t, int param, const float *values,
                      bool at_places)
{
    const Blocks *blocks = &t->blocks;
    int count = 0;
    for (int i = 0; i < blocks->segment_count; i++) {
        const Segment *s = &blocks->segments[i];
        if (s->param != param) continue;
        int64_t first = s->first - t->model->params[param].offset;
        const float *data = values + (at_places ? s->first : s->at);
        TensorRange *last = count ? &out[count - 1] : NULL;
        bool follows = last && last->first + last->count == first &&
                       (const float *)last->data + last->count == data;
        if (follows)
            last->count += s->count;
        else
            out[count++] = (TensorRange){ first, s->count, data };
    }
    return count;
}

void checkpoint_parts(CheckpointParts *out, const Trainer *t, const float *copy)
{
    int params = t->model->param_count, count = checkpoint_group_count(t) * params;
    int64_t own = t->blocks.own_elements;
    const float *live[] = { t->model->values, t->optimizer.exp_avg, t->optimizer.exp_avg_sq };
    *out = (CheckpointParts){ .paths = MEM_NEW(Text, count),
                              .items = MEM_NEW(TensorPart, count),
                              .ranges = MEM_NEW(TensorRange, checkpoint_group_count(t) *
                                                                 t->blocks.segment_count),
                              .count = count };
    TensorRange *ranges = out->ranges;
    for (int k = 0; k < count; k++) {
        int group = k / params;
        const Param *p = &t->model->params[k % params];
        text_printf(&out->paths[k], "%s/%s", checkpoint_groups[group], p->name);
        TensorPart part = { .path = out->paths[k].data,
                            .type = ELEMENT_F32,
                            .rank = p->rank,
                            .dims = { p->dims[0], p->dims[1] },
                            .layout = p->layout,
                            .more = ranges };
        if (param_leads(t->model, p))
            part.more_count = checkpoint_ranges(
                ranges, t, k % params, copy ? copy + group * own : live[group], !copy && !group);
        ranges += part.more_count;
        out->items[k] = part;
    }
}

void checkpoint_parts_release(CheckpointParts *parts)
{
    for (int i = 0; i < parts->count; i++) text_release(&parts->paths[i]);
    mem_free(parts->paths);
    mem_free(parts->items);
    mem_free(parts->ranges);
}
