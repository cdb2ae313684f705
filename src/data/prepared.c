#include "data/prepared.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "data/rows.h"
#include "store/tensors.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

/// The tensors of the file.
typedef struct {
    const char *path;
    ElementType type;
    bool is_token_sized; ///< else one element a row, and `extra` more
    int64_t extra;
    size_t offset_bytes; ///< of the pointer in Dataset
} Row;

static const Row tensor_rows[] = {
    { "tokens", ELEMENT_I32, true, 0, offsetof(Dataset, ids) },
    { "offsets", ELEMENT_I64, false, 1, offsetof(Dataset, offsets) },
    { "type_starts", ELEMENT_I32, false, 0, offsetof(Dataset, type_starts) },
    { "labels", ELEMENT_I32, false, 0, offsetof(Dataset, labels) },
    { "splits", ELEMENT_U8, false, 0, offsetof(Dataset, splits) },
    { "row_numbers", ELEMENT_I64, false, 0, offsetof(Dataset, row_numbers) },
};
enum { TENSOR_ROWS = sizeof tensor_rows / sizeof *tensor_rows };

static char *tensor_data(const Dataset *dataset, const Row *row)
{
    return *(char *const *)((const char *)dataset + row->offset_bytes);
}

static int64_t tensor_elements(const Dataset *dataset, const Row *row)
{
    return (row->is_token_sized ? dataset->tokens : dataset->rows) + row->extra;
}

/// False where a file that passed its checksums still makes no sense.
static bool is_sound(const Dataset *dataset, int64_t vocabulary)
{
    bool sound = dataset->offsets[0] == 0 && dataset->offsets[dataset->rows] == dataset->tokens;
    for (int64_t i = 0; i < dataset->rows && sound; i++) {
        int64_t length = dataset_length(dataset, i);
        sound = length >= 0 && dataset->type_starts[i] >= 0 && dataset->type_starts[i] <= length &&
                dataset->labels[i] >= 0 && dataset->labels[i] < dataset->label_count &&
                dataset->splits[i] < SPLIT_COUNT;
    }
    for (int64_t i = 0; i < dataset->tokens && sound; i++)
        sound = dataset->ids[i] >= 0 && dataset->ids[i] < vocabulary;
    return sound;
}

static Status read_label_names(Dataset *dataset, const char *text, const char *where)
{
    Status status = OK;
    Json *names = NULL;
    TRY(json_parse(&names, text, strlen(text), where));
    dataset->label_names = MEM_NEW(char *, json_size(names));
    for (; dataset->label_count < json_size(names); dataset->label_count++)
        dataset->label_names[dataset->label_count] =
            mem_copy_text(json_text(json_at(names, dataset->label_count), ""));
done:
    json_free(names);
    return status;
}

static Status read_file(Dataset **out, const char *path, const char *key, int64_t vocabulary)
{
    Status status = OK;
    Dataset *dataset = NULL;
    TensorFile *file = NULL;
    TRY(tensors_open(&file, path, "dataset"));
    if (strcmp(tensors_text(file, "content_key", ""), key)) goto done;
    const TensorInfo *ids = tensors_find(file, "tokens"), *labels = tensors_find(file, "labels");
    if (!ids || !labels) FAIL(FAILED, "%s: tokens or labels are missing", path);
    dataset = dataset_new(labels->elements, ids->elements);
    for (int i = 0; i < TENSOR_ROWS; i++) {
        const Row *row = &tensor_rows[i];
        const TensorInfo *info = tensors_find(file, row->path);
        int64_t elements = tensor_elements(dataset, row);
        if (!info || info->type != row->type || info->elements != elements)
            FAIL(FAILED, "%s: tensor %s is missing or has another shape", path, row->path);
        TRY(tensors_read(file, info, 0, elements, tensor_data(dataset, row)));
    }
    dataset->data_sha256 = mem_copy_text(tensors_text(file, "data_sha256", ""));
    dataset->empty_texts = tensors_int(file, "empty_texts", 0);
    dataset->ill_formed = tensors_int(file, "ill_formed", 0);
    dataset->truncated = tensors_int(file, "truncated", 0);
    TRY(read_label_names(dataset, tensors_text(file, "label_names", "[]"), path));
    if (!is_sound(dataset, vocabulary))
        FAIL(FAILED, "%s: the rows contradict each other or the tokenizer", path);
    *out = dataset;
    dataset = NULL;
done:
    dataset_free(dataset);
    tensors_close(file);
    return status;
}

