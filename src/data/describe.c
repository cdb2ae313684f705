#include "base/findings.h"
#include "base/mem.h"
#include "data/source.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *extension;
    Format format;
} extensions[] = {
    { "csv", { FORMAT_DELIMITED, ',', '"', true } },
    { "tsv", { FORMAT_DELIMITED, '\t', '\0', true } },
    { "jsonl", { FORMAT_JSONL, '\0', '\0', false } },
    { "ndjson", { FORMAT_JSONL, '\0', '\0', false } },
};

const Format *format_of_name(const char *path)
{
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name ? name : path, '.');
    for (size_t i = 0; dot && i < sizeof extensions / sizeof *extensions; i++)
        if (!strcasecmp(dot + 1, extensions[i].extension)) return &extensions[i].format;
    return NULL;
}

static bool is_auto(const char *value)
{
    return !strcmp(value, "auto");
}

static bool names_are_numbers(const Source *source)
{
    for (Column column = 0; column < COLUMN_COUNT; column++) {
        const char *name = column_name(source->options, column);
        if (column_need(source, column) == COLUMN_UNUSED) continue;
        if (strspn(name, "0123456789") != strlen(name)) return false;
    }
    return true;
}

/// `given` is a single character, "\t" or `none`, which stands for '\0' if allowed.
static Status parse_byte(char *out, const char *given, bool may_be_none, const char *key)
{
    bool none = !strcmp(given, "none") || !*given;
    if (!strcmp(given, "\\t"))
        *out = '\t';
    else if (none && may_be_none)
        *out = '\0';
    else if (strlen(given) == 1 && *given != '\n' && *given != '\r')
        *out = *given;
    else
        return status_fail(USAGE, "%s: '%s' is not one character", key, given);
    return OK;
}

/// What the extension and the overrides say.
static Status choose_format(Format *out, const char *path, const Source *source)
{
    Findings errors = { 0 };
    const DataOptions *options = source->options;
    SourceUse use = source->use;
    const Format *known = format_of_name(path);
    bool delimited = use != SOURCE_TEXTS && !is_auto(options->delimiter);
    *out = known ? *known : (Format){ .kind = delimited ? FORMAT_DELIMITED : FORMAT_LINES };
    if (out->kind == FORMAT_LINES && use != SOURCE_TEXTS && options->form == FORM_LABELLED)
        return status_fail(USAGE,
                           "%s: its name does not tell its format: end it in .csv, .tsv or .jsonl, "
                           "or set data.delimiter",
                           path);
    if (out->kind == FORMAT_LINES && *options->text_pair)
        return status_fail(USAGE,
                           "%s: a line holds one text, and the model takes two (data.text_pair): "
                           "give CSV, TSV or JSONL with both columns",
                           path);
    if (out->kind != FORMAT_DELIMITED) return OK;
    if (!is_auto(options->delimiter))
        findings_add(&errors,
                     parse_byte(&out->delimiter, options->delimiter, false, "data.delimiter"));
    if (!known) out->quote = out->delimiter == '\t' ? '\0' : '"';
    if (!is_auto(options->quote))
        findings_add(&errors, parse_byte(&out->quote, options->quote, true, "data.quote"));
    if (out->delimiter == out->quote)
        findings_add(&errors, status_fail(USAGE, "data.delimiter and data.quote are the same"));
    out->header = !names_are_numbers(source);
    if (!is_auto(options->header) && !text_to_bool(&out->header, options->header))
        findings_add(&errors, status_fail(USAGE, "data.header: '%s' is not true, false or auto",
                                          options->header));
    return findings_end(&errors);
}

/// The field that an option names; -1 for a column that need not be there.
static Status find_column(SourceFile *file, Column column, const char *const *names,
                          const Source *source)
{
    Status status = OK;
    Text hint = { 0 };
    const char *wanted = column_name(source->options, column);
    int64_t number;
    file->columns[column] = -1;
    if (column_need(source, column) == COLUMN_UNUSED) goto done;
    if (column == COLUMN_MESSAGES)
        FAIL(USAGE, "%s: data.messages needs JSONL: a list is no field of a table", file->path);
    for (int64_t i = 0; file->format.header && i < file->field_count; i++) {
        if (strcmp(names[i], wanted)) continue;
        if (file->columns[column] >= 0)
            FAIL(USAGE, "%s: there are two columns '%s': give %s as a number", file->path, wanted,
                 column_key(column));
        file->columns[column] = i;
    }
    if (file->columns[column] >= 0) goto done;
    if (text_to_int64(&number, wanted) && number >= 1 && number <= file->field_count) {
        file->columns[column] = number - 1;
        goto done;
    }
    if (column_need(source, column) == COLUMN_OPTIONAL) goto done;
    if (file->format.header)
        column_suggest(&hint, wanted, names, file->field_count);
    else
        text_printf(&hint, "; its first row has %lld column%s and no header names them",
                    (long long)file->field_count, file->field_count == 1 ? "" : "s");
    FAIL(USAGE, "%s: there is no column '%s' (%s)%s", file->path, wanted, column_key(column),
         text_chars(&hint));
done:
    text_release(&hint);
    return status;
}

/// Reads the header, or the first record where there is none.
static Status read_columns(SourceFile *file, Input *input, const Source *source)
{
    Status status = OK;
    Findings errors = { 0 };
    bool more;
    const char **names = NULL;
    Reader *reader = reader_new(input, &file->format, input->first, input->bytes, (Place){ 0 });
    TRY(reader_next(reader, &more));
    if (!more && source->use == SOURCE_TEXTS) goto done; // no text, no answer
    if (!more) FAIL(FAILED, "%s is empty: it holds no row", file->path);
    file->field_count = reader_field_count(reader);
    names = MEM_NEW(const char *, file->field_count);
    for (int64_t i = 0; i < file->field_count; i++) names[i] = reader_field(reader, i).data;
    for (Column column = 0; column < COLUMN_COUNT; column++)
        findings_add(&errors, find_column(file, column, names, source));
    TRY(findings_end(&errors));
    if (column_need(source, COLUMN_LABEL) == COLUMN_NEEDED &&
        file->columns[COLUMN_TEXT] == file->columns[COLUMN_LABEL])
        FAIL(USAGE, "%s: data.text and data.label are the same column '%s'", file->path,
             column_name(source->options, COLUMN_LABEL));
    if (file->format.header) {
        file->first = reader_offset(reader);
        file->header_rows = reader_row(reader);
    }
done:
    mem_free(names);
    reader_free(reader);
    return status;
}

Status source_describe(SourceFile *file, const Source *source)
{
    Status status = OK;
    Input input = { .file = -1 };
    TRY(choose_format(&file->format, file->path, source));
    if (source->memory)
        input = input_of_memory(file->path, source->memory, (size_t)file->bytes);
    else
        TRY(input_open(&input, file->path));
    file->bytes = input.bytes;
    TRY(input_skip_mark(&input));
    file->first = input.first;
    for (Column column = 0; column < COLUMN_COUNT; column++) file->columns[column] = -1;
    if (file->format.kind == FORMAT_LINES) {
        file->field_count = 1;
        file->columns[COLUMN_TEXT] = 0;
    } else if (file->format.kind == FORMAT_DELIMITED) {
        TRY(read_columns(file, &input, source));
    } else if (source->use != SOURCE_TEXTS &&
               !strcmp(source->options->text, source->options->label)) {
        FAIL(USAGE, "%s: data.text and data.label are the same member '%s'", file->path,
             source->options->label);
    }
done:
    input_close(&input);
    return status;
}
