#include "train/resume.h"
#include "base/file.h"
#include "base/findings.h"
#include "base/log.h"
#include "base/mem.h"
#include "train/checkpoint_folder.h"

#include <string.h>

static bool is_auto(const Recipe *recipe)
{
    return !strcmp(recipe->train.resume, "auto");
}

Status resume_find(char **path, const Recipe *recipe)
{
    Status status = OK;
    const char *how = recipe->train.resume;
    *path = NULL;
    if (is_auto(recipe)) {
        TRY(checkpoint_newest(path, recipe->output.folder, 0));
    } else if (strcmp(how, "never")) {
        TRY(file_named(how, FILE_REGULAR, "train.resume"));
        *path = mem_copy_text(how);
    }
done:
    return status;
}

Status resume_advise(const Recipe *recipe)
{
    char *older = NULL, *message = mem_copy_text(status_message());
    if (is_auto(recipe)) checkpoint_newest(&older, recipe->output.folder, 1);
    if (older)
        status_fail(FAILED, "%s; set train.resume=%s to go on from the one before it", message,
                    older);
    mem_free(message);
    mem_free(older);
    return FAILED;
}

/// Appends "key=theirs, now 'ours'" of every key that may not differ and does.
static void list_changes(Text *out, const Recipe *ours, const Recipe *theirs, const char *section)
{
    Text a = { 0 }, b = { 0 };
    for (const Option *row = recipe_options; row->key; row++) {
        if (strncmp(row->key, section, strlen(section))) continue;
        text_clear(&a);
        text_clear(&b);
        options_value(&a, ours, row);
        options_value(&b, theirs, row);
        if (row->may_differ_on_resume || !strcmp(text_chars(&a), text_chars(&b))) continue;
        text_printf(out, "%s%s = '%s' (the recipe says '%s')", out->length_bytes ? ", " : "",
                    row->key, text_chars(&b), text_chars(&a));
    }
    text_release(&a);
    text_release(&b);
}

static Status check_keys(const Recipe *ours, const Recipe *theirs, const char *path)
{
    Text changes = { 0 };
    Status status = OK;
    list_changes(&changes, ours, theirs, "");
    if (changes.length_bytes)
        status = status_fail(USAGE,
                             "%s was made with %s: change it back, choose another output.folder, "
                             "or set train.resume=never",
                             path, changes.data);
    text_release(&changes);
    return status;
}

static Status check_model(const Recipe *recipe, const Model *model, const TensorFile *file)
{
    const char *path = tensors_file_path(file);
    if (!strcmp(tensors_text(file, "source_sha256", ""), model->source_sha256)) return OK;
    return status_fail(USAGE,
                       "%s was made from another model (imported from %s) than %s holds now "
                       "(imported from %s): change it back, choose another output.folder, or set "
                       "train.resume=never",
                       path, tensors_text(file, "source", "an unknown folder"), recipe->model.path,
                       model->source);
}

/// Contents alone: where keys of the data differ, they have been named.
static Status check_data(const Recipe *ours, const Recipe *theirs, const Dataset *data,
                         const TensorFile *file)
{
    Text changes = { 0 };
    list_changes(&changes, ours, theirs, "data.");
    bool keys_differ = changes.length_bytes;
    text_release(&changes);
    if (keys_differ || !strcmp(tensors_text(file, "dataset_key", ""), data->content_key)) return OK;
    return status_fail(USAGE,
                       "%s was made with other data than %s holds now: restore the file, choose "
                       "another output.folder, or set train.resume=never",
                       tensors_file_path(file), ours->data.path);
}

/// Without epochs max_steps, which may differ, is the horizon too.
static void warn_of_horizon(const Recipe *ours, const Recipe *theirs, const char *path)
{
    long long now = ours->train.max_steps, then = theirs->train.max_steps;
    if (ours->train.epochs > 0 || now == then) return;
    log_warn("%s was made with train.max_steps=%lld, the horizon of its schedule; the recipe says "
             "%lld: learning rates follow the new horizon; with train.epochs max_steps is none",
             path, then, now);
}

Status resume_check(const TensorFile *file, const Recipe *recipe, const Model *model,
                    const Dataset *data, int64_t leaves)
{
    Status status = OK;
    Findings errors = { 0 };
    const char *path = tensors_file_path(file);
    long long stored_leaves = tensors_int(file, "leaves", 0);
    Recipe *stored = MEM_NEW(Recipe, 1);
    TRY(recipe_parse(stored, tensors_text(file, "recipe", ""), path));
    bool same = findings_add(&errors, check_keys(recipe, stored, path));
    if (model) findings_add(&errors, check_model(recipe, model, file));
    if (data) findings_add(&errors, check_data(recipe, stored, data, file));
    if (same && leaves && stored_leaves != leaves && errors.status == OK)
        findings_add(&errors, status_fail(USAGE, "%s was made with %lld leaves, this run has %lld",
                                          path, stored_leaves, (long long)leaves));
    TRY(findings_end(&errors));
    warn_of_horizon(recipe, stored, path);
done:
    mem_free(stored);
    return status;
}