COLLECTIVE
static void share_dataset(const Comm *comm, Dataset **dataset)
{
    Dataset sizes = { 0 };
    if (comm->rank == 0) sizes = **dataset;
    comm_broadcast(comm, &sizes, sizeof sizes, 0);
    if (comm->rank) {
        *dataset = dataset_new(sizes.rows, sizes.tokens);
        (*dataset)->empty_texts = sizes.empty_texts;
        (*dataset)->ill_formed = sizes.ill_formed;
        (*dataset)->truncated = sizes.truncated;
        (*dataset)->label_count = sizes.label_count;
        (*dataset)->label_names = MEM_NEW(char *, sizes.label_count);
    }
    for (int i = 0; i < TENSOR_ROWS; i++) {
        const Row *row = &tensor_rows[i];
        size_t bytes = (size_t)tensor_elements(*dataset, row) * element_bytes(row->type);
        comm_broadcast(comm, tensor_data(*dataset, row), bytes, 0);
    }
    for (int64_t i = 0; i < sizes.label_count; i++)
        comm_broadcast_text(comm, &(*dataset)->label_names[i], 0);
    comm_broadcast_text(comm, &(*dataset)->data_sha256, 0);
}

Status prepared_read(const Comm *comm, Dataset **out, const char *path, const char *key,
                     int64_t vocabulary)
{
    *out = NULL;
    if (comm->rank == 0 && !access(path, F_OK) && read_file(out, path, key, vocabulary) != OK) {
        log_warn("%s; it is made again", status_message());
        status_clear();
    }
    int64_t found = *out != NULL;
    comm_broadcast(comm, &found, sizeof found, 0);
    if (found) share_dataset(comm, out);
    return OK;
}

/// parts[TENSOR_ROWS]: this rank's share of each tensor.
static void cut_parts(TensorPart *parts, const Comm *comm, const Dataset *dataset)
{
    for (int i = 0; i < TENSOR_ROWS; i++) {
        const Row *row = &tensor_rows[i];
        int64_t elements = tensor_elements(dataset, row);
        int64_t first = share_cut(elements, comm->size, comm->rank);
        int64_t end = share_cut(elements, comm->size, comm->rank + 1);
        parts[i] = (TensorPart){ .path = row->path,
                                 .type = row->type,
                                 .rank = 1,
                                 .dims = { elements },
                                 .first = first,
                                 .count = end - first,
                                 .data = tensor_data(dataset, row) +
                                         (size_t)first * element_bytes(row->type) };
    }
}

Status prepared_write(const Comm *comm, const Dataset *dataset, const Source *source,
                      const char *tokenizer_key)
{
    Status status = OK;
    TensorPart parts[TENSOR_ROWS];
    Text names = { 0 }, options = { 0 };
    cut_parts(parts, comm, dataset);
    json_quote_list(&names, dataset->label_names, dataset->label_count);
    prepared_options(&options, source, tokenizer_key);
    const Value values[] = {
        { .name = "content_key", .kind = VALUE_TEXT, .text = dataset->content_key },
        { .name = "tokenizer_key", .kind = VALUE_TEXT, .text = tokenizer_key },
        { .name = "data_sha256", .kind = VALUE_TEXT, .text = dataset->data_sha256 },
        { .name = "options", .kind = VALUE_TEXT, .text = options.data },
        { .name = "label_names", .kind = VALUE_TEXT, .text = names.data },
        { .name = "empty_texts", .kind = VALUE_INT, .integer = dataset->empty_texts },
        { .name = "ill_formed", .kind = VALUE_INT, .integer = dataset->ill_formed },
        { .name = "truncated", .kind = VALUE_INT, .integer = dataset->truncated },
    };
    TRY(tensors_write(comm, dataset->path, "dataset", values, sizeof values / sizeof *values, parts,
                      TENSOR_ROWS));
done:
    text_release(&options);
    text_release(&names);
    return status;
}
