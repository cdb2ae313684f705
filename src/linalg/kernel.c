#include "linalg/kernel.h"
#include "base/status.h"

typedef struct {
    const char *name;
    int vector_bytes;
} Variant;

#define V4 ((Variant){ "x86-64-v4", 64 })
#define V3 ((Variant){ "x86-64-v3", 32 })
#define V2 ((Variant){ "x86-64-v2", 16 })

/// The same choice as the resolvers of KERNEL functions make.
static Variant variant(void)
{
#if defined(TEMPER_KERNELS)
    __builtin_cpu_init();
    CHECK(__builtin_cpu_supports(TEMPER_KERNELS), "this build is for %s alone (TEMPER_KERNELS)",
          TEMPER_KERNELS);
    return TEMPER_KERNELS[8] == '4' ? V4 : TEMPER_KERNELS[8] == '3' ? V3 : V2;
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                           \
    !defined(__SANITIZE_ADDRESS__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return V4;
    if (__builtin_cpu_supports("x86-64-v3")) return V3;
    return V2;
#else
    return (Variant){ "portable", 16 };
#endif
}

const char *kernel_variant(void)
{
    return variant().name;
}

int kernel_vector_bytes(void)
{
    return variant().vector_bytes;
}
