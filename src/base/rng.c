#include "base/rng.h"

#include <math.h>

void philox(uint32_t out[4], const uint32_t key[2], const uint32_t counter[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static void draw(uint32_t out[4], uint64_t seed, uint32_t purpose, uint32_t a, uint64_t b)
{
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t counter[4] = { (uint32_t)b, (uint32_t)(b >> 32), a, purpose };
    philox(out, key, counter);
}

uint64_t rng_bits(uint64_t seed, uint32_t purpose, uint32_t a, uint64_t b)
{
    uint32_t words[4];
    draw(words, seed, purpose, a, b);
    return (uint64_t)words[1] << 32 | words[0];
}

double rng_uniform(uint64_t seed, uint32_t purpose, uint32_t a, uint64_t b)
{
    return (double)(rng_bits(seed, purpose, a, b) >> 11) * 0x1p-53;
}

double rng_normal(uint64_t seed, uint32_t purpose, uint32_t a, uint64_t b)
{
    uint32_t words[4];
    draw(words, seed, purpose, a, b);
    uint64_t first = (uint64_t)words[1] << 32 | words[0];
    uint64_t second = (uint64_t)words[3] << 32 | words[2];
    double u = ((double)(first >> 11) + 0.5) * 0x1p-53, v = (double)(second >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}
