#include "model/origin.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

// the first that takes a path has it
static const OriginKind *const kinds[] = { &origin_gguf, &origin_folder };

OriginTensor *origin_add(Origin *origin, const char *name)
{
    origin->tensors =
        mem_resize(origin->tensors, (size_t)origin->count + 1, sizeof *origin->tensors);
    OriginTensor *tensor = &origin->tensors[origin->count++];
    *tensor = (OriginTensor){ .name = mem_copy_text(name) };
    return tensor;
}

Status origin_add_hash(Origin *origin, const char *path)
{
    char hex[65];
    const char *slash = strrchr(path, '/');
    Status status = sha256_file(hex, path);
    if (status == OK) text_printf(&origin->hashes, "%s  %s\n", hex, slash ? slash + 1 : path);
    return status;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const OriginTensor *)left)->name, ((const OriginTensor *)right)->name);
}

static Status open_as(Origin **out, const char *path, bool config_only)
{
    Origin *origin = MEM_NEW(Origin, 1);
    origin->path = path;
    origin->config_only = config_only;
    for (size_t i = 0; !origin->kind; i++)
        if (kinds[i]->takes(path)) origin->kind = kinds[i];
    Status status = origin->kind->open(origin);
    if (status == OK && origin->count)
        qsort(origin->tensors, (size_t)origin->count, sizeof *origin->tensors, by_name);
    if (status != OK) {
        origin_close(origin);
        origin = NULL;
    }
    *out = origin;
    return status;
}

Status origin_open(Origin **out, const char *path)
{
    return open_as(out, path, false);
}

Status origin_open_config(Origin **out, const char *path)
{
    return open_as(out, path, true);
}

void origin_close(Origin *origin)
{
    if (!origin) return;
    origin->kind->close(origin);
    for (int i = 0; i < origin->count; i++) mem_free(origin->tensors[i].name);
    mem_free(origin->tensors);
    text_release(&origin->chat_template);
    text_release(&origin->hashes);
    text_release(&origin->where);
    json_free(origin->config);
    mem_free(origin);
}

const OriginTensor *origin_find(const Origin *origin, const char *name)
{
    OriginTensor sought = { .name = (char *)name };
    if (!origin->count) return NULL;
    return bsearch(&sought, origin->tensors, (size_t)origin->count, sizeof sought, by_name);
}
