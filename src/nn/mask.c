#include "nn/mask.h"
#include "base/rng.h"
#include "base/status.h"
#include "linalg/kernel.h"
#include "nn/group.h"

#include <math.h>

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

/// `count` calls of philox, as base/rng.c has it, with consecutive first counter words.
KERNEL static void draw(uint32_t *restrict draws, const Mask *restrict mask, uint32_t sample,
                        uint32_t first_call, int64_t count)
{
    const uint32_t step = mask->step, purpose = mask->purpose;
    const uint32_t key0 = mask->key[0], key1 = mask->key[1];
    for (int64_t i = 0; i < count; i++) {
        uint32_t c0 = first_call + (uint32_t)i, c1 = sample, c2 = step, c3 = purpose;
#pragma GCC unroll 10
        for (uint32_t round = 0; round < 10; round++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ (key0 + round * 0x9E3779B9u);
            c1 = (uint32_t)p1;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ (key1 + round * 0xBB67AE85u);
            c3 = (uint32_t)p0;
        }
        draws[4 * i] = c0;
        draws[4 * i + 1] = c1;
        draws[4 * i + 2] = c2;
        draws[4 * i + 3] = c3;
    }
}

/// Two factors of each word.
KERNEL static void keep_or_drop(float *restrict factors, const uint32_t *restrict draws,
                                uint32_t cut, float scale, int64_t words)
{
    for (int64_t i = 0; i < words; i++) {
        factors[2 * i] = (draws[i] & 0xffff) < cut ? 0 : scale;
        factors[2 * i + 1] = draws[i] >> 16 < cut ? 0 : scale;
    }
}

float *mask_factors(float *factors, const Mask *mask, int64_t sample, int64_t first, int64_t count)
{
    enum { AT_ONCE = 16, CALLS = MASK_BLOCK / 8 };
    uint32_t draws[AT_ONCE * MASK_BLOCK / 2];
    int64_t skipped = first % 8, blocks = (skipped + count + MASK_BLOCK - 1) / MASK_BLOCK;
    CHECK(first / 8 + blocks * CALLS < UINT32_MAX, "a sequence is too large for its mask");
    for (int64_t b = 0; b < blocks; b += AT_ONCE) {
        int64_t now = blocks - b < AT_ONCE ? blocks - b : AT_ONCE;
        draw(draws, mask, (uint32_t)sample, (uint32_t)(first / 8 + b * CALLS), now * CALLS);
        keep_or_drop(factors + b * MASK_BLOCK, draws, mask->cut, mask->scale, now * MASK_BLOCK / 2);
    }
    return factors + skipped;
}

RowPlace row_place(const Tape *tape, const Var *x, int64_t row)
{
    const Packing *packing = tape_packing(tape);
    RowPlace at = { .packing = packing, .tokens = x->own || x->rows == packing->tokens };
    CHECK(at.tokens || x->rows == packing->sequences,
          "a value has neither tokens nor sequences as rows");
    if (x->own) row += tape_tokens_of(tape, tape_group_rank(tape)).first;
    if (!at.tokens) {
        at.sequence = row;
        return at;
    }
    for (int64_t end = packing->sequences; at.sequence < end;) { // the first that ends after row
        int64_t middle = at.sequence + (end - at.sequence) / 2;
        if (packing->cu_seqlens[middle + 1] <= row)
            at.sequence = middle + 1;
        else
            end = middle;
    }
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
