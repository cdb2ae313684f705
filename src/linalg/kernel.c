#include "linalg/kernel.h"

// The same choice as the resolvers of KERNEL functions make.
const char *kernel_variant(void)
{
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
    if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
    return "x86-64-v2";
#else
    return "portable";
#endif
}
