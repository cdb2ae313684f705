#include "cli/help.h"
#include "build_info.h"

#include <ctype.h>
#include <string.h>

static void append_flag(Text *out, const Option *row)
{
    if (row->letter)
        text_printf(out, "-%c", row->letter);
    else
        option_name(out, row, OPTIONS_FLAGS);
    text_append(out, row->type == OPTION_BOOL ? "" : " ");
    option_placeholder(out, row);
}

void help_usage(Text *out, const Command *command)
{
    bool optional = false;
    text_printf(out, "temper %s", command->name);
    for (int i = 0; i < ARGUMENTS_MAX && command->arguments[i]; i++)
        text_printf(out, " %s", command->arguments[i]);
    if (command->keys) text_append(out, " [key=value ...]");
    for (const Option *row = command->flags; row && row->key; row++) {
        optional |= !row->required;
        if (!row->required) continue;
        text_append(out, " ");
        append_flag(out, row);
    }
    if (optional) text_append(out, " [flags]");
}

/// Each line of `lines` after two spaces.
static void append_indented(Text *out, const char *lines)
{
    while (*lines) {
        size_t length = strcspn(lines, "\n");
        text_printf(out, "  %.*s\n", (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

void help_command(Text *out, const Command *command)
{
    text_printf(out, "temper %s: %s\n\nusage: ", command->name, command->summary);
    help_usage(out, command);
    text_printf(out, "\n\n%s\n", command->description);
    if (command->flags) {
        text_append(out, "\nflags:\n");
        options_help(out, command->flags, OPTIONS_FLAGS);
    }
    if (command->keys) {
        text_append(out, "\nkeys of the recipe, with their defaults:\n");
        options_help(out, command_keys(command), OPTIONS_KEYS);
    }
    text_append(out, "\nexample:\n");
    append_indented(out, command->example);
}

void help_overview(Text *out)
{
    text_append(out,
                "temper " TEMPER_VERSION ": fine-tunes pretrained models over MPI on CPU nodes\n\n"
                "usage: temper COMMAND ..., alone or under mpirun or srun\n\ncommands:\n");
    for (int i = 0; commands[i]; i++)
        text_printf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    text_append(out, "\n'temper COMMAND --help' explains a command and shows an example.\n"
                     "exit codes: 0 done, 1 failed, 2 wrong usage or recipe, 85 stopped on request "
                     "(run the same command again)\n");
}

static void append_section(Text *out, const Command *command)
{
    text_printf(out, "\n## temper %s\n\n%c%s.\n\n    ", command->name,
                toupper((unsigned char)command->summary[0]), command->summary + 1);
    help_usage(out, command);
    text_printf(out, "\n\n%s\n", command->description);
    if (command->keys) text_append(out, "\nTakes the ");
    for (int i = 0; i < KEY_SECTIONS_MAX && command->key_sections[i]; i++)
        text_printf(out, "%s%s* ", i ? "and " : "", command->key_sections[i]);
    if (command->keys) text_append(out, "[keys of the recipe](#keys-of-the-recipe).\n");
    if (command->flags) {
        text_append(out, "\n");
        options_markdown(out, command->flags, OPTIONS_FLAGS);
    }
    text_append(out, "\nExample:\n\n```sh\n");
    text_printf(out, "%s\n```\n", command->example);
}

void help_markdown(Text *out)
{
    const Option *keys = NULL;
    text_append(out, "<!-- Generated: temper help --markdown > docs/OPTIONS.md -->\n"
                     "# Commands and options\n\n"
                     "Exit codes: 0 done, 1 failed, 2 wrong usage or recipe, 85 stopped on request "
                     "(run the same command again).\n");
    for (int i = 0; commands[i]; i++) {
        append_section(out, commands[i]);
        if (commands[i]->keys) keys = commands[i]->keys;
    }
    if (!keys) return;
    text_append(out, "\n## Keys of the recipe\n\n"
                     "In the YAML file, or as `key=value` after it. Relative paths are against the "
                     "working directory.\n\n");
    options_markdown(out, keys, OPTIONS_KEYS);
}
