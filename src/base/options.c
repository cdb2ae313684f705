#include "base/options.h"
#include "base/findings.h"
#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_ROWS = 256, HELP_WIDTH = 100 };

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

bool settings_have(const Settings *settings, const char *key)
{
    for (int i = 0; i < settings->count; i++)
        if (!strcmp(settings->items[i].key, key)) return true;
    return false;
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

Status settings_check_once(const Settings *settings)
{
    Findings errors = { 0 };
    for (int i = 1; i < settings->count; i++)
        for (int first = 0; first < i; first++) {
            const Setting *item = &settings->items[i], *other = &settings->items[first];
            if (strcmp(item->key, other->key)) continue;
            findings_add(&errors, status_fail(USAGE, "%s: '%s' is given twice, first at %s",
                                              item->where, item->key, other->where));
            break;
        }
    return findings_end(&errors);
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
            if (!text_to_double(&real, value) || fabs(real) > 0x1p62 ||
                real != (double)(int64_t)real)
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
        if (strlen(value) >= row->size_bytes) return "short enough";
        if (!is_choice(row, value)) return "an allowed value";
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
    const char *names[MOST_ROWS];
    int count = 0;
    for (const Option *row = rows; row->key && count < MOST_ROWS; row++) names[count++] = row->key;
    const char *near = text_nearest(setting->key, names, count);
    text_printf(errors, "%s%s: unknown key '%s'", errors->length_bytes ? "\n" : "", setting->where,
                setting->key);
    if (near) text_printf(errors, "; did you mean '%s'?", near);
}

static void report_value(Text *errors, const Option *row, const Setting *setting,
                         const char *expected)
{
    const size_t shown = 80;
    bool cut = strlen(setting->value) > shown;
    text_append(errors, errors->length_bytes ? "\n" : "");
    if (*setting->where)
        text_printf(errors, "%s: %s", setting->where, row->key);
    else
        option_name(errors, row, OPTIONS_FLAGS);
    text_printf(errors, ": '%.*s%s' is not %s", (int)shown, setting->value, cut ? "..." : "",
                expected);
    Text range = { 0 };
    range_text(&range, row);
    if (range.length_bytes) text_printf(errors, " (%s)", range.data);
    text_release(&range);
    int count = 0;
    while (row->choices && row->choices[count]) count++;
    const char *near = text_nearest(setting->value, row->choices, count);
    if (near) text_printf(errors, "; did you mean '%s'?", near);
}

/// given[row] becomes true for the rows that were set.
static void apply(void *config, const Option *rows, const Settings *settings, bool *given,
                  Text *errors)
{
    for (int i = 0; i < settings->count; i++) {
        const Setting *setting = &settings->items[i];
        const Option *row = find_row(rows, setting->key);
        if (!row) {
            report_unknown(errors, rows, setting);
            continue;
        }
        given[row - rows] = true;
        const char *expected = store_value(config, row, setting->value);
        if (expected) report_value(errors, row, setting, expected);
    }
}

static Status verdict(Text *errors)
{
    Status status = errors->length_bytes ? status_fail(USAGE, "%s", errors->data) : OK;
    text_release(errors);
    return status;
}

Status options_read(void *config, const Option *rows, const Settings *settings)
{
    Text errors = { 0 };
    bool given[MOST_ROWS] = { false };
    for (const Option *row = rows; row->key; row++) {
        if (row->required && !row->def) continue;
        Option unranged = *row; // a default may stand outside the range: it means "not set"
        unranged.min = unranged.max = 0;
        unranged.choices = NULL;
        const char *expected = store_value(config, &unranged, row->def);
        CHECK(!expected, "default of option %s is not %s", row->key, expected);
    }
    apply(config, rows, settings, given, &errors);
    for (const Option *row = rows; row->key; row++) {
        bool empty = !errors.length_bytes && row->type == OPTION_TEXT &&
                     !*((const char *)config + row->offset_bytes);
        if (!row->required || (given[row - rows] && !empty)) continue;
        text_printf(&errors, "%s%s must be given: %s", errors.length_bytes ? "\n" : "", row->key,
                    row->help);
    }
    return verdict(&errors);
}

Status options_override(void *config, const Option *rows, const Settings *settings)
{
    Text errors = { 0 };
    bool given[MOST_ROWS];
    apply(config, rows, settings, given, &errors);
    return verdict(&errors);
}

void options_value(Text *out, const void *config, const Option *row)
{
    const void *field = (const char *)config + row->offset_bytes;
    switch (row->type) {
    case OPTION_INT64:
        text_printf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case OPTION_DOUBLE:
        text_real(out, *(const double *)field);
        break;
    case OPTION_BOOL:
        text_append(out, *(const bool *)field ? "true" : "false");
        break;
    case OPTION_TEXT:
        text_append(out, field);
        break;
    }
}

void option_name(Text *out, const Option *row, OptionsForm form)
{
    if (form == OPTIONS_FLAGS) text_append(out, "--");
    for (const char *c = row->key; *c; c++)
        text_append_bytes(out, form == OPTIONS_FLAGS && *c == '_' ? "-" : c, 1);
}

void option_placeholder(Text *out, const Option *row)
{
    if (row->type == OPTION_BOOL) return;
    for (const char *c = row->key; *c; c++) {
        char capital = (char)toupper((unsigned char)*c);
        text_append_bytes(out, &capital, 1);
    }
}

/// A default out of range stands for "not given".
static bool has_default(const Option *row)
{
    double value;
    if (!*row->def) return false;
    return !text_to_double(&value, row->def) || in_range(row, value);
}

void option_meaning(Text *out, const Option *row, OptionsForm form)
{
    Text range = { 0 };
    text_append(out, row->help);
    range_text(&range, row);
    if (row->unit) text_printf(out, " [%s]", row->unit);
    if (range.length_bytes) text_printf(out, " (%s)", range.data);
    if (row->may_differ_on_resume) text_append(out, "; may change when a run goes on");
    if (form == OPTIONS_FLAGS && row->type != OPTION_BOOL && !row->required && has_default(row))
        text_printf(out, ", default %s", row->def);
    text_release(&range);
}

static void append_start(Text *out, const Option *row, OptionsForm form)
{
    if (form == OPTIONS_FLAGS && row->letter) text_printf(out, "-%c, ", row->letter);
    option_name(out, row, form);
    if (form == OPTIONS_FLAGS) {
        if (row->type != OPTION_BOOL) text_append(out, " ");
        option_placeholder(out, row);
    } else {
        text_printf(out, " %s", row->required ? "(required)" : *row->def ? row->def : "\"\"");
    }
}

/// Words of `meaning` on lines that start at `column` and end before HELP_WIDTH.
static void append_wrapped(Text *out, const char *meaning, size_t line_start, size_t column)
{
    for (const char *word = meaning; *word;) {
        size_t length = strcspn(word, " "), used = out->length_bytes - line_start;
        if (used > column && used + 1 + length > HELP_WIDTH) {
            text_append(out, "\n");
            line_start = out->length_bytes;
            text_printf(out, "%*s", (int)column, "");
        } else if (used > column) {
            text_append(out, " ");
        }
        text_append_bytes(out, word, length);
        word += length + strspn(word + length, " ");
    }
}

void options_help(Text *out, const Option *rows, OptionsForm form)
{
    const size_t column = form == OPTIONS_FLAGS ? 26 : 36;
    for (const Option *row = rows; row->key; row++) {
        size_t start = out->length_bytes;
        text_append(out, "  ");
        append_start(out, row, form);
        do {
            text_append(out, " ");
        } while (out->length_bytes - start < column);
        Text meaning = { 0 };
        option_meaning(&meaning, row, form);
        append_wrapped(out, text_chars(&meaning), start, column);
        text_release(&meaning);
        text_append(out, "\n");
    }
}

void options_markdown(Text *out, const Option *rows, OptionsForm form)
{
    text_append(out, form == OPTIONS_FLAGS ? "| flag | default | meaning |\n|---|---|---|\n"
                                           : "| key | default | meaning |\n|---|---|---|\n");
    for (const Option *row = rows; row->key; row++) {
        text_append(out, "| `");
        if (form == OPTIONS_FLAGS)
            append_start(out, row, form);
        else
            option_name(out, row, form);
        text_append(out, "` | ");
        if (row->required)
            text_append(out, "required");
        else if ((form == OPTIONS_KEYS || row->type != OPTION_BOOL) && has_default(row))
            text_printf(out, "`%s`", row->def);
        text_append(out, " | ");
        option_meaning(out, row, OPTIONS_KEYS);
        text_append(out, " |\n");
    }
}
