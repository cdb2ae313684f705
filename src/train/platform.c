#include "train/platform.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "build_info.h"
#include "comm/agree.h"
#include "linalg/gemm.h"
#include "linalg/kernel.h"
#include "store/provenance.h"

#include <stdlib.h>
#include <string.h>

enum { FACTS = 3 };

/// The library's text names the core too, so it comes last.
static const struct {
    const char *name, *meaning;
    const char *(*value)(void);
} facts[FACTS] = {
    { "blas_core", "BLAS kernels", gemm_core },
    { "kernels", "kernels", kernel_variant },
    { "blas_library", "the BLAS", gemm_library },
};

#define CHOSEN "TEMPER_CHOOSES_CORETYPE"

void platform_choose_core(char **argv)
{
    if (!getenv("OPENBLAS_CORETYPE")) setenv(CHOSEN, "1", 1);
    gemm_choose_core(argv);
}

void platform_forget_core(void)
{
    if (getenv(CHOSEN)) unsetenv("OPENBLAS_CORETYPE");
    unsetenv(CHOSEN);
}

void platform_start(void)
{
    for (int i = 0; i < FACTS; i++) provenance_add(facts[i].name, facts[i].value());
}

void platform_announce(void)
{
    log_info("temper %s, commit %s; kernels %s, BLAS core %s of %s", TEMPER_VERSION, TEMPER_COMMIT,
             kernel_variant(), gemm_core(), gemm_library());
}

/// The build and every fact, each with a NUL.
static void describe(Text *out)
{
    text_append_bytes(out, TEMPER_COMMIT, sizeof TEMPER_COMMIT);
    for (int i = 0; i < FACTS; i++)
        text_append_bytes(out, facts[i].value(), strlen(facts[i].value()) + 1);
}

/// `all` holds the descriptions of all ranks, in their order.
static Status find_stranger(const char *all, int ranks)
{
    const char *own = all, *at = all;
    for (int rank = 0; rank < ranks; rank++) {
        const char *expected = own;
        for (int i = -1; i < FACTS; i++) {
            if (strcmp(at, expected))
                return status_fail(USAGE,
                                   "rank %d has %s '%s', rank 0 has '%s': all ranks must round "
                                   "alike; start one build on nodes of one kind, or set "
                                   "OPENBLAS_CORETYPE for all ranks to what every node has",
                                   rank, i < 0 ? "the build" : facts[i].meaning, at, expected);
            at += strlen(at) + 1;
            expected += strlen(expected) + 1;
        }
    }
    return OK;
}

Status platform_agree(const Comm *comm)
{
    Status status = OK;
    Text mine = { 0 };
    char *all = NULL;
    size_t bytes;
    describe(&mine);
    comm_gather_root(comm, &all, &bytes, mine.data, mine.length_bytes);
    TRY_ROOT(comm, find_stranger(all, comm->size));
done:
    mem_free(all);
    text_release(&mine);
    return status;
}

void platform_compare(const TensorFile *checkpoint)
{
    for (int i = 0; i < FACTS; i++) {
        const char *now = facts[i].value(), *then = tensors_text(checkpoint, facts[i].name, now);
        if (!strcmp(now, then)) continue;
        log_warn("%s was made with %s '%s', this is '%s': what follows may differ in bits from an "
                 "uninterrupted run; OPENBLAS_CORETYPE sets the BLAS kernels",
                 tensors_file_path(checkpoint), facts[i].meaning, then, now);
        return;
    }
}
