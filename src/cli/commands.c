#include "cli/commands.h"

#include <string.h>

const Command *const commands[] = { &command_import,  &command_prepare,  &command_validate,
                                    &command_plan,    &command_train,    &command_submit,
                                    &command_verify,  &command_record,   &command_evaluate,
                                    &command_predict, &command_generate, &command_compress,
                                    &command_export,  &command_tokenize, &command_inspect,
                                    &command_report,  &command_compare,  &command_doctor,
                                    &command_version, &command_help,     NULL };

static const char *const spellings[][2] = { { "--help", "help" },
                                            { "-h", "help" },
                                            { "--version", "version" } };

static bool takes(const Command *command, const char *key)
{
    bool any = false;
    for (int i = 0; i < KEY_SECTIONS_MAX && command->key_sections[i]; i++) {
        const char *section = command->key_sections[i];
        if (!strncmp(key, section, strlen(section))) return true;
        any = true;
    }
    return !any;
}

const Option *command_keys(const Command *command)
{
    enum { MOST_KEYS = 256 };
    static Option rows[MOST_KEYS];
    int count = 0;
    if (!command->keys) return NULL;
    for (const Option *row = command->keys; row->key && count + 1 < MOST_KEYS; row++)
        if (takes(command, row->key)) rows[count++] = *row;
    rows[count] = (Option){ 0 };
    return rows;
}

Status command_find(const Command **out, const char *name)
{
    const char *names[sizeof commands / sizeof *commands];
    int count = 0;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (!strcmp(name, spellings[i][0])) name = spellings[i][1];
    for (; commands[count]; count++) {
        names[count] = commands[count]->name;
        if (strcmp(name, names[count])) continue;
        *out = commands[count];
        return OK;
    }
    const char *near = text_nearest(name, names, count);
    if (near) return status_fail(USAGE, "unknown command '%s'; did you mean '%s'?", name, near);
    return status_fail(USAGE, "unknown command '%s'; 'temper --help' lists them", name);
}
