#include "base/hash.h"
#include "base/mem.h"
#include "data/rows.h"

#include <stdlib.h>
#include <string.h>

void label_table_release(LabelTable *table)
{
    text_release(&table->chars);
    mem_free(table->starts);
    mem_free(table->slots);
    *table = (LabelTable){ 0 };
}

const char *label_table_text(const LabelTable *table, int64_t number)
{
    return table->chars.data + table->starts[number];
}

/// The slot that holds the text, or the free one where it belongs.
static int32_t *find_slot(const LabelTable *table, const char *text, size_t bytes)
{
    Hash hash = hash_bytes(text, bytes);
    uint64_t at;
    memcpy(&at, hash.bytes, sizeof at);
    for (;; at++) {
        int32_t *slot = &table->slots[at % (uint64_t)table->slot_count];
        if (!*slot || !strcmp(label_table_text(table, *slot - 1), text)) return slot;
    }
}

static void grow_table(LabelTable *table)
{
    table->capacity = table->capacity ? 2 * table->capacity : 32;
    table->starts = mem_resize(table->starts, (size_t)table->capacity, sizeof *table->starts);
    mem_free(table->slots);
    table->slot_count = 2 * table->capacity;
    table->slots = MEM_NEW(int32_t, table->slot_count);
    for (int64_t i = 0; i < table->count; i++) {
        const char *text = label_table_text(table, i);
        *find_slot(table, text, strlen(text)) = (int32_t)i + 1;
    }
}

int32_t label_table_number(LabelTable *table, const char *text, size_t bytes)
{
    if (table->count == table->capacity) grow_table(table);
    int32_t *slot = find_slot(table, text, bytes);
    if (!*slot) {
        CHECK(table->count < INT32_MAX, "more than %d labels", INT32_MAX);
        table->starts[table->count++] = (int64_t)table->chars.length_bytes;
        text_append_bytes(&table->chars, text, bytes + 1);
        *slot = (int32_t)table->count;
    }
    return *slot - 1;
}

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

void labels_gather(const Comm *comm, char ***names, int64_t *count, const Rows *rows)
{
    const LabelTable *labels = &rows->labels;
    Text merged = { 0 };
    char *joined;
    size_t joined_bytes, bytes_of_path = rows->path_labels < labels->count
                                             ? (size_t)labels->starts[rows->path_labels]
                                             : labels->chars.length_bytes;
    comm_gather_root(comm, &joined, &joined_bytes, text_chars(&labels->chars), bytes_of_path);
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
}

static Status refuse_label(const Rows *rows, int64_t row, const char *label, char *const *names,
                           int64_t count, const Source *source)
{
    const char *near = text_nearest(label, (const char *const *)names, (int)count);
    const int64_t *row_numbers = rows->arrays[ARRAY_ROW_NUMBERS].data;
    int64_t file = 0;
    while (row >= rows->file_ends[file]) file++;
    return status_fail(FAILED, "%s: the label '%s' of row %lld is not one of training%s%s%s",
                       source->files[file].path, label, (long long)row_numbers[row],
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

typedef struct {
    const char *name; ///< first: compared as texts are
    int32_t id;
} Label;

/// ids[number] of the table's labels: places in `names`, -1 where they are none of these.
static int32_t *match_names(const LabelTable *table, char *const *names, int64_t count)
{
    Label *labels = MEM_NEW(Label, count);
    int32_t *ids = MEM_NEW(int32_t, table->count);
    for (int64_t i = 0; i < count; i++) labels[i] = (Label){ names[i], (int32_t)i };
    qsort(labels, (size_t)count, sizeof *labels, by_bytes);
    for (int64_t i = 0; i < table->count; i++) {
        const char *wanted = label_table_text(table, i);
        const Label *found = bsearch(&wanted, labels, (size_t)count, sizeof *labels, by_bytes);
        ids[i] = found ? found->id : -1;
    }
    mem_free(labels);
    return ids;
}

Status labels_assign(Rows *rows, char *const *names, int64_t count, const Source *source)
{
    Status status = OK;
    int32_t *ids = match_names(&rows->labels, names, count);
    const int32_t *numbers = rows->label_numbers.data;
    for (int64_t i = 0; i < rows->count; i++) {
        int32_t id = numbers[i] < 0 ? -1 : ids[numbers[i]];
        if (id < 0 && source->use != SOURCE_TEXTS)
            TRY(refuse_label(rows, i, label_table_text(&rows->labels, numbers[i]), names, count,
                             source));
        TRY(spool_append(&rows->arrays[ARRAY_LABELS], &id, sizeof id));
    }
    TRY(spool_finish(&rows->arrays[ARRAY_LABELS]));
done:
    mem_free(ids);
    return status;
}
