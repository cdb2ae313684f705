/// Reference values of tests/golden: safetensors files with small arrays (tests/golden/README.md).
/// Test code: anything wrong with a file ends the test.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { GOLDEN_PROJECTIONS = 64, GOLDEN_SAMPLES = 256 };

typedef struct Golden Golden;

/// Local. NAME is below tests/golden. The caller owns the result.
Golden *golden_open(const char *name);
void golden_close(Golden *golden); ///< NULL-safe

bool golden_has(const Golden *golden, const char *name);
/// Local. A floating-point array as doubles, an integer array as int32; borrowed until the file is
/// closed. `count` may be NULL.
const double *golden_reals(Golden *golden, const char *name, int64_t *count);
const int32_t *golden_ints(Golden *golden, const char *name, int64_t *count);
/// Local. A string of the file's metadata; borrowed.
const char *golden_text(const Golden *golden, const char *key);

/// What a file holds of one parameter's tensor x.
typedef struct {
    const char *name; ///< as transformers names it
    int64_t elements;
    double norm;
    const double *projections; ///< (GOLDEN_PROJECTIONS)
    int64_t sample_count;      ///< 0 if the file holds no samples
    const int64_t *indices;    ///< (sample_count): element of x
    const double *samples;     ///< (sample_count): x there
} Digest;

int golden_digest_count(const Golden *golden);
const Digest *golden_digest(const Golden *golden, int index);
/// Local. NULL if the file has no parameter of that name.
const Digest *golden_digest_find(const Golden *golden, const char *name);

/// Local. The projections of x (n), or of x - minus where `minus` is not NULL: with signs s of
/// splitmix64(0, element), sum of s[p] x. The expected square of such a sum is the squared norm.
void golden_project(double out[GOLDEN_PROJECTIONS], const float *x, const float *minus, int64_t n);
/// Local. The estimate of |x - y| from two sets of projections: root mean square of differences.
double golden_distance(const double a[GOLDEN_PROJECTIONS], const double b[GOLDEN_PROJECTIONS]);
