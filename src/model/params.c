#include "model/build.h"
#include "base/mem.h"
#include "model/factors.h"
#include "nn/group.h"

#include <stdio.h>
#include <string.h>

static const int64_t alignment = 16; // floats: a cache line

/// %s: the prefix of the architecture; %d: the layer.
static void format_name(char *out, size_t room, const char *name, const char *prefix, int64_t layer)
{
    Text text = { 0 };
    for (const char *at = name; *at; at++) {
        if (*at != '%')
            text_append_bytes(&text, at, 1);
        else if (*++at == 's')
            text_append(&text, prefix);
        else
            text_printf(&text, "%lld", (long long)layer);
    }
    CHECK(text.length_bytes < room, "the name %s is too long", text.data);
    strcpy(out, text.data);
    text_release(&text);
}

static int64_t size_at(const ModelSpec *spec, size_t place)
{
    return place == VECTOR ? 0 : *(const int64_t *)((const char *)spec + place);
}

static bool is_there(const ModelSpec *spec, const ParamRow *row)
{
    return !row->when || size_at(spec, row->when) > 0;
}

/// Which part of a parameter this rank has: `rows` and `cols` of the whole become its own.
static void take_part(Param *param, const Model *model, const ParamRow *row, unsigned flags)
{
    int size = model->group ? model->group->size : 1, rank = model->group ? model->group->rank : 0;
    int64_t kv_heads = model->spec.num_key_value_heads, sections = flags & PARAM_QKV ? 3 : 1;
    bool out = flags & (PARAM_OUT | PARAM_QKV), in = flags & PARAM_IN;
    int64_t *length = in || param->rank == 1 ? &param->cols : &param->rows; // of what is split
    bool keys = row->rows == SIZE(key_size) || (param->rank == 1 && row->cols == SIZE(key_size));
    int parts = !out && !in ? 1 : keys && kv_heads < size ? (int)kv_heads : size;
    int part = rank / (size / parts);
    int64_t whole = *length / sections;
    Span share = group_share(whole, parts, part);
    int64_t unit = out && param->rank == 2 ? param->cols : 1; // elements of one of them
    *length = share.count * sections;
    if (parts > 1)
        param->layout = (TensorLayout){ share.first * unit, share.count * unit, whole * unit };
    param->sections = (int)sections;
    param->sharers = size / parts;
    param->summed = keys && param->sharers > 1;
}

/// Takes this rank's part of a row whose whole shape is set, and gives it its place.
static void place(Param *param, Model *model, const ParamRow *row, unsigned flags)
{
    int64_t end = model->elements, start = (end + alignment - 1) / alignment * alignment;
    param->dims[0] = param->rank == 1 ? param->cols : param->rows;
    param->dims[1] = param->cols;
    take_part(param, model, row, flags);
    param->offset = param->joined ? end : start;
    CHECK(param->table || model->elements == model->dense_elements, "%s follows a table",
          param->name);
    model->elements = param->offset + param->rows * param->cols;
    if (!param->table) model->dense_elements = model->elements;
}

/// Makes the left factor of a product that the configuration keeps as two; returns its flags.
/// Joined products have one right factor: it lies before their left ones, as it is read first.
static unsigned factor(Param *left, Model *model, const ParamRow *row, unsigned flags)
{
    const Param *before = left->joined ? &model->params[model->param_count - 1] : NULL;
    int64_t rank =
        before ? (before->right ? before->cols : 0) : model_factor_rank(model, left->name);
    if (rank < 1 || (!before && rank > left->cols)) return flags;
    if (!before) {
        Param right = *left;
        right.rows = right.factor_rank = rank;
        right.product = false;
        strcat(right.name, ".right");
        place(&right, model, row, flags & PARAM_IN);
        model->rights =
            mem_resize(model->rights, (size_t)model->right_count + 1, sizeof *model->rights);
        model->rights[model->right_count++] = right;
    }
    left->right = model->right_count; // counted from 1 until it follows the body
    left->cols = left->factor_rank = rank;
    strcat(left->name, ".left");
    return flags & ~(unsigned)PARAM_IN; // every input's share of the rank is summed before it
}

static void add_param(Model *model, const ParamRow *row, int64_t layer, unsigned flags)
{
    bool vector = row->rows == VECTOR;
    flags |= row->flags;
    Param param = { .rank = vector ? 1 : 2,
                    .rows = vector ? 1 : size_at(&model->spec, row->rows),
                    .cols = size_at(&model->spec, row->cols),
                    .table = flags & PARAM_TABLE,
                    .decays = !vector,
                    .head = flags & PARAM_HEAD,
                    .labels = flags & PARAM_LABELS,
                    .transposed = flags & PARAM_TRANSPOSED,
                    .gain = flags & PARAM_GAIN,
                    .residual = flags & PARAM_RESIDUAL,
                    .product =
                        !vector && flags & PARAM_BODY && flags & (PARAM_OUT | PARAM_IN | PARAM_QKV),
                    .joined = flags & PARAM_JOINED,
                    .absent = true };
    format_name(param.name, sizeof param.name - sizeof ".right", row->name, model->arch->prefix,
                layer);
    if (param.product) flags = factor(&param, model, row, flags);
    place(&param, model, row, flags);
    model->params =
        mem_resize(model->params, (size_t)model->param_count + 1, sizeof *model->params);
    model->params[model->param_count++] = param;
}

