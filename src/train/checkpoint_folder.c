#include "train/checkpoint_folder.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/tensors.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char pattern[] = "step-%010" PRId64 ".h5";

void checkpoint_path(Text *out, const char *run, int64_t step)
{
    text_printf(out, "%s/checkpoints/", run);
    text_printf(out, pattern, step);
}

/// The step of a checkpoint's file name, -1 for any other name.
static int64_t step_of_name(const char *name)
{
    int64_t step;
    char again[64];
    if (sscanf(name, "step-%" SCNd64 ".h5", &step) != 1) return -1;
    snprintf(again, sizeof again, pattern, step);
    return strcmp(again, name) ? -1 : step;
}

/// Of a file that was being written: step-0000000120.h5.partial-SPACE-PID-RANDOM.
static bool is_partial(const char *name)
{
    char target[64];
    const char *end = strstr(name, ".partial-");
    if (!end || (size_t)(end - name) >= sizeof target) return false;
    memcpy(target, name, (size_t)(end - name));
    target[end - name] = '\0';
    return step_of_name(target) >= 0;
}

/// Calls `visit` on every name in the folder; OK if there is no folder.
static Status each_name(const char *run, void (*visit)(void *context, const char *name),
                        void *context)
{
    Status status = OK;
    Text folder = { 0 };
    text_printf(&folder, "%s/checkpoints", run);
    DIR *dir = opendir(folder.data);
    if (!dir && errno != ENOENT) FAIL(FAILED, "cannot read %s: %s", folder.data, strerror(errno));
    for (struct dirent *entry; dir && (entry = readdir(dir));) visit(context, entry->d_name);
done:
    if (dir) closedir(dir);
    text_release(&folder);
    return status;
}

typedef struct {
    int64_t *steps; ///< (count), owned: descending
    int count;
} Steps;

static void add_step(void *context, const char *name)
{
    Steps *list = context;
    int64_t step = step_of_name(name);
    if (step < 0) return;
    list->steps = mem_resize(list->steps, (size_t)list->count + 1, sizeof *list->steps);
    int at = list->count++;
    for (; at > 0 && list->steps[at - 1] < step; at--) list->steps[at] = list->steps[at - 1];
    list->steps[at] = step;
}

static void remove_partial(void *context, const char *name)
{
    Text path = { 0 };
    if (!is_partial(name)) return;
    text_printf(&path, "%s/checkpoints/%s", (const char *)context, name);
    if (unlink(path.data)) log_warn("%s: cannot be removed: %s", path.data, strerror(errno));
    text_release(&path);
}

Status checkpoint_folder_open(const char *run)
{
    Status status = OK;
    struct stat info;
    Text folder = { 0 };
    text_printf(&folder, "%s/checkpoints", run);
    if ((mkdir(folder.data, 0777) && errno != EEXIST) || lstat(folder.data, &info))
        FAIL(FAILED, "%s: %s", folder.data, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        FAIL(FAILED,
             "%s is a link or a file: remove it; checkpoints stay in the run folder, which "
             "output.folder may put on any disk",
             folder.data);
    TRY(each_name(run, remove_partial, (void *)run));
done:
    text_release(&folder);
    return status;
}

Status checkpoint_newest(char **path, const char *run, int skip)
{
    Steps list = { 0 };
    *path = NULL;
    Status status = each_name(run, add_step, &list);
    if (status == OK && list.count > skip) {
        Text text = { 0 };
        checkpoint_path(&text, run, list.steps[skip]);
        *path = text.data;
    }
    mem_free(list.steps);
    return status;
}

/// The newest checkpoint that can be opened; if `strict`, the newest.
static Status open_newest(TensorFile **file, char **path, const char *run, bool strict)
{
    Status status = OK;
    Steps list = { 0 };
    TRY(each_name(run, add_step, &list));
    if (!list.count) FAIL(USAGE, "%s: holds no checkpoint; is it the output.folder of a run?", run);
    for (int i = 0; i < list.count; i++) {
        Text text = { 0 };
        checkpoint_path(&text, run, list.steps[i]);
        mem_free(*path);
        *path = text.data;
        status = tensors_open(file, *path, "checkpoint");
        if (status == OK || strict || i + 1 == list.count) break;
        log_warn("%s; an older checkpoint is used instead", status_message());
        status_clear();
    }
done:
    mem_free(list.steps);
    return status;
}

Status checkpoint_of_run(char **path, const char *run, bool strict)
{
    Status status = OK;
    TensorFile *file = NULL;
    Text best = { 0 };
    *path = NULL;
    TRY(file_named(run, FILE_REGULAR | FILE_FOLDER, ""));
    if (file_named(run, FILE_REGULAR, "") == OK) {
        *path = mem_copy_text(run);
        goto done;
    }
    TRY(open_newest(&file, path, run, strict));
    int64_t best_step = tensors_int(file, "best_step", 0);
    if (best_step > 0) checkpoint_path(&best, run, best_step);
    if (best.data && !access(best.data, R_OK)) {
        mem_free(*path);
        *path = mem_copy_text(best.data);
    }
done:
    if (status != OK) {
        mem_free(*path);
        *path = NULL;
    }
    text_release(&best);
    tensors_close(file);
    return status;
}

Status checkpoint_or_itself(char **path, const char *given)
{
    Text folder = { 0 };
    text_printf(&folder, "%s/checkpoints", given);
    bool is_run = file_named(folder.data, FILE_FOLDER, "") == OK;
    text_release(&folder);
    status_clear();
    if (is_run) return checkpoint_of_run(path, given, false);
    *path = mem_copy_text(given);
    return OK;
}

Status checkpoint_set_aside(const char *run, int64_t step, bool own)
{
    Steps list = { 0 };
    Status status = each_name(run, add_step, &list);
    for (int i = 0; status == OK && i < list.count && list.steps[i] >= step + own; i++) {
        Text path = { 0 }, aside = { 0 };
        checkpoint_path(&path, run, list.steps[i]);
        text_printf(&aside, "%s.old", path.data);
        if (rename(path.data, aside.data))
            status = status_fail(FAILED, "%s: cannot be renamed: %s", path.data, strerror(errno));
        else
            log_warn("%s is of %s: renamed to %s", path.data,
                     list.steps[i] > step ? "a later step than this run" : "another run",
                     aside.data);
        text_release(&path);
        text_release(&aside);
    }
    mem_free(list.steps);
    return status;
}

static void remove_checkpoint(const char *path, CloseFile close_file, void *context)
{
    TensorFile *file;
    if (tensors_open(&file, path, "checkpoint") != OK) {
        log_warn("%s; it is left alone", status_message());
        status_clear();
    } else if (unlink(path)) {
        log_warn("%s: cannot be removed: %s", path, strerror(errno));
    }
    if (file) close_file(context, file);
}

void checkpoint_rotate(const char *run, int64_t limit, int64_t step, int64_t best_step,
                       CloseFile close_file, void *context)
{
    Steps list = { 0 };
    int64_t kept = 0;
    if (each_name(run, add_step, &list) != OK) log_warn("%s", status_message());
    for (int i = 0; i < list.count; i++) {
        if (list.steps[i] == best_step || kept++ < limit || list.steps[i] == step) continue;
        Text path = { 0 };
        checkpoint_path(&path, run, list.steps[i]);
        remove_checkpoint(path.data, close_file, context);
        text_release(&path);
    }
    mem_free(list.steps);
}
