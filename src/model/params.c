#include "model/model.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

static const int64_t alignment = 16; // floats: a cache line

void model_add_param(Model *model, const char *name, int64_t layer, int64_t rows, int64_t cols,
                     unsigned flags)
{
    model->params =
        mem_resize(model->params, (size_t)model->param_count + 1, sizeof *model->params);
    Param *param = &model->params[model->param_count++];
    int64_t end = model->elements, start = (end + alignment - 1) / alignment * alignment;
    *param = (Param){ .rank = rows ? 2 : 1,
                      .rows = rows ? rows : 1,
                      .cols = cols,
                      .offset = flags & PARAM_JOINED ? end : start,
                      .table = flags & PARAM_TABLE,
                      .decays = rows > 0,
                      .head = flags & PARAM_HEAD,
                      .labels = flags & PARAM_LABELS,
                      .absent = true };
    const char *mark = strstr(name, "%d");
    int length = mark ? snprintf(param->name, sizeof param->name, "%.*s%lld%s", (int)(mark - name),
                                 name, (long long)layer, mark + 2)
                      : snprintf(param->name, sizeof param->name, "%s", name);
    CHECK(length < (int)sizeof param->name, "the name %s is too long", param->name);
    CHECK(param->table || model->elements == model->dense_elements, "%s follows a table",
          param->name);
    model->elements = param->offset + param->rows * param->cols;
    if (!param->table) model->dense_elements = model->elements;
}

/// Fills the table for the sizes at hand.
static void build(Model *model)
{
    model->arch->add_params(model);
    // the last gap belongs to the whole too, so that copies need no remainder
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].table) {
            model->dense_elements = model->params[i].offset;
            break;
        }
    model->elements = (model->elements + alignment - 1) / alignment * alignment;
}

Status model_new(Model **out, const Json *config, int64_t num_labels, const char *where)
{
    Status status = OK;
    Model *model = MEM_NEW(Model, 1);
    Text names = { 0 };
    const char *type = json_text(json_get(config, "model_type"), NULL);
    const Json *labels = json_get(config, "id2label");
    arch_names(&names);
    if (!type) FAIL(FAILED, "%s: model_type is missing (supported: %s)", where, names.data);
    model->arch = arch_find(type);
    if (!model->arch)
        FAIL(FAILED, "%s: model_type '%.40s' is not supported (supported: %s)", where, type,
             names.data);
    TRY(model->arch->read_config(&model->spec, config, where));
    if (!num_labels) num_labels = json_size(labels);
    if (!num_labels) num_labels = json_int(json_get(config, "num_labels"), 2);
    if (num_labels < 1 || num_labels > 1 << 24)
        FAIL(FAILED, "%s: num_labels must be a whole number from 1 to %d", where, 1 << 24);
    model->spec.num_labels = num_labels;
    model->config = json_clone(config);
    build(model);
    *out = model;
    model = NULL;
done:
    text_release(&names);
    model_free(model);
    return status;
}

int model_find_param(const Model *model, const char *name)
{
    for (int i = 0; i < model->param_count; i++)
        if (!strcmp(model->params[i].name, name)) return i;
    return -1;
}

void model_free(Model *model)
{
    if (!model) return;
    for (int64_t i = 0; model->label_names && i < model->spec.num_labels; i++)
        mem_free(model->label_names[i]);
    mem_free(model->label_names);
    mem_free(model->labels_note);
    mem_free(model->source_sha256);
    mem_free(model->source);
    mem_free(model->tokenizer_json);
    json_free(model->config);
    arena_release(&model->memory);
    mem_free(model->params);
    mem_free(model);
}

void model_allocate(Model *model)
{
    size_t bytes = (size_t)model->elements * sizeof(float);
    arena_init(&model->memory, bytes);
    model->values = arena_take(&model->memory, bytes);
}

/// Starts elements [first, end) of a parameter: N(0, 0.02) for matrices, 0 for vectors.
static void init_elements(Model *model, int index, int64_t first, int64_t end, uint64_t seed)
{
    const Param *param = &model->params[index];
    float *value = model->values + param->offset;
    for (int64_t k = first; k < end; k++)
        value[k] = param->rank < 2
                       ? 0
                       : (float)(0.02 * rng_normal(seed, RNG_INIT, (uint32_t)index, (uint64_t)k));
}

static void init_absent(Model *model, uint64_t seed)
{
    for (int i = 0; i < model->param_count; i++) {
        Param *param = &model->params[i];
        if (!param->absent) continue;
        CHECK(param->head, "%s has no values", param->name);
        init_elements(model, i, 0, param->rows * param->cols, seed);
        param->absent = false;
    }
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

/// A head of `count` labels: label i has the old row rows[i], or one that starts at random.
static void rebuild_head(Model *model, const int64_t *rows, int64_t count, uint64_t seed)
{
    Model old = *model;
    model->params = NULL;
    model->param_count = 0;
    model->elements = model->dense_elements = 0;
    model->memory = (Arena){ 0 };
    model->spec.num_labels = count;
    build(model);
    model_allocate(model);
    for (int i = 0; i < model->param_count; i++) {
        const Param *from = &old.params[i];
        Param *to = &model->params[i];
        const float *old_value = old.values + from->offset;
        float *value = model->values + to->offset;
        int64_t elements = to->rows * to->cols, width = to->labels ? elements / count : elements;
        to->absent = from->absent;
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
    arena_release(&old.memory);
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
    init_absent(model, seed);
    mem_free(rows);
}

void model_bind(const Model *model, Weight *weights)
{
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        weights[i] = (Weight){ .rows = param->rows,
                               .cols = param->cols,
                               .value = model->values + param->offset };
    }
}
