#include "cli/commands.h"
#include "store/json.h"
#include "train/program.h"

#include <stdio.h>

typedef struct {
    bool json;
} VersionFlags;

static const Option flags[] = {
    { FIELD(VersionFlags, json), .def = "false", .help = "one JSON object" }, { 0 }
};

static void print_facts(Text *out, const ProgramFact *facts)
{
    text_printf(out, "temper %s\n", facts[0].value);
    for (const ProgramFact *fact = facts + 1; fact->name; fact++)
        if (*fact->value) text_printf(out, "  %-9s  %s\n", fact->name, fact->value);
}

static void print_json(Text *out, const ProgramFact *facts)
{
    Json *object = json_new_object();
    for (const ProgramFact *fact = facts; fact->name; fact++)
        if (*fact->value) json_set_text(object, fact->name, fact->value);
    json_print(out, object, 0);
    text_append(out, "\n");
    json_free(object);
}

static Status version_run(const Invocation *invocation)
{
    const VersionFlags *given = invocation->flags;
    Text text = { 0 };
    (given->json ? print_json : print_facts)(&text, program_facts());
    fputs(text.data, stdout);
    text_release(&text);
    return OK;
}

const Command command_version = {
    .name = "version",
    .run = version_run,
    .flags = flags,
    .flags_bytes = sizeof(VersionFlags),
    .summary = "version, build and libraries",
    .description =
        "Also temper --version. Version, commit, compiler, kernels, MPI, HDF5 and BLAS are "
        "named in\nevery HDF5 file that the program writes and in the report of a run.",
    .example = "temper --version\n"
               "temper --version --json",
};
