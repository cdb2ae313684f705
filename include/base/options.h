/// Option rows: one table serves defaults, the recipe, `key=value` and `--key value` on the command
/// line, ranges, --help, the stored effective configuration and docs/OPTIONS.md. The type comes
/// from the struct's field, so a row cannot disagree with it.
#pragma once
#include "base/status.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

typedef enum { OPTION_INT64, OPTION_DOUBLE, OPTION_BOOL, OPTION_TEXT } OptionType;

typedef struct {
    const char *key; ///< dotted path, as in the recipe
    size_t offset_bytes, size_bytes;
    OptionType type;
    const char *def;            ///< parsed like user input; "" is the empty text
    double min, max;            ///< numbers only; both 0: any
    const char *const *choices; ///< texts only: NULL-terminated allowed values, or NULL
    const char *unit;           ///< or NULL
    const char *help;
    bool required; ///< must be given: the default does not count
    bool may_differ_on_resume;
    char letter; ///< flags only: 'o' for -o, or 0
} Option;

#define OPTION_TYPE(Struct, member)                                                                \
    _Generic(((Struct *)0)->member,                                                                \
        int64_t: OPTION_INT64,                                                                     \
        double: OPTION_DOUBLE,                                                                     \
        bool: OPTION_BOOL,                                                                         \
        char *: OPTION_TEXT)

/// The first initialisers of a row for `member` of `Struct`.
#define FIELD(Struct, member)                                                                      \
    .key = #member, .offset_bytes = offsetof(Struct, member),                                      \
    .size_bytes = sizeof(((Struct *)0)->member), .type = OPTION_TYPE(Struct, member)

/// One `key: value` of a recipe or `key=value` of the command line, not yet interpreted. Lists are
/// canonical text: "[1, 2.5]".
typedef struct {
    char *key, *value; ///< owned
    char *where;       ///< owned: "jobs/a.yaml:12" or "command line"; "" for a flag
} Setting;

typedef struct {
    Setting *items; ///< owned
    int count, capacity;
} Settings;

void settings_add(Settings *settings, const char *key, const char *value, const char *where);
/// Local. True if the key is among them.
bool settings_have(const Settings *settings, const char *key);
void settings_release(Settings *settings);
/// Local. USAGE naming every key that is given twice.
Status settings_check_once(const Settings *settings);

/// Local. Sets `config` from the defaults of `rows` (ended by a row without key), then from
/// `settings` in order; a later setting wins. USAGE with one line per error: unknown key (with the
/// nearest name), wrong type, out of range, missing required key.
Status options_read(void *config, const Option *rows, const Settings *settings);

/// Local. Sets only what `settings` name in a `config` that is already filled; errors likewise.
Status options_override(void *config, const Option *rows, const Settings *settings);

/// Local. Appends the value of one row as text (the form that `options_read` parses back exactly).
void options_value(Text *out, const void *config, const Option *row);
/// Rows are keys of the recipe ("train.max_steps 0") or flags ("-o, --output OUTPUT").
typedef enum { OPTIONS_KEYS, OPTIONS_FLAGS } OptionsForm;

/// Local. Appends the row's name, a flag as "--max-length".
void option_name(Text *out, const Option *row, OptionsForm form);
/// Local. Appends the word that stands for a flag's value in help: "OUTPUT"; nothing for a switch.
void option_placeholder(Text *out, const Option *row);
/// Local. Appends what the row means: help, unit, range, and the default of a flag.
void option_meaning(Text *out, const Option *row, OptionsForm form);
/// Local. Appends aligned lines for --help.
void options_help(Text *out, const Option *rows, OptionsForm form);
/// Local. Appends a Markdown table.
void options_markdown(Text *out, const Option *rows, OptionsForm form);
