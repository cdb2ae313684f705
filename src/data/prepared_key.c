#include "base/hash.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "comm/agree.h"
#include "data/prepared.h"

#include <string.h>

/// Changes when the same input would give another file.
static const int64_t format_version = 2;

static int64_t block_count(const SourceFile *file)
{
    return (file->bytes + HASH_BLOCK_BYTES - 1) / HASH_BLOCK_BYTES;
}

/// Blocks [first, end) of all files, counted through; hashes[end - first].
static Status hash_blocks(Hash *hashes, const Source *source, int64_t first, int64_t end)
{
    Status status = OK;
    Input input = { .file = -1 };
    char *block = mem_new(HASH_BLOCK_BYTES, 1);
    int64_t base = 0;
    for (int64_t file = 0; file < source->count; file++) {
        int64_t blocks = block_count(&source->files[file]);
        if (first < base + blocks && base < end) TRY(source_input(&input, source, file));
        for (int64_t i = first > base ? first - base : 0; i < blocks && base + i < end; i++) {
            size_t got;
            TRY(input_read(&input, i * HASH_BLOCK_BYTES, block, HASH_BLOCK_BYTES, &got));
            hashes[base + i - first] = hash_bytes(block, got);
        }
        input_close(&input);
        input.file = -1;
        base += blocks;
    }
done:
    input_close(&input);
    mem_free(block);
    return status;
}

void prepared_options(Text *out, const Source *source, const char *tokenizer_key)
{
    const DataOptions *options = source->options;
    text_printf(out, "format %lld\ntokenizer %s\n", (long long)format_version, tokenizer_key);
    for (Column column = 0; column < COLUMN_COUNT; column++)
        text_printf(out, "%s %s\n", column_key(column), column_name(options, column));
    text_printf(out, "form %d\njoin %s\nseparator %s\nend_token %s\nchat_template %s\nsystem %s\n",
                (int)options->form, options->join, options->separator, options->end_token,
                options->chat_template, options->system);
    text_printf(out, "max_length %lld\nseed %lld\n", (long long)options->max_length,
                (long long)options->split.seed);
    for (Split split = SPLIT_VALIDATION; split < SPLIT_COUNT; split++)
        text_printf(out, "%s fraction %.17g\n", split_names[split], source->fractions[split]);
    for (int64_t i = 0; i < source->count; i++) {
        const SourceFile *file = &source->files[i];
        text_printf(out, "%s: %lld bytes, kind %d, delimiter %d, quote %d, header %d\n",
                    split_names[file->split], (long long)file->bytes, (int)file->format.kind,
                    file->format.delimiter, file->format.quote, file->format.header);
    }
}

Status prepared_key(const Comm *comm, char **key, const Source *source, const char *tokenizer_key)
{
    Status status = OK;
    Text text = { 0 };
    int64_t blocks = 0;
    for (int64_t i = 0; i < source->count; i++) blocks += block_count(&source->files[i]);
    Hash *hashes = MEM_NEW(Hash, blocks);
    int64_t *counts = MEM_NEW(int64_t, comm->size);
    for (int64_t rank = 0; rank < comm->size; rank++)
        counts[rank] =
            (share_cut(blocks, comm->size, rank + 1) - share_cut(blocks, comm->size, rank)) *
            (int64_t)sizeof *hashes;
    int64_t first = share_cut(blocks, comm->size, comm->rank);
    int64_t end = share_cut(blocks, comm->size, comm->rank + 1);
    TRY_ALL(comm, hash_blocks(hashes + first, source, first, end));
    comm_gather_in_place(comm, hashes, counts);
    prepared_options(&text, source, tokenizer_key);
    text_append_bytes(&text, hashes, (size_t)blocks * sizeof *hashes);
    Hash hash = hash_bytes(text.data, text.length_bytes);
    *key = mem_new(HASH_TEXT_BYTES, 1);
    hash_text(*key, &hash);
done:
    mem_free(counts);
    mem_free(hashes);
    text_release(&text);
    return status;
}

enum { SHA256_BYTES = 65 }; // digits and a NUL

static Status sha256_of(char hex[SHA256_BYTES], const Source *source, int64_t file)
{
    Sha256 sha;
    if (!source->memory) return sha256_file(hex, source->files[file].path);
    sha256_init(&sha);
    sha256_add(&sha, source->memory, (size_t)source->files[file].bytes);
    sha256_finish(hex, &sha);
    return OK;
}

static Status sha256_files(char *hex, const Source *source, int64_t first, int64_t end)
{
    Status status = OK;
    for (int64_t file = first; file < end; file++)
        TRY(sha256_of(hex + file * SHA256_BYTES, source, file));
done:
    return status;
}

Status source_sha256(const Comm *comm, char **out, const Source *source)
{
    Status status = OK;
    Text lines = { 0 };
    char *hex = MEM_NEW(char, source->count *SHA256_BYTES);
    int64_t *counts = MEM_NEW(int64_t, comm->size);
    for (int64_t rank = 0; rank < comm->size; rank++)
        counts[rank] = (share_cut(source->count, comm->size, rank + 1) -
                        share_cut(source->count, comm->size, rank)) *
                       SHA256_BYTES;
    TRY_ALL(comm, sha256_files(hex, source, share_cut(source->count, comm->size, comm->rank),
                               share_cut(source->count, comm->size, comm->rank + 1)));
    comm_gather_in_place(comm, hex, counts);
    for (int64_t file = 0; file < source->count; file++) {
        const char *path = source->files[file].path, *slash = strrchr(path, '/');
        text_printf(&lines, "%s  %s\n", hex + file * SHA256_BYTES, slash ? slash + 1 : path);
    }
    *out = mem_copy_text(text_chars(&lines));
done:
    mem_free(counts);
    mem_free(hex);
    text_release(&lines);
    return status;
}
