#include "base/options.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void settings_add(Settings *settings, const char *key, const char *value, const char *where)
{
    if (settings->count == settings->capacity) {
        settings->capacity = settings->capacity ? 2 * settings->capacity : 16;
        settings->items = mem_resize(settings->items, (size_t)settings->capacity, sizeof(Setting));
    }
    settings->items[settings->count++] = (Setting){ .key = mem_copy_text(key),
                                                    .value = mem_copy_text(value),
                                                    .where = mem_copy_text(where) };
}

void settings_release(Settings *settings)
{
    for (int i = 0; i < settings->count; i++) {
        mem_free(settings->items[i].key);
        mem_free(settings->items[i].value);
        mem_free(settings->items[i].where);
    }
    mem_free(settings->items);
    *settings = (Settings){ 0 };
}

static void range_text(Text *out, const Option *row)
{
    if (row->choices) {
        for (int i = 0; row->choices[i]; i++)
            text_printf(out, "%s%s", i ? ", " : "one of ", row->choices[i]);
    } else if (row->min != 0 || row->max != 0) {
        text_printf(out, "%g to %g", row->min, row->max);
    }
}

static bool in_range(const Option *row, double value)
{
    return (row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max);
}

static bool is_choice(const Option *row, const char *value)
{
    if (!row->choices) return true;
    for (int i = 0; row->choices[i]; i++)
        if (!strcmp(row->choices[i], value)) return true;
    return false;
}

/// NULL if `value` was stored, else what was expected.
static const char *store_value(void *config, const Option *row, const char *value)
{
    void *field = (char *)config + row->offset_bytes;
    int64_t integer;
    double real;
    switch (row->type) {
    case OPTION_INT64:
        if (!text_to_int64(&integer, value)) {
            if (!text_to_double(&real, value) || real != (double)(int64_t)real)
                return "a whole number";
            integer = (int64_t)real; // 1e4 is a whole number too
        }
        if (!in_range(row, (double)integer)) return "a number in range";
        *(int64_t *)field = integer;
        return NULL;
    case OPTION_DOUBLE:
        if (!text_to_double(&real, value)) return "a number";
        if (!in_range(row, real)) return "a number in range";
        *(double *)field = real;
        return NULL;
    case OPTION_BOOL:
        return text_to_bool(field, value) ? NULL : "true or false";
    case OPTION_TEXT:
        if (strlen(value) >= row->size_bytes) return "a shorter text";
        if (!is_choice(row, value)) return "another value";
        strcpy(field, value);
        return NULL;
    }
    return "a value";
}

static const Option *find_row(const Option *rows, const char *key)
{
    for (const Option *row = rows; row->key; row++)
        if (!strcmp(row->key, key)) return row;
    return NULL;
}

static void report_unknown(Text *errors, const Option *rows, const Setting *setting)
{
    const char *names[256];
    int count = 0;
    for (const Option *row = rows; row->key && count < 256; row++) names[count++] = row->key;
    const char *near = text_nearest(setting->key, names, count);
    text_printf(errors, "%s%s: unknown key '%s'", errors->length_bytes ? "\n" : "", setting->where,
                setting->key);
    if (near) text_printf(errors, "; did you mean '%s'?", near);
}

static void report_value(Text *errors, const Option *row, const Setting *setting,
                         const char *expected)
{
    text_printf(errors, "%s%s: %s: '%s' is not %s", errors->length_bytes ? "\n" : "",
                setting->where, row->key, setting->value, expected);
    Text range = { 0 };
    range_text(&range, row);
    if (range.length_bytes) text_printf(errors, " (%s)", range.data);
    text_release(&range);
}

Status options_read(void *config, const Option *rows, const Settings *settings)
{
    Status status = OK;
    Text errors = { 0 };
    bool given[256] = { false };
    for (const Option *row = rows; row->key; row++) {
        if (row->required && !row->def) continue;
        Option unranged = *row; // a default may stand outside the range: it means "not set"
        unranged.min = unranged.max = 0;
        unranged.choices = NULL;
        const char *expected = store_value(config, &unranged, row->def);
        CHECK(!expected, "default of option %s is not %s", row->key, expected);
    }
    for (int i = 0; i < settings->count; i++) {
        const Setting *setting = &settings->items[i];
        const Option *row = find_row(rows, setting->key);
        if (!row) {
            report_unknown(&errors, rows, setting);
            continue;
        }
        given[row - rows] = true;
        const char *expected = store_value(config, row, setting->value);
        if (expected) report_value(&errors, row, setting, expected);
    }
    for (const Option *row = rows; row->key; row++) {
        if (!row->required || given[row - rows]) continue;
        text_printf(&errors, "%s%s must be given: %s", errors.length_bytes ? "\n" : "", row->key,
                    row->help);
    }
    if (errors.length_bytes) FAIL(USAGE, "%s", errors.data);
done:
    text_release(&errors);
    return status;
}

void options_value(Text *out, const void *config, const Option *row)
{
    const void *field = (const char *)config + row->offset_bytes;
    switch (row->type) {
    case OPTION_INT64:
        text_printf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case OPTION_DOUBLE:
        text_printf(out, "%.17g", *(const double *)field);
        break;
    case OPTION_BOOL:
        text_append(out, *(const bool *)field ? "true" : "false");
        break;
    case OPTION_TEXT:
        text_append(out, field);
        break;
    }
}

void options_print(Text *out, const void *config, const Option *rows)
{
    for (const Option *row = rows; row->key; row++) {
        text_printf(out, "%s: ", row->key);
        options_value(out, config, row);
        text_append(out, "\n");
    }
}

static void describe(Text *out, const Option *row)
{
    Text range = { 0 };
    text_append(out, row->help);
    range_text(&range, row);
    if (row->unit) text_printf(out, " [%s]", row->unit);
    if (range.length_bytes) text_printf(out, " (%s)", range.data);
    text_release(&range);
}

void options_help(Text *out, const Option *rows, const char *prefix)
{
    for (const Option *row = rows; row->key; row++) {
        size_t start = out->length_bytes;
        text_printf(out, "  %s%s", prefix, row->key);
        if (row->type != OPTION_BOOL || !*prefix)
            text_printf(out, " %s", row->required ? "(required)" : *row->def ? row->def : "\"\"");
        do {
            text_append(out, " ");
        } while (out->length_bytes - start < 36);
        describe(out, row);
        text_append(out, "\n");
    }
}

void options_markdown(Text *out, const Option *rows, const char *prefix)
{
    text_append(out, "| option | default | meaning |\n|---|---|---|\n");
    for (const Option *row = rows; row->key; row++) {
        text_printf(out, "| `%s%s` | ", prefix, row->key);
        if (row->required)
            text_append(out, "required");
        else if (*row->def)
            text_printf(out, "`%s`", row->def);
        text_append(out, " | ");
        describe(out, row);
        text_append(out, " |\n");
    }
}
