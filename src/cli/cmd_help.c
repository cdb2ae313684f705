#include "base/fault.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/manual.h"

#include <stdio.h>

typedef struct {
    bool markdown, completion, faults;
    char man[4096];
} HelpFlags;

static const Option flags[] = {
    { FIELD(HelpFlags, markdown), .def = "false", .help = "print docs/OPTIONS.md" },
    { FIELD(HelpFlags, man), .def = "", .help = "write man pages into this folder" },
    { FIELD(HelpFlags, completion), .def = "false", .help = "print completion for bash" },
    { FIELD(HelpFlags, faults), .def = "false",
      .help = "list the points where tests make it fail (TEMPER_FAULT)" },
    { 0 }
};

static void list_faults(Text *out)
{
    static const char *const kinds[] = { "error", "kill", "hang", "other" };
    for (const FaultPoint *point = fault_points; point->name; point++)
        text_printf(out, "%-20s %-6s %s\n", point->name, kinds[point->kind], point->what);
}

static Status help_run(const Invocation *invocation)
{
    Status status = OK;
    const HelpFlags *given = invocation->flags;
    const Command *subject = NULL;
    Text text = { 0 };
    if (*given->man) {
        TRY(file_named(given->man, FILE_FOLDER, "--man"));
        TRY(manual_write(given->man));
        goto done;
    }
    if (invocation->arguments[0]) TRY(command_find(&subject, invocation->arguments[0]));
    if (given->markdown)
        help_markdown(&text);
    else if (given->completion)
        manual_completion(&text);
    else if (given->faults)
        list_faults(&text);
    else if (subject)
        help_command(&text, subject);
    else
        help_overview(&text);
    fputs(text.data, stdout);
done:
    text_release(&text);
    return status;
}

const Command command_help = {
    .name = "help",
    .run = help_run,
    .arguments = { "[COMMAND]" },
    .flags = flags,
    .flags_bytes = sizeof(HelpFlags),
    .summary = "the commands, or one of them",
    .description =
        "Without COMMAND lists the commands. The flags write the other forms of the same "
        "tables.",
    .example = "temper help import\n"
               "source <(temper help --completion)",
};
