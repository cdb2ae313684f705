#include "train/run_files.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "store/tensors.h"
#include "train/checkpoint_folder.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// What a run writes beside its checkpoints.
static const char *const outputs[] = { "recipe.yaml", "metrics.jsonl", "metrics.h5",
                                       "run.log",     "report.json",   "report.html",
                                       "loss.svg",    "test.jsonl",    "features.h5" };

/// What stands for the run itself.
static const char *const states[] = { "record.json", "state.json" };

static bool is_written(const char *name)
{
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        if (!strcmp(name, outputs[i])) return true;
    return !strcmp(name, states[0]) || !strcmp(name, states[1]);
}

/// Cuts a path at its last slash; what is behind it.
static const char *cut_name(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    return slash + 1;
}

char *run_of_file(const char *path)
{
    Text recipe = { 0 };
    char *run = mem_copy_text(path);
    const char *name = cut_name(run), *folder = strrchr(run, '/');
    bool kept = folder && !strcmp(folder, "/checkpoints");
    if (kept)
        cut_name(run);
    else
        kept = is_written(name);
    text_printf(&recipe, "%s/recipe.yaml", run);
    if (!kept || access(recipe.data, F_OK)) {
        mem_free(run);
        run = NULL;
    }
    text_release(&recipe);
    return run;
}

static Json *describe(const char *file, const char *path, const char *name, const char *hex)
{
    struct stat info;
    Json *out = json_new_object();
    json_set_text(out, "path", path);
    json_set_int(out, "bytes", stat(file, &info) ? 0 : info.st_size);
    json_set_text(out, name, hex);
    return out;
}

Status run_file_describe(Json **out, const char *file, const char *path)
{
    char hex[65];
    Status status = OK;
    TRY(sha256_file(hex, file));
    *out = describe(file, path, "sha256", hex);
done:
    return status;
}

Status run_file_describe_frame(Json **out, const char *file, const char *path)
{
    char hex[65];
    TensorFile *tensors = NULL;
    Status status = OK;
    TRY(tensors_open_any(&tensors, file));
    TRY(tensors_frame_sha256(hex, tensors));
    *out = describe(file, path, "frame_sha256", hex);
done:
    tensors_close(tensors);
    return status;
}

/// That name files of data, in the order of splits.
static const char *const data_keys[SPLIT_COUNT] = { "data.path", "data.split.validation",
                                                    "data.split.test" };

/// The path of the file of this name: files of training, validation and test stand in this order,
/// those of a folder in the order of their names.
static void find_data(Text *out, int *source, const char *before, const char *name,
                      const DataOptions *options)
{
    const char *const given[] = { options->path, options->split.validation, options->split.test };
    for (; *source < SPLIT_COUNT; ++*source, before = "") {
        const char *path = given[*source], *slash = strrchr(path, '/');
        bool is_folder = *path && file_named(path, FILE_FOLDER, "") == OK;
        text_clear(out);
        text_printf(out, is_folder ? "%s/%s" : "%s", path, name);
        if (is_folder ? strcmp(before, name) < 0 && !access(out->data, R_OK)
                      : !*before && !strcmp(slash ? slash + 1 : path, name))
            break;
    }
    status_clear();
}

Json *run_files_data(const DataOptions *options, const char *sums)
{
    char *lines = mem_copy_text(sums), *rest = lines, *before = "";
    Text path = { 0 };
    int source = 0;
    Json *out = json_new_array();
    for (char *line; (line = strsep(&rest, "\n")) && strlen(line) > 66; before = line + 66) {
        struct stat info;
        Json *file = json_new_object();
        line[64] = '\0';
        find_data(&path, &source, before, line + 66, options);
        json_set_text(file, "path", text_chars(&path));
        json_set_text(file, "key", source < SPLIT_COUNT ? data_keys[source] : "");
        json_set_int(file, "bytes", stat(path.data, &info) ? 0 : info.st_size);
        json_set_text(file, "sha256", line);
        json_append(out, file);
    }
    text_release(&path);
    mem_free(lines);
    return out;
}

static Status add_output(Json *list, const char *run, const char *path, bool in_haste)
{
    Status status = OK;
    Json *file = NULL;
    const char *name = path + strlen(run) + 1, *ending = strrchr(name, '.');
    bool by_frame = in_haste && ending && !strcmp(ending, ".h5");
    if (access(path, F_OK)) return OK;
    TRY(by_frame ? run_file_describe_frame(&file, path, name)
                 : run_file_describe(&file, path, name));
    json_append(list, file);
done:
    return status;
}

Status run_files_written(Json **out, const char *run, bool in_haste)
{
    Status status = OK;
    char *checkpoint = NULL;
    Text path = { 0 };
    *out = json_new_array();
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        text_clear(&path);
        text_printf(&path, "%s/%s", run, outputs[i]);
        TRY(add_output(*out, run, path.data, in_haste));
    }
    for (int skip = 0;; skip++) {
        mem_free(checkpoint);
        TRY(checkpoint_newest(&checkpoint, run, skip));
        if (!checkpoint) break;
        TRY(add_output(*out, run, checkpoint, in_haste));
    }
done:
    mem_free(checkpoint);
    text_release(&path);
    return status;
}
