#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/tokenizer_text.h"
#include "token/tokenizer.h"
#include "train/checkpoint_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bool json, decode, skip_special;
    int64_t max_length;
} TokenizeFlags;

static const Option flags[] = {
    { FIELD(TokenizeFlags, json), .def = "false",
      .help = "one object a line: ids, tokens, offsets in bytes, types" },
    { FIELD(TokenizeFlags, max_length), .def = "0", .min = 1, .max = 1e9, .unit = "tokens",
      .help = "longer sequences are truncated" },
    { FIELD(TokenizeFlags, decode), .def = "false", .help = "the other way: ids to text" },
    { FIELD(TokenizeFlags, skip_special), .def = "false",
      .help = "with --decode: without special tokens" },
    { 0 }
};

static void append_numbers(Text *out, const char *name, const int32_t *values, int64_t count)
{
    text_printf(out, "\"%s\":[", name);
    for (int64_t i = 0; i < count; i++) text_printf(out, "%s%" PRId32, i ? "," : "", values[i]);
    text_append(out, "]");
}

static void append_json(Text *out, const Tokenizer *tokenizer, const Encoding *encoding)
{
    text_append(out, "{");
    append_numbers(out, "ids", encoding->ids, encoding->count);
    text_append(out, ",\"tokens\":[");
    for (int64_t i = 0; i < encoding->count; i++) {
        const char *token = tokenizer_token(tokenizer, encoding->ids[i]);
        text_append(out, i ? "," : "");
        json_quote(out, token, strlen(token));
    }
    text_append(out, "],\"offsets\":[");
    for (int64_t i = 0; i < encoding->count; i++)
        text_printf(out, "%s[%" PRId32 ",%" PRId32 "]", i ? "," : "", encoding->starts[i],
                    encoding->ends[i]);
    text_append(out, "],");
    append_numbers(out, "types", encoding->types, encoding->count);
    text_append(out, "}\n");
}

static void append_ids(Text *out, const Encoding *encoding)
{
    for (int64_t i = 0; i < encoding->count; i++)
        text_printf(out, "%s%" PRId32, i ? " " : "", encoding->ids[i]);
    text_append(out, "\n");
}

/// What the lines of a file become.
typedef struct {
    const Tokenizer *tokenizer;
    const TokenizeFlags *given;
    const char *path;
    int64_t line, ill_formed;
    Encoding encoding;
    int32_t *ids; ///< (capacity), owned
    size_t capacity;
} Lines;

static Status encode_line(Text *out, Lines *lines, const char *line, size_t bytes)
{
    tokenizer_encode(lines->tokenizer, &lines->encoding, line, bytes, NULL, 0,
                     lines->given->max_length);
    lines->ill_formed += lines->encoding.ill_formed;
    if (lines->given->json)
        append_json(out, lines->tokenizer, &lines->encoding);
    else
        append_ids(out, &lines->encoding);
    return OK;
}

static Status decode_line(Text *out, Lines *lines, const char *line, size_t bytes)
{
    int64_t count = 0, size = tokenizer_size(lines->tokenizer);
    if (bytes > lines->capacity) {
        lines->capacity = 2 * bytes;
        lines->ids = mem_resize(lines->ids, lines->capacity, sizeof *lines->ids);
    }
    for (const char *s = line, *end = line + bytes; s < end;) {
        char *stop;
        long long id = *s == ' ' ? -1 : strtoll(s, &stop, 10);
        if (*s == ' ' && ++s) continue;
        if (id < 0 || id >= size || stop == s || stop > end || (stop < end && *stop != ' '))
            return status_fail(FAILED,
                               "%s: line %" PRId64 ", column %td: not an id from 0 to %" PRId64,
                               lines->path, lines->line, s - line + 1, size - 1);
        lines->ids[count++] = (int32_t)id;
        s = stop;
    }
    tokenizer_decode(out, lines->tokenizer, lines->ids, count, lines->given->skip_special);
    text_append(out, "\n");
    return OK;
}

static Status tokenize_lines(const Tokenizer *tokenizer, FILE *file, const char *path,
                             const TokenizeFlags *given)
{
    Status status = OK;
    Lines lines = { .tokenizer = tokenizer, .given = given, .path = path };
    Text out = { 0 };
    char *line = NULL; // getline's own
    size_t capacity = 0;
    for (ssize_t got; (got = getline(&line, &capacity, file)) > 0;) {
        size_t bytes = (size_t)got - (line[got - 1] == '\n');
        lines.line++;
        text_clear(&out);
        TRY((given->decode ? decode_line : encode_line)(&out, &lines, line, bytes));
        fwrite(out.data, 1, out.length_bytes, stdout);
    }
    if (ferror(file)) FAIL(FAILED, "%s: %s", path, strerror(errno));
    if (lines.ill_formed)
        log_warn("%s: %" PRId64 " ill-formed UTF-8 sequences were read as U+FFFD", path,
                 lines.ill_formed);
done:
    free(line);
    text_release(&out);
    mem_free(lines.ids);
    encoding_release(&lines.encoding);
    return status;
}

static Status tokenize_run(const Invocation *invocation)
{
    Status status = OK;
    const char *path = invocation->arguments[1];
    bool from_stdin = !path || !strcmp(path, "-");
    char *source = NULL, *json = NULL;
    Tokenizer *tokenizer = NULL;
    FILE *file = stdin;
    TRY(checkpoint_or_itself(&source, invocation->arguments[0]));
    TRY(tokenizer_text_read(&json, source));
    TRY(tokenizer_new(&tokenizer, json, strlen(json), source));
    if (!from_stdin) TRY(file_named(path, FILE_REGULAR | FILE_STREAM, ""));
    if (!from_stdin) file = fopen(path, "re");
    if (!file) FAIL(FAILED, "%s: %s", path, strerror(errno));
    TRY(tokenize_lines(tokenizer, file, from_stdin ? "standard input" : path, invocation->flags));
done:
    if (file && file != stdin) fclose(file);
    tokenizer_free(tokenizer);
    mem_free(json);
    mem_free(source);
    return status;
}

const Command command_tokenize = {
    .name = "tokenize",
    .run = tokenize_run,
    .arguments = { "MODEL", "[FILE]" },
    .flags = flags,
    .flags_bytes = sizeof(TokenizeFlags),
    .summary = "token ids of lines of text",
    .description =
        "MODEL is a model file, a checkpoint, a run folder, a tokenizer.json or a Hugging Face "
        "folder.\nWithout FILE, or with -, reads standard input. One line of ids for each line of "
        "text.",
    .example = "echo 'Hello world' | temper tokenize models/minilm-l6.h5 --json",
};
