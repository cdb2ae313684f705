#include "base/sha256.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pulse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

void sha256_init(Sha256 *sha)
{
    *sha = (Sha256){ .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

static uint32_t rotate(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void take_block(uint32_t state[8], const unsigned char *s)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++, s += 4)
        w[i] = (uint32_t)s[0] << 24 | (uint32_t)s[1] << 16 | (uint32_t)s[2] << 8 | (uint32_t)s[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t e = v[4], a = v[0];
        uint32_t up = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + constants[i] + w[i];
        uint32_t down = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                        ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += up;
        v[0] = up + down;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void sha256_blocks_portable(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    for (; blocks; blocks--, data += 64) take_block(state, data);
}

#if defined(__x86_64__)
static bool has_instructions(void)
{
    unsigned a, b, c, d;
    bool sse41 = __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSE4_1;
    return sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA;
}

/// The instructions want the state as (A, B, E, F) and (C, D, G, H) and do two rounds a call.
__attribute__((target("sha,sse4.1"))) static void
take_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (; blocks; blocks--, data += 64) {
        __m128i w[4], old_abef = abef, old_cdgh = cdgh;
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), swap);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            const __m128i *four = (const __m128i *)(constants + 4 * i);
            __m128i sum = _mm_add_epi32(w[i % 4], _mm_loadu_si128(four));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
            __m128i last = w[(i + 3) % 4], middle = _mm_alignr_epi8(last, w[(i + 2) % 4], 4);
            __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), middle);
            w[i % 4] = _mm_sha256msg2_epu32(next, last);
        }
        abef = _mm_add_epi32(abef, old_abef);
        cdgh = _mm_add_epi32(cdgh, old_cdgh);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#else
static bool has_instructions(void)
{
    return false;
}

static void take_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    sha256_blocks_portable(state, data, blocks);
}
#endif

void sha256_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    static int known = -1; // asking takes longer than a block
    if (known < 0) known = has_instructions();
    (known ? take_blocks : sha256_blocks_portable)(state, data, blocks);
}

void sha256_add(Sha256 *sha, const void *data, size_t bytes)
{
    const unsigned char *s = data;
    size_t waiting = sha->total_bytes % 64;
    sha->total_bytes += bytes;
    if (waiting + bytes >= 64 && waiting) {
        size_t missing = 64 - waiting;
        memcpy(sha->block + waiting, s, missing);
        sha256_blocks(sha->state, sha->block, 1);
        s += missing, bytes -= missing, waiting = 0;
    }
    sha256_blocks(sha->state, s, bytes / 64);
    s += bytes - bytes % 64, bytes %= 64;
    if (bytes) memcpy(sha->block + waiting, s, bytes);
}

void sha256_finish(char hex[65], Sha256 *sha)
{
    static const unsigned char padding[64] = { 0x80 };
    uint64_t bits = sha->total_bytes * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_add(sha, padding, 1 + (119 - sha->total_bytes % 64) % 64);
    sha256_add(sha, length, sizeof length);
    for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", (unsigned)sha->state[i]);
}

Status sha256_file(char hex[65], const char *path)
{
    enum { PIECE_BYTES = 1 << 18 };
    Status status = OK;
    Sha256 sha;
    char *piece = MEM_NEW(char, PIECE_BYTES);
    int file = -1;
    int64_t bytes;
    TRY(file_open(&file, &bytes, path));
    sha256_init(&sha);
    for (;;) {
        ssize_t got = read(file, piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) FAIL(FAILED, "%s: %s", path, strerror(errno));
        if (got == 0) break;
        sha256_add(&sha, piece, (size_t)got);
        pulse_progress();
    }
    sha256_finish(hex, &sha);
done:
    if (file >= 0) close(file);
    mem_free(piece);
    return status;
}
