#include "linalg/kernel.h"

typedef struct {
    const char *name;
    int vector_bytes;
} Variant;

/// The same choice as the resolvers of KERNEL functions make.
static Variant variant(void)
{
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return (Variant){ "x86-64-v4", 64 };
    if (__builtin_cpu_supports("x86-64-v3")) return (Variant){ "x86-64-v3", 32 };
    return (Variant){ "x86-64-v2", 16 };
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
