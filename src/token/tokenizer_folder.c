#include "base/mem.h"
#include "token/tokenizer.h"

#include <unistd.h>

/// The files of a folder that are being made a tokenizer.json.
typedef struct {
    const char *folder;
    Text *path; ///< of the file read last
    Status (*used)(void *context, const char *path);
    void *context;
} Files;

static bool find(Files *files, const char *name)
{
    text_clear(files->path);
    text_printf(files->path, "%s/%s", files->folder, name);
    return access(files->path->data, F_OK) == 0;
}

static Status read_file(char **out, size_t *bytes, Files *files, const char *name)
{
    Status status = OK;
    find(files, name);
    TRY(text_read_file(out, bytes, files->path->data));
    if (files->used) TRY(files->used(files->context, files->path->data));
done:
    return status;
}

/// NULL if there is none.
static Status read_config(Json **out, Files *files)
{
    static const char name[] = "tokenizer_config.json";
    Status status = OK;
    char *text = NULL;
    size_t bytes;
    *out = NULL;
    if (!find(files, name)) return OK;
    TRY(read_file(&text, &bytes, files, name));
    TRY(json_parse(out, text, bytes, files->path->data));
done:
    mem_free(text);
    return status;
}

static Status from_vocab(char **json, Files *files)
{
    Status status = OK;
    Json *config = NULL;
    char *vocab = NULL;
    size_t bytes;
    TRY(read_config(&config, files));
    TRY(read_file(&vocab, &bytes, files, "vocab.txt"));
    TRY(tokenizer_json_from_vocab(json, vocab, bytes, config, files->path->data));
done:
    mem_free(vocab);
    json_free(config);
    return status;
}

static Status from_merges(char **json, Files *files)
{
    Status status = OK;
    Json *config = NULL;
    char *vocab = NULL, *merges = NULL;
    size_t bytes, merges_bytes;
    TRY(read_config(&config, files));
    TRY(read_file(&merges, &merges_bytes, files, "merges.txt"));
    TRY(read_file(&vocab, &bytes, files, "vocab.json"));
    TRY(tokenizer_json_from_bpe(json, vocab, bytes, merges, merges_bytes, config,
                                files->path->data));
done:
    mem_free(merges);
    mem_free(vocab);
    json_free(config);
    return status;
}

static Status from_json(char **json, Files *files)
{
    return read_file(json, NULL, files, "tokenizer.json");
}

/// The first whose files are all there.
static const struct {
    const char *files[2];
    Status (*make)(char **json, Files *files);
} sources[] = {
    { { "tokenizer.json" }, from_json },
    { { "vocab.txt" }, from_vocab },
    { { "vocab.json", "merges.txt" }, from_merges },
};

Status tokenizer_json_from_folder(char **json, Text *where, const char *folder,
                                  Status (*used)(void *context, const char *path), void *context)
{
    Files files = { folder, where, used, context };
    *json = NULL;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        bool all = true;
        for (int k = 0; k < 2 && sources[i].files[k]; k++) all &= find(&files, sources[i].files[k]);
        if (all) return sources[i].make(json, &files);
    }
    return status_fail(FAILED,
                       "%s: no tokenizer.json, vocab.txt, or vocab.json with merges.txt is in this "
                       "folder",
                       folder);
}
