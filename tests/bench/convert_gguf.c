/// Usage: convert_gguf SOURCE TYPE FOLDER
///
/// Reads a GGUF file or a Hugging Face folder as `temper import` does and writes what it
/// understood: FOLDER/config.json, FOLDER/tokenizer.json and FOLDER/model.gguf with matrices of
/// TYPE. For tests/golden/check_gguf.py.
#include "base/mem.h"
#include "model/gguf_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Status read_tensor(float *out, const OriginTensor *tensor, void *context)
{
    const Origin *origin = context;
    return origin->kind->read(out, origin, tensor);
}

static Status write_file(const char *folder, const char *name, const char *text)
{
    Text path = { 0 };
    text_printf(&path, "%s/%s", folder, name);
    Status status = text_write_file(path.data, text, strlen(text));
    text_release(&path);
    return status;
}

static Status convert(const char *from, const char *type, const char *folder)
{
    Status status = OK;
    Origin *origin = NULL;
    Text config = { 0 }, path = { 0 };
    char *tokenizer = NULL;
    TRY(origin_open(&origin, from));
    json_print(&config, origin->config, 2);
    TRY(origin->kind->tokenizer(&tokenizer, origin));
    TRY(write_file(folder, "config.json", config.data));
    TRY(write_file(folder, "tokenizer.json", tokenizer));
    text_printf(&path, "%s/model.gguf", folder);
    TRY(gguf_export(path.data, type, origin->config, tokenizer, origin->chat_template.data,
                    origin->tensors, origin->count, read_tensor, origin));
done:
    text_release(&path);
    text_release(&config);
    mem_free(tokenizer);
    origin_close(origin);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: convert_gguf SOURCE TYPE FOLDER\n");
        return EXIT_FAILURE;
    }
    if (convert(argv[1], argv[2], argv[3]) == OK && !mem_live_blocks()) return EXIT_SUCCESS;
    fprintf(stderr, "%s (%lld blocks in use)\n", status_message(), (long long)mem_live_blocks());
    return EXIT_FAILURE;
}
