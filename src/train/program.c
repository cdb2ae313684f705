#include "train/program.h"
#include "build_info.h"
#include "comm/comm.h"
#include "linalg/gemm.h"
#include "linalg/kernel.h"
#include "store/h5.h"
#include "store/json.h"
#include "store/yaml.h"
#include "token/unicode.h"

#include <string.h>

static const char *hdf5_version(void)
{
    static char text[32];
    h5_library(text);
    return text;
}

const ProgramFact *program_facts(void)
{
    static ProgramFact facts[16];
    const ProgramFact now[] = {
        { "version", "the version", TEMPER_VERSION },
        { "commit", "the commit", TEMPER_COMMIT },
        { "diff_sha256", "the hash of what is not committed", TEMPER_DIFF_SHA256 },
        { "compiler", "the compiler", TEMPER_COMPILER },
        { "flags", "the compiler's line of flags", TEMPER_FLAGS },
        { "build", "the type of the build", TEMPER_BUILD },
        { "kernels", "the kernel variant", kernel_variant() },
        { "mpi", "the MPI library", comm_library_name() },
        { "blas", "the BLAS library", gemm_library() },
        { "blas_core", "the BLAS core", gemm_core() },
        { "hdf5", "the HDF5 library", hdf5_version() },
        { "libyaml", "libyaml", yaml_library() },
        { "jansson", "jansson", json_library() },
        { "utf8proc", "utf8proc", unicode_library() },
        { 0 },
    };
    _Static_assert(sizeof now <= sizeof facts, "no room");
    memcpy(facts, now, sizeof now);
    return facts;
}
