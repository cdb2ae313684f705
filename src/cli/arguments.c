#include "cli/arguments.h"
#include "base/mem.h"
#include "cli/help.h"

#include <ctype.h>
#include <string.h>

static Status usage_fail(const Command *command, const char *what, const char *word)
{
    Text usage = { 0 };
    help_usage(&usage, command);
    Status status = status_fail(USAGE, "%s '%s'\nusage: %s", what, word, usage.data);
    text_release(&usage);
    return status;
}

/// A flag's name against a row's key, where - stands for _.
static bool is_name(const char *key, const char *name, size_t length)
{
    if (strlen(key) != length) return false;
    for (size_t i = 0; i < length; i++)
        if (key[i] != name[i] && !(key[i] == '_' && name[i] == '-')) return false;
    return true;
}

static const Option *find_flag(const Option *rows, const char *word)
{
    for (const Option *row = rows; row && row->key; row++) {
        if (word[1] == '-' && is_name(row->key, word + 2, strcspn(word + 2, "="))) return row;
        if (row->letter && word[1] == row->letter && !word[2]) return row;
    }
    return NULL;
}

static Status unknown_flag(const Command *command, const char *word)
{
    enum { MOST = 64 };
    Text names[MOST] = { 0 };
    const char *pointers[MOST];
    int count = 0;
    text_append(&names[count++], "--help");
    for (const Option *row = command->flags; row && row->key && count < MOST; row++)
        option_name(&names[count++], row, OPTIONS_FLAGS);
    for (int i = 0; i < count; i++) pointers[i] = names[i].data;
    const char *near = word[1] == '-' ? text_nearest(word, pointers, count) : NULL;
    Status status = OK;
    if (near)
        status = status_fail(USAGE, "unknown flag '%s' of '%s'; did you mean '%s'?", word,
                             command->name, near);
    else
        status = usage_fail(command, "unknown flag", word);
    for (int i = 0; i < count; i++) text_release(&names[i]);
    return status;
}

/// Takes one flag, and its value from `next` if it is there; *taken counts the words used.
static Status read_flag(Settings *flags, const Command *command, const char *word, const char *next,
                        int *taken)
{
    const Option *row = find_flag(command->flags, word);
    const char *value = word[1] == '-' ? strchr(word, '=') : NULL;
    *taken = 1;
    if (!row) return unknown_flag(command, word);
    if (value) {
        value++;
    } else if (row->type == OPTION_BOOL) {
        value = "true";
    } else if (next) {
        value = next;
        *taken = 2;
    } else {
        return usage_fail(command, "a value must follow", word);
    }
    settings_add(flags, row->key, value, "");
    return OK;
}

/// A path with = in it is written with a /: "./a=b".
static bool is_override(const Command *command, const char *word)
{
    size_t length = strcspn(word, "=/");
    return command->keys && length && word[length] == '=';
}

/// Arguments that the row takes.
static int most_words(const Command *command)
{
    int count = 0;
    while (count < ARGUMENTS_MAX && command->arguments[count]) count++;
    return count && strstr(command->arguments[count - 1], "...") ? WORDS_MAX : count;
}

static Status read_word(Invocation *out, int *filled, const char *word)
{
    const Command *command = out->command;
    if (is_override(command, word)) {
        Text key = { 0 };
        size_t length = strcspn(word, "=");
        text_append_bytes(&key, word, length);
        settings_add(&out->overrides, key.data, word + length + 1, "command line");
        text_release(&key);
        return OK;
    }
    if (*filled == most_words(command)) return usage_fail(command, "one argument too many:", word);
    out->arguments[(*filled)++] = word;
    return OK;
}

bool arguments_has(const Invocation *invocation, const char *key)
{
    for (int i = 0; i < invocation->given.count; i++)
        if (!strcmp(invocation->given.items[i].key, key)) return true;
    return false;
}

static Status check_complete(const Invocation *in, int filled)
{
    const Command *command = in->command;
    if (filled < ARGUMENTS_MAX && command->arguments[filled] && *command->arguments[filled] != '[')
        return usage_fail(command, "missing argument", command->arguments[filled]);
    for (const Option *row = command->flags; row && row->key; row++) {
        if (!row->required || arguments_has(in, row->key)) continue;
        Text name = { 0 };
        option_name(&name, row, OPTIONS_FLAGS);
        Status status = usage_fail(command, "missing flag", name.data);
        text_release(&name);
        return status;
    }
    return OK;
}

static bool asks_help(int count, char **words)
{
    for (int i = 0; i < count && strcmp(words[i], "--"); i++)
        if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h")) return true;
    return false;
}

Status arguments_read(Invocation *out, const Command *command, int count, char **words)
{
    Status status = OK;
    int filled = 0;
    bool flags_ended = false;
    *out = (Invocation){ .command = command, .help = asks_help(count, words) };
    if (out->help) goto done;
    for (int i = 0; i < count; i++) {
        bool is_flag = !flags_ended && words[i][0] == '-' && words[i][1];
        if (is_flag && !strcmp(words[i], "--")) {
            flags_ended = true;
        } else if (is_flag) {
            int taken;
            TRY(read_flag(&out->given, command, words[i], i + 1 < count ? words[i + 1] : NULL,
                          &taken));
            i += taken - 1;
        } else {
            TRY(read_word(out, &filled, words[i]));
        }
    }
    TRY(check_complete(out, filled));
    if (command->flags) {
        out->flags = mem_new(1, command->flags_bytes);
        TRY(options_read(out->flags, command->flags, &out->given));
    }
done:
    return status;
}

void arguments_release(Invocation *invocation)
{
    settings_release(&invocation->given);
    settings_release(&invocation->overrides);
    mem_free(invocation->flags);
    *invocation = (Invocation){ 0 };
}
