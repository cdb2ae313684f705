#include "build_info.h"
#include "cli/commands.h"
#include "linalg/gemm.h"
#include "linalg/kernel.h"
#include "store/h5.h"
#include "store/json.h"
#include "store/yaml.h"
#include "token/unicode.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    bool json;
} VersionFlags;

static const Option flags[] = {
    { FIELD(VersionFlags, json), .def = "false", .help = "one JSON object" }, { 0 }
};

typedef struct {
    const char *name, *value;
} Fact;

static void print_facts(Text *out, const Fact *facts, size_t count)
{
    text_printf(out, "temper %s\n", facts[0].value);
    for (size_t i = 1; i < count; i++)
        text_printf(out, "  %-9s  %s\n", facts[i].name, facts[i].value);
}

static void print_json(Text *out, const Fact *facts, size_t count)
{
    Json *object = json_new_object();
    for (size_t i = 0; i < count; i++) json_set_text(object, facts[i].name, facts[i].value);
    json_print(out, object, 0);
    text_append(out, "\n");
    json_free(object);
}

static Status version_run(const Invocation *invocation)
{
    const VersionFlags *given = invocation->flags;
    char mpi[256], hdf5[32];
    snprintf(mpi, sizeof mpi, "%s", comm_library());
    mpi[strcspn(mpi, ",\n")] = '\0'; // its build's details follow
    h5_library(hdf5);
    const Fact facts[] = {
        { "version", TEMPER_VERSION },
        { "commit", TEMPER_COMMIT },
        { "compiler", TEMPER_COMPILER },
        { "flags", TEMPER_FLAGS },
        { "build", TEMPER_BUILD },
        { "kernels", kernel_variant() },
        { "mpi", mpi },
        { "blas", gemm_library() },
        { "blas_core", gemm_core() },
        { "hdf5", hdf5 },
        { "libyaml", yaml_library() },
        { "jansson", json_library() },
        { "utf8proc", unicode_library() },
    };
    Text text = { 0 };
    (given->json ? print_json : print_facts)(&text, facts, sizeof facts / sizeof *facts);
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
