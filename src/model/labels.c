#include "model/build.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/// Starts elements [first, end) of a parameter: N(0, 0.02) for matrices (of residual products
/// divided by sqrt(2 layers), as GPT-2's; of two factors so that their product is like that), 0 for
/// vectors, 1 for gains.
static void init_elements(Model *model, int index, int64_t first, int64_t end, uint64_t seed)
{
    const Param *param = &model->params[index];
    float *value = model->values + param->offset;
    double layers = (double)model->spec.num_hidden_layers;
    double deviation = param->residual ? 0.02 / sqrt(2 * layers) : 0.02;
    if (param->factor_rank) deviation = sqrt(deviation / sqrt((double)param->factor_rank));
    for (int64_t k = first; k < end; k++) {
        uint64_t place = (uint64_t)layout_place(&param->layout, k);
        value[k] = param->rank < 2
                       ? (float)param->gain
                       : (float)(deviation * rng_normal(seed, RNG_INIT, (uint32_t)index, place));
        if (k % 4096 == 0) pulse_progress();
    }
}

void model_init_absent(Model *model, uint64_t seed)
{
    enum { SHOWN = 8 };
    Text names = { 0 };
    int count = 0;
    for (int i = 0; i < model->param_count; i++) {
        Param *param = &model->params[i];
        if (!param->absent) continue;
        if (node_leads(model->node)) init_elements(model, i, 0, param->rows * param->cols, seed);
        param->absent = false;
        if (++count <= SHOWN) text_printf(&names, "%s%s", count > 1 ? ", " : "", param->name);
    }
    if (count > SHOWN) text_printf(&names, " and %d more", count - SHOWN);
    if (count) log_info("starting at random: %s", names.data);
    text_release(&names);
    node_settle(model->node);
}

/// rows[count]: the head's row of each label, -1 without one; returns how many have one.
static int64_t match_labels(int64_t *rows, const Model *model, char *const *names, int64_t count)
{
    int64_t found = 0, numbered = 0, known = model->label_names ? model->spec.num_labels : 0;
    for (int64_t i = 0; i < count; i++) {
        rows[i] = -1;
        for (int64_t k = 0; k < known && rows[i] < 0; k++)
            if (!strcmp(names[i], model->label_names[k])) rows[i] = k;
        found += rows[i] >= 0;
    }
    for (int64_t k = 0; k < known; k++) {
        char name[32];
        snprintf(name, sizeof name, "LABEL_%lld", (long long)k);
        numbered += !strcmp(name, model->label_names[k]);
    }
    if (found || numbered < known || count != known) return found;
    for (int64_t i = 0; i < count; i++) rows[i] = i;
    return count;
}

/// Collective, as model_set_labels. A head of `count` labels: label i has the old row rows[i], or
/// one that starts at random.
COLLECTIVE
static void rebuild_head(Model *model, const int64_t *rows, int64_t count, uint64_t seed)
{
    Model old = *model;
    model->params = NULL;
    model->param_count = 0;
    model->elements = model->dense_elements = 0;
    model->memory = (Arena){ 0 };
    model->spec.num_labels = count;
    model_build(model);
    model_allocate_shared(model, old.node);
    for (int i = 0; i < model->param_count; i++) {
        const Param *from = &old.params[i];
        Param *to = &model->params[i];
        const float *old_value = old.values + from->offset;
        float *value = model->values + to->offset;
        int64_t elements = to->rows * to->cols, width = to->labels ? elements / count : elements;
        to->absent = from->absent;
        if (!node_leads(model->node)) continue;
        if (!to->labels) memcpy(value, old_value, (size_t)width * sizeof(float));
        if (!to->labels || to->absent) continue;
        for (int64_t k = 0; k < count; k++) {
            if (rows[k] < 0)
                init_elements(model, i, k * width, (k + 1) * width, seed);
            else
                memcpy(value + k * width, old_value + rows[k] * width,
                       (size_t)width * sizeof(float));
        }
    }
    model_release_values(&old);
    mem_free(old.params);
}

/// Which labels start at random although the model came with a head.
static char *note_new_labels(char *const *names, const int64_t *rows, int64_t count, int64_t found)
{
    enum { SHOWN = 8 };
    Text list = { 0 }, note = { 0 };
    int64_t listed = 0;
    for (int64_t i = 0; i < count; i++)
        if (rows[i] < 0 && listed++ < SHOWN)
            text_printf(&list, "%s'%s'", listed > 1 ? ", " : "", names[i]);
    if (listed > SHOWN) text_printf(&list, " and %lld more", (long long)(listed - SHOWN));
    if (found)
        text_printf(&note,
                    "the model's head does not know the labels %s: their rows start at random",
                    text_chars(&list));
    else
        text_printf(&note, "the model's head is for other labels than %s: it starts at random",
                    text_chars(&list));
    text_release(&list);
    return note.data;
}

void model_set_labels(Model *model, char *const *names, int64_t count, uint64_t seed)
{
    char **copies = MEM_NEW(char *, count);
    int64_t *rows = MEM_NEW(int64_t, count), in_place = 0;
    int64_t found = match_labels(rows, model, names, count);
    bool had_names = model->label_names;
    for (int64_t i = 0; i < count; i++) {
        copies[i] = mem_copy_text(names[i]);
        in_place += rows[i] == i;
    }
    mem_free(model->labels_note);
    model->labels_note =
        had_names && found < count ? note_new_labels(names, rows, count, found) : NULL;
    for (int64_t i = 0; model->label_names && i < model->spec.num_labels; i++)
        mem_free(model->label_names[i]);
    mem_free(model->label_names);
    model->label_names = copies;
    if (count != model->spec.num_labels || (had_names && in_place < count))
        rebuild_head(model, rows, count, seed);
    model_init_absent(model, seed);
    mem_free(rows);
}
