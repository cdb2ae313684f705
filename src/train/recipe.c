#include "train/recipe.h"
#include "base/findings.h"
#include "base/log.h"
#include "base/utf8.h"
#include "comm/agree.h"
#include "linalg/dmat.h"
#include "store/json.h"
#include "store/yaml.h"
#include "train/objective.h"
#include "train/method.h"

#include <string.h>

/// A recipe's text is YAML, and YAML is UTF-8; its files are, the command line may not be.
static Status check_text(const Setting *item)
{
    size_t left = strlen(item->value);
    int bytes;
    for (const char *at = item->value; left; at += bytes, left -= (size_t)bytes)
        if (utf8_decode(&bytes, (const unsigned char *)at, left) == UTF8_ILL_FORMED)
            return status_fail(USAGE, "%s: %s: the value is not UTF-8", item->where, item->key);
    return OK;
}

/// `grid: auto` for `grid: {cols: 0}`.
static void expand_auto_grid(Settings *settings)
{
    for (int i = 0; i < settings->count; i++) {
        Setting *item = &settings->items[i];
        if (strcmp(item->key, "grid") || strcmp(item->value, "auto")) continue;
        mem_free(item->key);
        mem_free(item->value);
        item->key = mem_copy_text("grid.cols");
        item->value = mem_copy_text("0");
    }
}

/// What of a grid excludes what, whatever ranks there are.
static Status check_grid(const GridOptions *options)
{
    if (strcmp(options->backend, "scalapack") || !recipe_strict(options)) return OK;
    return status_fail(USAGE, "grid.backend: the sums of scalapack depend on the grid: with "
                              "grid.reproducible=strict it can be native or auto");
}

static Status read_file(Recipe *out, const char *path, const Settings *overrides)
{
    Status status = OK;
    Settings settings = { 0 };
    Findings errors = { 0 };
    memset(out, 0, sizeof *out);
    TRY(yaml_read(&settings, path));
    findings_add(&errors, settings_check_once(&settings));
    for (int i = 0; i < overrides->count; i++) {
        const Setting *item = &overrides->items[i];
        if (findings_add(&errors, check_text(item)))
            settings_add(&settings, item->key, item->value, item->where);
    }
    expand_auto_grid(&settings);
    bool sound = findings_add(&errors, options_read(out, recipe_options, &settings));
    if (sound) out->data.form = objective_find(out->model.task)->form;
    if (sound) findings_add(&errors, check_grid(&out->grid));
    if (sound && method_find(out->train.method)->once) {
        out->train.epochs = 0;
        out->train.max_steps = 1;
        findings_add(&errors, probe_check(out));
    }
    if (sound && out->train.epochs == 0 && out->train.max_steps == 0)
        findings_add(&errors, status_fail(USAGE,
                                          "%s: one of train.epochs and train.max_steps must "
                                          "be given",
                                          path));
    if (out->train.batch_tokens && settings_have(&settings, "train.batch_size"))
        log_warn("%s: train.batch_size and train.batch_tokens are both given: batch_tokens holds",
                 path);
    status = findings_end(&errors);
done:
    settings_release(&settings);
    return status;
}

Status recipe_read(const Comm *comm, Recipe *out, const char *path, const Settings *overrides)
{
    Status status = OK;
    TRY_ROOT(comm, read_file(out, path, overrides));
    comm_broadcast(comm, out, sizeof *out, 0);
done:
    return status;
}

/// True for what YAML takes as the same text without quotes.
static bool is_plain(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char *const nulls[] = { "null", "Null", "NULL" };
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (!strcmp(text, nulls[i])) return false;
    if (*text && !strchr(letters, *text) && *text != '/' && *text != '.') return false;
    size_t plain = 0;
    while (text[plain] && (strchr(letters, text[plain]) || strchr("/._+-", text[plain]))) plain++;
    return !text[plain];
}

void recipe_print(Text *out, const Recipe *recipe)
{
    Text value = { 0 };
    for (const Option *row = recipe_options; row->key; row++) {
        text_clear(&value);
        options_value(&value, recipe, row);
        text_printf(out, "%s: ", row->key);
        if (row->type != OPTION_TEXT || is_plain(text_chars(&value)))
            text_append(out, text_chars(&value));
        else
            json_quote(out, value.data, value.length_bytes);
        text_append(out, "\n");
    }
    text_release(&value);
}

Status recipe_parse(Recipe *out, const char *text, const char *where)
{
    Status status = OK;
    Settings settings = { 0 };
    memset(out, 0, sizeof *out);
    TRY(yaml_parse(&settings, text, strlen(text), where));
    TRY(options_read(out, recipe_options, &settings));
    out->data.form = objective_find(out->model.task)->form;
done:
    settings_release(&settings);
    return status;
}

Json *recipe_json(const Recipe *recipe)
{
    Json *object = json_new_object();
    Text value = { 0 };
    for (const Option *row = recipe_options; row->key; row++) {
        text_clear(&value);
        options_value(&value, recipe, row);
        json_set_text(object, row->key, text_chars(&value));
    }
    text_release(&value);
    return object;
}

bool recipe_strict(const GridOptions *options)
{
    return !strcmp(options->reproducible, "strict");
}

int64_t recipe_leaves(const GridOptions *options, int64_t leaves, int64_t rows)
{
    return recipe_strict(options) ? leaves : leaves * rows;
}

Status recipe_grid(Comm *out, Grid *grid, const Comm *comm, const GridOptions *options)
{
    bool shares = strcmp(options->shared_weights, "never");
    if (!options->cols) // agreed: the same options on all ranks
        return status_fail(USAGE, "grid: auto is for train: give the columns, or none for one");
    bool scalapack = !strcmp(options->backend, "scalapack");
    Status status = check_grid(options); // agreed: as above
    if (status != OK) return status;
    status = grid_start(grid, comm, options->data, options->rows, options->cols, shares,
                        recipe_strict(options));
    *out = *comm;
    if (status != OK) return status; // agreed: the same sizes on all ranks
    out->grid = grid;
    if (options->nodes_per_island && grid->node) // agreed: the same options, the same ranks
        node_set_islands(grid->node, options->nodes_per_island);
    if (!scalapack || grid->cols == 1) return OK;
    grid->matrix = MEM_NEW(MatrixGrid, 1);
    matrix_grid_start(grid->matrix, &grid->group, 1, grid->cols);
    return OK;
}

void recipe_grid_stop(Grid *grid)
{
    if (grid->matrix) matrix_grid_stop(grid->matrix); // agreed: all ranks of its group have it
    mem_free(grid->matrix);
    grid_stop(grid);
}
