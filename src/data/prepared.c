#include "data/prepared.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "store/tensors.h"

#include <string.h>
#include <unistd.h>

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

static Status map_arrays(Dataset *dataset, const char *path)
{
    Status status = OK;
    TensorFile *file = dataset->file;
    const TensorInfo *tokens = tensors_find(file, array_path(ARRAY_TOKENS));
    const TensorInfo *labels = tensors_find(file, array_path(ARRAY_LABELS));
    if (!tokens || !labels) FAIL(FAILED, "%s: tokens or labels are missing", path);
    dataset->rows = labels->elements;
    dataset->tokens = tokens->elements;
    for (Array array = 0; array < ARRAY_COUNT; array++) {
        const TensorInfo *info = tensors_find(file, array_path(array));
        const void *data;
        if (!info && array_is_optional(array)) continue;
        if (!info || info->type != array_type(array) ||
            info->elements != array_elements(dataset, array))
            FAIL(FAILED, "%s: tensor %s is missing or has another shape", path, array_path(array));
        TRY(tensors_map(file, info, &data));
        array_set(dataset, array, data);
    }
done:
    return status;
}

static Status open_file(Dataset *dataset, const char *path, const char *key)
{
    Status status = OK;
    TRY(tensors_open(&dataset->file, path, "dataset"));
    TensorFile *file = dataset->file;
    if (strcmp(tensors_text(file, "content_key", ""), key))
        FAIL(FAILED, "%s: was made of other data or with other options", path);
    TRY(map_arrays(dataset, path));
    dataset->path = mem_copy_text(path);
    dataset->content_key = mem_copy_text(key);
    dataset->data_sha256 = mem_copy_text(tensors_text(file, "data_sha256", ""));
    dataset->empty_texts = tensors_int(file, "empty_texts", 0);
    dataset->ill_formed = tensors_int(file, "ill_formed", 0);
    dataset->truncated = tensors_int(file, "truncated", 0);
    TRY(read_label_names(dataset, tensors_text(file, "label_names", "[]"), path));
done:
    return status;
}

static Status verify_share(const Comm *comm, const Dataset *dataset)
{
    int64_t blocks = tensors_blocks(dataset->file);
    return tensors_verify(dataset->file, share_cut(blocks, comm->size, comm->rank),
                          share_cut(blocks, comm->size, comm->rank + 1));
}

/// FAILED where a file that passed its checksums still makes no sense in this rank's share of it.
static Status check_share(const Comm *comm, const Dataset *dataset, int64_t vocabulary)
{
    bool sound = dataset->offsets[0] == 0 && dataset->offsets[dataset->rows] == dataset->tokens;
    int64_t labels = dataset->label_count ? dataset->label_count : 1; // documents: 0
    int64_t row_end = share_cut(dataset->rows, comm->size, comm->rank + 1);
    int64_t token_end = share_cut(dataset->tokens, comm->size, comm->rank + 1);
    for (int64_t i = share_cut(dataset->rows, comm->size, comm->rank); i < row_end && sound; i++) {
        int64_t length = dataset_length(dataset, i);
        sound = length >= 0 && dataset->type_starts[i] >= 0 && dataset->type_starts[i] <= length &&
                dataset->labels[i] >= 0 && dataset->labels[i] < labels &&
                dataset->splits[i] < SPLIT_COUNT;
    }
    int64_t token = share_cut(dataset->tokens, comm->size, comm->rank);
    for (int64_t i = token; i < token_end && sound; i++)
        sound = dataset->ids[i] >= 0 && dataset->ids[i] < vocabulary;
    if (sound) return OK;
    return status_fail(FAILED, "%s: the rows contradict each other or the tokenizer",
                       dataset->path);
}

Status prepared_open(const Comm *comm, Dataset **out, const char *path, const char *key,
                     int64_t vocabulary)
{
    Status status = OK;
    Dataset *dataset = NULL;
    int64_t found = comm->rank == 0 && !access(path, F_OK);
    *out = NULL;
    comm_broadcast(comm, &found, sizeof found, 0);
    if (!found) goto done;
    dataset = MEM_NEW(Dataset, 1);
    TRY_ALL(comm, open_file(dataset, path, key));
    TRY_ALL(comm, verify_share(comm, dataset));
    TRY_ALL(comm, check_share(comm, dataset, vocabulary));
    *out = dataset;
    dataset = NULL;
done:
    dataset_free(dataset);
    return status;
}

/// Collective. parts[ARRAY_COUNT]: this rank's part of each array; returns how many there are.
COLLECTIVE
static int place_parts(TensorPart *parts, const Comm *comm, const Dataset *dataset,
                       const Spool *mine)
{
    int count = 0;
    for (Array array = 0; array < ARRAY_COUNT; array++) {
        int64_t size = (int64_t)element_bytes(array_type(array)), any = mine[array].bytes;
        comm_max_int64(comm, &any, 1);
        if (!any && array_is_optional(array)) continue;
        parts[count++] = (TensorPart){ .path = array_path(array),
                                       .type = array_type(array),
                                       .rank = 1,
                                       .dims = { array_elements(dataset, array) },
                                       .first = comm_offset(comm, mine[array].bytes) / size,
                                       .count = mine[array].bytes / size,
                                       .data = mine[array].data };
    }
    return count;
}

Status prepared_write(const Comm *comm, const Dataset *dataset, const Spool *mine,
                      const Source *source, const char *tokenizer_key)
{
    Status status = OK;
    TensorPart parts[ARRAY_COUNT];
    Text names = { 0 }, options = { 0 };
    int part_count = place_parts(parts, comm, dataset, mine);
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
                      part_count));
done:
    text_release(&options);
    text_release(&names);
    return status;
}
