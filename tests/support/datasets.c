#include "support/datasets.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "support/check.h"
#include "support/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

Comm world;
Tokenizer *tokenizer;

static void load_tokenizer(const char *path)
{
    char *json;
    size_t bytes;
    CHECK(text_read_file(&json, &bytes, path) == OK, "%s", status_message());
    CHECK(tokenizer_new(&tokenizer, json, bytes, path) == OK, "%s", status_message());
    mem_free(json);
}

DataOptions options_for(const char *path)
{
    DataOptions options = { .text = "text",
                            .label = "label",
                            .max_length = 16,
                            .delimiter = "auto",
                            .quote = "auto",
                            .header = "auto" };
    snprintf(options.path, sizeof options.path, "%s", path);
    return options;
}

const char *write_bytes(const char *name, const char *data, size_t bytes)
{
    const char *path = folder_path(name);
    if (world.rank == 0) CHECK(text_write_file(path, data, bytes) == OK, "%s", status_message());
    comm_barrier(&world);
    return path;
}

const char *write_text(const char *name, const char *text)
{
    return write_bytes(name, text, strlen(text));
}

const char *make_subfolder(const char *name)
{
    const char *path = folder_path(name);
    if (world.rank == 0) mkdir(path, 0777);
    comm_barrier(&world);
    return path;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

void remove_tree(const char *path)
{
    comm_barrier(&world);
    if (world.rank == 0) nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    comm_barrier(&world);
}

Dataset *prepare(const Comm *comm, const DataOptions *options, const char *folder)
{
    Dataset *dataset = NULL;
    Status status = dataset_prepare(comm, &dataset, options, tokenizer, "tiny", folder);
    CHECK(status == OK, "%s", status_message());
    return dataset;
}

void check_same_sets(const Dataset *a, const Dataset *b)
{
    CHECK_EQ(a->rows, b->rows);
    CHECK_EQ(a->tokens, b->tokens);
    CHECK_EQ(a->label_count, b->label_count);
    CHECK_EQ(a->empty_texts, b->empty_texts);
    CHECK_EQ(a->ill_formed, b->ill_formed);
    CHECK_EQ(a->truncated, b->truncated);
    CHECK_TEXT(a->content_key, b->content_key);
    if (a->rows != b->rows || a->tokens != b->tokens) return;
    size_t rows = (size_t)a->rows;
    CHECK_TRUE(!memcmp(a->offsets, b->offsets, (rows + 1) * sizeof *a->offsets));
    CHECK_TRUE(!memcmp(a->ids, b->ids, (size_t)a->tokens * sizeof *a->ids));
    CHECK_TRUE(!memcmp(a->type_starts, b->type_starts, rows * sizeof *a->type_starts));
    CHECK_TRUE(!memcmp(a->labels, b->labels, rows * sizeof *a->labels));
    CHECK_TRUE(!memcmp(a->splits, b->splits, rows));
    CHECK_TRUE(!memcmp(a->row_numbers, b->row_numbers, rows * sizeof *a->row_numbers));
    for (int64_t i = 0; i < a->label_count; i++) CHECK_TEXT(a->label_names[i], b->label_names[i]);
}

static void check_same_files(const char *a_path, const char *b_path)
{
    TensorFile *a, *b;
    CHECK(tensors_open(&a, a_path, "dataset") == OK, "%s", status_message());
    CHECK(tensors_open(&b, b_path, "dataset") == OK, "%s", status_message());
    CHECK_EQ(tensors_count(a), 6);
    CHECK_EQ(tensors_count(b), 6);
    for (int i = 0; i < tensors_count(a); i++) {
        const TensorInfo *x = tensors_at(a, i), *y = tensors_find(b, x->path);
        CHECK_TRUE(y && y->elements == x->elements && y->type == x->type);
        if (!y || y->elements != x->elements) continue;
        size_t bytes = (size_t)x->elements * element_bytes(x->type);
        char *left = mem_new(bytes, 1), *right = mem_new(bytes, 1);
        CHECK_EQ(tensors_read(a, x, 0, x->elements, left), OK);
        CHECK_EQ(tensors_read(b, y, 0, y->elements, right), OK);
        if (memcmp(left, right, bytes)) CHECK_TEXT(x->path, "the same in both files");
        mem_free(left);
        mem_free(right);
    }
    for (int i = 0; i < tensors_value_count(a); i++) {
        const Value *value = tensors_value_at(a, i);
        if (value->kind != VALUE_TEXT || !strcmp(value->name, "created_utc")) continue;
        CHECK_TEXT(tensors_text(b, value->name, ""), value->text);
    }
    tensors_close(a);
    tensors_close(b);
}

Dataset *prepare_both(const DataOptions *options)
{
    char name[32];
    snprintf(name, sizeof name, "alone-%d/deep", world.rank);
    const char *together = folder_path("together"), *alone = folder_path(name);
    Comm self = comm_self();
    Dataset *all = prepare(&world, options, together), *mine = prepare(&self, options, alone);
    check_same_sets(all, mine);
    check_same_files(all->path, mine->path);
    dataset_free(mine);
    Dataset *again = prepare(&world, options, together);
    check_same_sets(all, again);
    dataset_free(again);
    remove_tree(together);
    snprintf(name, sizeof name, "alone-%d", world.rank);
    nftw(folder_path(name), remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return all;
}

void datasets_start(const char *tokenizer_path)
{
    CHECK(comm_start(&world) == OK, "%s", status_message());
    log_start(world.rank);
    folder_make(&world);
    load_tokenizer(tokenizer_path);
}

void datasets_stop(void)
{
    tokenizer_free(tokenizer);
    folder_remove(&world);
}
