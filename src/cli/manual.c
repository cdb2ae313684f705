#include "cli/manual.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "build_info.h"

#include <string.h>

/// Text for roff: no escapes, and no line that would be a request.
static void append_roff(Text *out, const char *text)
{
    bool line_starts = true;
    for (const char *c = text; *c; c++) {
        if (line_starts && (*c == '.' || *c == '\'')) text_append(out, "\\&");
        if (*c == '\\')
            text_append(out, "\\e");
        else if (*c == '-')
            text_append(out, "\\-"); // a hyphen that can be copied into a shell
        else
            text_append_bytes(out, c, 1);
        line_starts = *c == '\n';
    }
}

static void append_title(Text *out, const char *name, const char *summary)
{
    text_printf(out, ".TH %s 1 \"\" \"temper %s\"\n.SH NAME\n", name, TEMPER_VERSION);
    append_roff(out, name);
    text_append(out, " \\- ");
    append_roff(out, summary);
    text_append(out, "\n");
}

static void append_options(Text *out, const Option *rows, OptionsForm form)
{
    for (const Option *row = rows; row->key; row++) {
        Text name = { 0 }, meaning = { 0 };
        option_name(&name, row, form);
        if (form == OPTIONS_FLAGS && row->type != OPTION_BOOL) text_append(&name, " ");
        if (form == OPTIONS_FLAGS) option_placeholder(&name, row);
        option_meaning(&meaning, row, form);
        text_append(out, ".TP\n.B ");
        append_roff(out, name.data);
        if (form == OPTIONS_FLAGS && row->letter) text_printf(out, ", \\-%c", row->letter);
        text_append(out, "\n");
        append_roff(out, meaning.data);
        if (form == OPTIONS_KEYS && !row->required && *row->def) {
            text_append(out, " Default: ");
            append_roff(out, row->def);
            text_append(out, ".");
        }
        text_append(out, "\n");
        text_release(&name);
        text_release(&meaning);
    }
}

static void append_page(Text *out, const Command *command)
{
    Text title = { 0 }, usage = { 0 };
    text_printf(&title, "temper-%s", command->name);
    help_usage(&usage, command);
    append_title(out, title.data, command->summary);
    text_append(out, ".SH SYNOPSIS\n.B ");
    append_roff(out, usage.data);
    text_append(out, "\n.SH DESCRIPTION\n");
    append_roff(out, command->description);
    text_append(out, "\n");
    if (command->flags) text_append(out, ".SH FLAGS\n");
    if (command->flags) append_options(out, command->flags, OPTIONS_FLAGS);
    if (command->keys) text_append(out, ".SH KEYS OF THE RECIPE\n");
    if (command->keys) append_options(out, command_keys(command), OPTIONS_KEYS);
    text_append(out, ".SH EXAMPLE\n.nf\n");
    append_roff(out, command->example);
    text_append(out, "\n.fi\n.SH SEE ALSO\n.BR temper (1)\n");
    text_release(&title);
    text_release(&usage);
}

static void append_overview(Text *out)
{
    append_title(out, "temper", "fine-tunes pretrained models over MPI on CPU nodes");
    text_append(out, ".SH SYNOPSIS\n.B temper\n.I COMMAND ...\n.SH COMMANDS\n");
    for (int i = 0; commands[i]; i++) {
        text_printf(out, ".TP\n.BR temper\\-%s (1)\n", commands[i]->name);
        append_roff(out, commands[i]->summary);
        text_append(out, "\n");
    }
    text_append(out, ".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nfailed\n.TP\n.B 2\n"
                     "wrong usage, recipe or data\n.TP\n.B 85\n"
                     "stopped on request after a checkpoint: run the same command again\n");
}

static Status write_page(const char *folder, const char *suffix, const char *name, Text *page)
{
    Text path = { 0 };
    text_printf(&path, "%s/temper%s%s.1", folder, suffix, name);
    Status status = text_write_file(path.data, page->data, page->length_bytes);
    text_release(&path);
    text_clear(page);
    return status;
}

Status manual_write(const char *folder)
{
    Status status = OK;
    Text page = { 0 };
    append_overview(&page);
    TRY(write_page(folder, "", "", &page));
    for (int i = 0; commands[i]; i++) {
        append_page(&page, commands[i]);
        TRY(write_page(folder, "-", commands[i]->name, &page));
    }
done:
    text_release(&page);
    return status;
}

static void append_words(Text *out, const Command *command)
{
    text_append(out, "--help");
    for (const Option *row = command->flags; row && row->key; row++) {
        text_append(out, " ");
        option_name(out, row, OPTIONS_FLAGS);
    }
    for (const Option *row = command_keys(command); row && row->key; row++)
        text_printf(out, " %s=", row->key);
}

void manual_completion(Text *out)
{
    text_append(out, "# bash completion for temper. Generated: temper help --completion\n"
                     "_temper()\n{\n"
                     "    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
                     "    case $COMP_CWORD:${COMP_WORDS[1]} in\n"
                     "    1:*) words='--help --version");
    for (int i = 0; commands[i]; i++) text_printf(out, " %s", commands[i]->name);
    text_append(out, "' ;;\n");
    for (int i = 0; commands[i]; i++) {
        text_printf(out, "    *:%s) words='", commands[i]->name);
        append_words(out, commands[i]);
        text_append(out, "' ;;\n");
    }
    text_append(out, "    esac\n"
                     "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                     "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
                     "}\n"
                     "complete -o default -F _temper temper\n");
}