/// Right factors follow the body in the table, so that its rows stay where its forward function
/// looks for them.
static void add_rights(Model *model, bool tied)
{
    int body = model->param_count, all = body + model->right_count;
    model->params = mem_resize(model->params, (size_t)all, sizeof *model->params);
    for (int i = 0; i < body; i++)
        if (model->params[i].right) model->params[i].right += body - tied - 1;
    for (int i = 0; i < model->right_count; i++) model->params[body + i] = model->rights[i];
    model->param_count = all;
    mem_free(model->rights);
    model->rights = NULL;
    model->right_count = 0;
}

static int add_rows(Model *model, const ParamRow *rows, int count, int64_t layer, unsigned flags)
{
    int added = 0;
    for (int i = 0; i < count; i++) {
        if (!is_there(&model->spec, &rows[i])) continue;
        add_param(model, &rows[i], layer, flags);
        added++;
    }
    return added;
}

int model_add_rows(Model *model, const ParamRow *rows, int count, int64_t layer)
{
    return add_rows(model, rows, count, layer, PARAM_BODY);
}

int model_count_rows(const ModelSpec *spec, const ParamRow *rows, int count)
{
    int there = 0;
    for (int i = 0; i < count; i++) there += is_there(spec, &rows[i]);
    return there;
}

void model_build(Model *model)
{
    const Head *only = model->head;
    bool tied = only && only->vocabulary && !model->spec.untied;
    ParamRow words = { model->arch->words, SIZE(vocab_size), SIZE(hidden_size), 0, 0 };
    unsigned kind = PARAM_OUT | (tied ? 0 : PARAM_TABLE);
    if (tied) add_param(model, &words, 0, kind);
    model->arch->add_params(model);
    add_rights(model, tied); // whose first row is the last in the end
    model->head_first = model->param_count - tied;
    for (const Head *head = model->arch->heads; head->task; head++)
        if (!only || head == only) add_rows(model, head->rows, head->row_count, 0, PARAM_HEAD);
    if (!tied) add_param(model, &words, 0, kind);
    model->words = model->param_count - 1;
    if (tied) { // its row is the last all the same
        Param first = model->params[0];
        memmove(model->params, model->params + 1, (size_t)model->words * sizeof first);
        model->params[model->words] = first;
    }
    // the last gap belongs to the whole too, so that copies need no remainder
    model->elements = (model->elements + alignment - 1) / alignment * alignment;
    model->dense_elements = tied ? model->elements : model->params[model->words].offset;
}

int64_t model_most_slices(const ModelSpec *spec)
{
    int64_t a = spec->num_key_value_heads, b = spec->intermediate_size;
    while (b) {
        int64_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}

/// True if this many ranks can have the model between them.
static bool divides(const ModelSpec *spec, int64_t ranks, bool strict)
{
    int64_t kv_heads = spec->num_key_value_heads;
    if (strict) return model_most_slices(spec) % ranks == 0;
    return spec->num_attention_heads % ranks == 0 && spec->intermediate_size % ranks == 0 &&
           (kv_heads % ranks == 0 || ranks % kv_heads == 0);
}

Status model_check_group(const ModelSpec *spec, int ranks, bool strict, const char *where)
{
    Text possible = { 0 };
    if (divides(spec, ranks, strict)) return OK;
    for (int n = 1; n <= GROUP_MOST_RANKS; n++)
        if (divides(spec, n, strict)) text_printf(&possible, "%s%d", n > 1 ? ", " : "", n);
    Status status =
        status_fail(USAGE,
                    "%s: grid.cols %d does not divide the model's %lld heads (%lld of keys) and "
                    "width %lld%s: it can be %s",
                    where, ranks, (long long)spec->num_attention_heads,
                    (long long)spec->num_key_value_heads, (long long)spec->intermediate_size,
                    strict ? ", as grid.reproducible=strict needs it" : "", possible.data);
    text_release(&possible);
    return status;
}

int model_find_param(const Model *model, const char *name)
{
    for (int i = 0; i < model->param_count; i++)
        if (!strcmp(model->params[i].name, name)) return i;
    return -1;
}

Status model_check_factors(const Model *model, const char *where)
{
    const Json *ranks = json_get(model->config, "factor_ranks");
    char left[sizeof((Param *)0)->name];
    void *iterator = NULL;
    const char *name;
    Json *rank;
    while (json_next(ranks, &iterator, &name, &rank)) {
        snprintf(left, sizeof left, "%s.left", name);
        int found = model_find_param(model, left);
        if (found >= 0 && !model->params[found].joined) continue;
        return status_fail(FAILED,
                           "%s: factor_ranks: '%.100s' is no large product of a layer, or its "
                           "rank is no whole number from 1 to its inputs",
                           where, name);
    }
    return OK;
}
