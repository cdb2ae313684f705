#include "model/model.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "base/rng.h"
#include "model/factors.h"
#include "nn/group.h"

#include <math.h>
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

/// Fills the table for the sizes at hand: the body, the head, and the word embedding, which is a
/// lookup table unless the head multiplies with it. Then its values lie before all others: it is
/// the first that a forward pass reads, and its gradient the last that is complete.
static void build(Model *model)
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

static Status find_head(Model *model, const char *task, const char *where)
{
    Text tasks = { 0 };
    if (!task) return OK;
    model->head = arch_head(model->arch, task);
    if (model->head) return OK;
    for (const Head *head = model->arch->heads; head->task; head++)
        text_printf(&tasks, "%s%s", head == model->arch->heads ? "" : ", ", head->task);
    Status status = status_fail(USAGE, "%s: a %s model has no head for model.task %s (it has: %s)",
                                where, model->arch->model_type, task, text_chars(&tasks));
    text_release(&tasks);
    return status;
}

/// The most slices that every product of the model can be cut into.
static int64_t most_slices(const ModelSpec *spec)
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
    if (strict) return most_slices(spec) % ranks == 0;
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

Status model_new(Model **out, const Json *config, const char *task, int64_t num_labels,
                 const Comm *group, const char *where)
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
    TRY(find_head(model, task, where));
    TRY(model->arch->read_config(&model->spec, config, where));
    model->group = group && (group->size > 1 || group->strict) ? group : NULL;
    if (model->group) TRY(model_check_group(&model->spec, group->size, group->strict, where));
    model->slices = !model->group ? 1 : group->strict ? most_slices(&model->spec) : group->size;
    if (!num_labels) num_labels = json_size(labels);
    if (!num_labels) num_labels = json_int(json_get(config, "num_labels"), 2);
    if (num_labels < 1 || num_labels > 1 << 24)
        FAIL(FAILED, "%s: num_labels must be a whole number from 1 to %d", where, 1 << 24);
    model->spec.num_labels = num_labels;
    model->config = json_clone(config);
    build(model);
    TRY(model_check_factors(model, where));
    if (model->group && group->strict && group->size > 1 && json_get(config, "factor_ranks"))
        FAIL(USAGE,
             "%s: factors have no strict bits between ranks: with grid.reproducible=strict "
             "grid.cols can be 1",
             where);
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

static void release_values(Model *model)
{
    if (model->memory.base)
        arena_release(&model->memory);
    else
        node_unshare(model->values, (size_t)model->elements * sizeof(float));
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
    tensors_close(model->file);
    release_values(model);
    mem_free(model->params);
    mem_free(model);
}

void model_allocate(Model *model)
{
    size_t bytes = (size_t)model->elements * sizeof(float);
    arena_init(&model->memory, bytes);
    model->values = arena_take(&model->memory, bytes);
}

void model_allocate_shared(Model *model, const Node *node)
{
    model->values = node_share(node, (size_t)model->elements * sizeof(float));
    model->node = model->values || !node ? node : node->alone;
    if (model->values) return;
    if (node_shares(node))
        log_warn("the ranks of a node cannot share memory: each keeps its own copy of the weights");
    model_allocate(model);
}

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
    build(model);
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
    release_values(&old);
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

void model_sum_gradient(const Model *model, const Weight *weights, Tape *tape, int index)
{
    const Param *param = &model->params[index];
    const Weight *weight = &weights[index];
    if (!param->summed || !weight->written) return; // agreed: the same operators on all ranks
    CHECK(!weight->touched, "%s: a table that ranks share", param->name);
    int first = model->group->rank / param->sharers * param->sharers;
    group_sum(tape, weight->gradient, param->rows * param->cols, first, param->sharers);
}

int64_t model_parameters(const Model *model)
{
    int64_t sum = 0;
    for (int i = 0; i < model->param_count; i++) sum += param_elements(&model->params[i]);
    return sum;
}

int64_t model_key_columns(const Model *model)
{
    int64_t heads = model->spec.num_key_value_heads, size = model->group ? model->group->size : 1;
    return model->spec.key_size / (heads < size ? heads : size);
}

double model_dropout(const ModelSpec *spec, const Tape *tape)
{
    return tape_pass(tape)->training ? spec->dropout : 0;
}

Output model_head(const Model *model, Weight *weights, Tape *tape, Var *x)
{
    return model->head->forward(model, weights + model->head_first, &weights[model->words], tape,
                                x);
}

Var *model_hidden(const Model *model, Weight *weights, Tape *tape)
{
    return gather_tokens(tape, model->arch->hidden(model, weights, tape));
}

Output model_output(const Model *model, Weight *weights, Tape *tape)
{
    Var *x = model_hidden(model, weights, tape);
    return model_head(model, weights, tape, model->head->reads(tape, x));
}

void model_bind(const Model *model, Weight *weights)
{
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        weights[i] = (Weight){ .rows = param->rows,
                               .cols = param->cols,
                               .sections = param->sections,
                               .value = model->values + param->offset };
        if (param->right) weights[i].right = &weights[param->right];
        if (param->layout.run < param->cols || param->cols < param->dims[1]) continue;
        weights[i].first_row = param->layout.first / param->cols;
        weights[i].all_rows = param->dims[0];
    }
}
