#include "nn/mask.h"
#include "base/rng.h"
#include "base/status.h"
#include "linalg/kernel.h"

#include <math.h>

typedef uint64_t LanesWide __attribute__((vector_size(4 * LANES)));

Mask mask_next(Tape *tape, double p)
{
    const Pass *pass = tape_pass(tape);
    uint32_t site = tape_site(tape);
    Mask mask = {
        .key = { (uint32_t)pass->seed, (uint32_t)(pass->seed >> 32) },
        .step = pass->step,
        .purpose = RNG_DROPOUT + site + (pass->pass << 16),
        .cut = pass->training ? (uint32_t)lround(p * 65536) : 0,
    };
    CHECK(p >= 0 && mask.cut < 65536, "dropout of %g leaves nothing", p);
    CHECK(RNG_DROPOUT + site < 65536, "a pass of %u random sites", site);
    mask.scale = (float)(65536.0 / (65536.0 - mask.cut));
    return mask;
}

/// The low words of m * a; the high words in *high.
KERNEL_INLINE LanesBits multiply(LanesBits *high, LanesBits a, uint32_t m)
{
    const uint64_t low_half = 0xffffffffu;
    LanesWide even = ((LanesWide)a & low_half) * m, odd = ((LanesWide)a >> 32) * m;
    *high = (LanesBits)((even >> 32) | (odd & ~low_half));
    return a * m;
}

/// a0 b0 a1 b1 ... of 16 and 16: the first and the second half.
KERNEL_INLINE void interleave(LanesBits *first, LanesBits *second, LanesBits a, LanesBits b)
{
    const LanesBits low = { 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23 };
    *first = __builtin_shuffle(a, b, low);
    *second = __builtin_shuffle(a, b, low + 8);
}

/// 16 calls of philox with consecutive first counter words, as base/rng.c has it.
KERNEL_INLINE void philox_lanes(uint32_t *out, LanesBits c0, LanesBits c1, LanesBits c2,
                                LanesBits c3, uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        LanesBits high0, high1;
        LanesBits low0 = multiply(&high0, c0, 0xD2511F53u);
        LanesBits low1 = multiply(&high1, c2, 0xCD9E8D57u);
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    LanesBits even[2], odd[2], calls[4];
    interleave(&even[0], &even[1], c0, c2);
    interleave(&odd[0], &odd[1], c1, c3);
    interleave(&calls[0], &calls[1], even[0], odd[0]);
    interleave(&calls[2], &calls[3], even[1], odd[1]);
    memcpy(out, calls, sizeof calls);
}

/// The draws of elements 8 * first_call ..., 128 a block, in order.
KERNEL static void draw_blocks(uint32_t *draws, const Mask *mask, uint32_t sample,
                               uint32_t first_call, int64_t blocks)
{
    const LanesBits zero = { 0 };
    const LanesBits lane = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    for (int64_t b = 0; b < blocks; b++)
        philox_lanes(draws + b * 4 * LANES, lane + (first_call + (uint32_t)b * LANES),
                     zero + sample, zero + mask->step, zero + mask->purpose, mask->key[0],
                     mask->key[1]);
}

KERNEL static void keep_or_drop(float *restrict factors, const uint16_t *restrict draws,
                                uint32_t cut, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++) factors[i] = draws[i] < cut ? 0 : scale;
}

float *mask_factors(float *factors, const Mask *mask, int64_t sample, int64_t first, int64_t count)
{
    enum { AT_ONCE = 16 };
    union {
        uint32_t words[AT_ONCE * MASK_BLOCK / 2];
        uint16_t halves[AT_ONCE * MASK_BLOCK];
    } draws;
    int64_t skipped = first % 8, blocks = (skipped + count + MASK_BLOCK - 1) / MASK_BLOCK;
    CHECK(first / 8 + blocks * LANES < UINT32_MAX, "a sequence is too large for its mask");
    for (int64_t b = 0; b < blocks; b += AT_ONCE) {
        int64_t now = blocks - b < AT_ONCE ? blocks - b : AT_ONCE;
        draw_blocks(draws.words, mask, (uint32_t)sample, (uint32_t)(first / 8 + b * LANES), now);
        keep_or_drop(factors + b * MASK_BLOCK, draws.halves, mask->cut, mask->scale,
                     now * MASK_BLOCK);
    }
    return factors + skipped;
}

RowPlace row_place(const Packing *packing, int64_t rows, int64_t row)
{
    RowPlace at = { .packing = packing, .tokens = rows == packing->tokens };
    CHECK(at.tokens || rows == packing->sequences,
          "a value has neither tokens nor sequences as rows");
    if (!at.tokens) {
        at.sequence = row;
        return at;
    }
    while (at.sequence < packing->sequences && packing->cu_seqlens[at.sequence + 1] <= row)
        at.sequence++;
    at.place = row - packing->cu_seqlens[at.sequence];
    return at;
}

void row_place_next(RowPlace *at)
{
    const int32_t *ends = at->packing->cu_seqlens + 1;
    if (!at->tokens) {
        at->sequence++;
        return;
    }
    int64_t row = ends[at->sequence - 1] + ++at->place;
    if (row < ends[at->sequence]) return;
    at->place = 0;
    do at->sequence++;
    while (at->sequence < at->packing->sequences && ends[at->sequence] <= row);
}
