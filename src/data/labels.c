#include "base/mem.h"
#include "data/rows.h"

#include <stdlib.h>
#include <string.h>

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/// Sorts texts and drops repeated ones; returns how many are left.
static int64_t sort_unique(const char **texts, int64_t count)
{
    int64_t kept = 0;
    qsort(texts, (size_t)count, sizeof *texts, by_bytes);
    for (int64_t i = 0; i < count; i++)
        if (!kept || strcmp(texts[kept - 1], texts[i])) texts[kept++] = texts[i];
    return kept;
}

/// Texts laid end to end, each with its NUL: sorted, each once.
static void merge_texts(Text *out, const char *joined, size_t bytes)
{
    int64_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += !joined[i];
    const char **texts = MEM_NEW(const char *, count);
    const char *at = joined;
    for (int64_t i = 0; i < count; i++, at += strlen(at) + 1) texts[i] = at;
    count = sort_unique(texts, count);
    for (int64_t i = 0; i < count; i++) text_append_bytes(out, texts[i], strlen(texts[i]) + 1);
    mem_free(texts);
}

static void collect_labels(Text *out, const Rows *rows, const Source *source)
{
    int64_t count = 0;
    const char **texts = MEM_NEW(const char *, rows->count);
    for (int64_t i = 0; i < rows->count; i++) {
        const char *label = rows_label(rows, i);
        if (label && source->files[rows->files[i]].split == SPLIT_TRAIN) texts[count++] = label;
    }
    count = sort_unique(texts, count);
    for (int64_t i = 0; i < count; i++) text_append_bytes(out, texts[i], strlen(texts[i]) + 1);
    mem_free(texts);
}

void labels_gather(const Comm *comm, char ***names, int64_t *count, const Rows *rows,
                   const Source *source)
{
    Text mine = { 0 }, merged = { 0 };
    char *joined;
    size_t joined_bytes;
    collect_labels(&mine, rows, source);
    comm_gather_root(comm, &joined, &joined_bytes, text_chars(&mine), mine.length_bytes);
    if (comm->rank == 0) merge_texts(&merged, joined, joined_bytes);
    int64_t bytes = (int64_t)merged.length_bytes;
    comm_broadcast(comm, &bytes, sizeof bytes, 0);
    char *all = comm->rank ? mem_new((size_t)bytes, 1) : merged.data;
    comm_broadcast(comm, all, (size_t)bytes, 0);
    *count = 0;
    for (int64_t i = 0; i < bytes; i++) *count += !all[i];
    *names = MEM_NEW(char *, *count);
    const char *at = all;
    for (int64_t i = 0; i < *count; i++, at += strlen(at) + 1) (*names)[i] = mem_copy_text(at);
    if (comm->rank) mem_free(all);
    mem_free(joined);
    text_release(&merged);
    text_release(&mine);
}

static Status refuse_label(const Rows *rows, int64_t row, char *const *names, int64_t count,
                           const Source *source)
{
    const char *label = rows_label(rows, row);
    const char *near = text_nearest(label, (const char *const *)names, (int)count);
    return status_fail(FAILED, "%s: the label '%s' of row %lld is not one of training%s%s%s",
                       source->files[rows->files[row]].path, label,
                       (long long)rows->row_numbers[row], near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
}

typedef struct {
    const char *name; ///< first: compared as texts are
    int32_t id;
} Label;

Status labels_assign(Rows *rows, char *const *names, int64_t count, const Source *source)
{
    Status status = OK;
    Label *labels = MEM_NEW(Label, count);
    for (int64_t i = 0; i < count; i++) labels[i] = (Label){ names[i], (int32_t)i };
    qsort(labels, (size_t)count, sizeof *labels, by_bytes);
    for (int64_t i = 0; i < rows->count && status == OK; i++) {
        const char *wanted = rows_label(rows, i);
        const Label *found =
            wanted ? bsearch(&wanted, labels, (size_t)count, sizeof *labels, by_bytes) : NULL;
        rows->labels[i] = found ? found->id : -1;
        if (!found && source->use != SOURCE_TEXTS)
            status = refuse_label(rows, i, names, count, source);
    }
    mem_free(labels);
    return status;
}
