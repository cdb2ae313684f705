/* TEST labels=nn timeout=60 */
#include "support/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/mask.h"
#include "nn/ops.h"

#include <stdlib.h>

static const int32_t ends[] = { 0, 3, 40, 41, 60 };
static const int64_t samples[] = { 11, 5000000017, 3, 900 };
static const Packing packing = {
    .sequences = 4, .tokens = 60, .longest = 37, .cu_seqlens = ends, .samples = samples
};
static const Pass pass = { .seed = 0xfeedface12345678ull, .step = 77, .pass = 2, .training = true };

/// As the header defines it, from the scalar generator: 16 bits of an element.
static uint32_t draw_of(uint32_t site, int64_t sample, int64_t element)
{
    uint32_t key[2] = { (uint32_t)pass.seed, (uint32_t)(pass.seed >> 32) }, words[4];
    uint32_t counter[4] = { (uint32_t)(element / 8), (uint32_t)sample, pass.step,
                            RNG_DROPOUT + site + (pass.pass << 16) };
    philox(words, key, counter);
    return words[element % 8 / 2] >> 16 * (element % 2) & 0xffff;
}

static float expected_factor(uint32_t site, double p, int64_t sample, int64_t element)
{
    uint32_t cut = (uint32_t)lround(p * 65536);
    return draw_of(site, sample, element) < cut ? 0 : (float)(65536.0 / (65536 - cut));
}

static void known_answer(void) // of the authors' test vectors
{
    const uint32_t key[2] = { 0xa4093822, 0x299f31d0 };
    const uint32_t counter[4] = { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 };
    uint32_t out[4];
    philox(out, key, counter);
    CHECK_TRUE(out[0] == 0xd16cfe09 && out[1] == 0x94fdcceb && out[2] == 0x5001e420 &&
               out[3] == 0x24126ea1);
}

static void equals_the_scalar_generator(void)
{
    static float buffer[5000 + 2 * MASK_BLOCK];
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &packing);
    mask_next(tape, 0);
    Mask mask = mask_next(tape, 0.3);
    const int64_t firsts[] = { 0, 8, 5, 127, 128, 1003, 80000 }, counts[] = { 1, 7, 128, 5000 };
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        for (size_t j = 0; j < sizeof counts / sizeof *counts; j++) {
            float *factors = mask_factors(buffer, &mask, samples[1], firsts[i], counts[j]);
            for (int64_t k = 0; k < counts[j]; k++)
                CHECK_TRUE(factors[k] == expected_factor(1, 0.3, samples[1], firsts[i] + k));
        }
    tape_free(tape);
}

/// What draws just the rate is kept, what draws less is not, on both halves of a word.
static void the_rate_is_exact(void)
{
    float buffer[3 * MASK_BLOCK];
    Tape *tape = tape_new(1 << 20);
    for (int64_t element = 0; element < 16; element++) {
        uint32_t draw = draw_of(0, samples[0], element);
        if (draw == 0 || draw == 65535) continue;
        for (uint32_t more = 0; more < 2; more++) {
            tape_start(tape, &pass, &packing);
            Mask mask = mask_next(tape, (draw + more) / 65536.0);
            const float *factors = mask_factors(buffer, &mask, samples[0], 0, 16);
            CHECK_EQ(factors[element] == 0, more);
        }
    }
    tape_free(tape);
}

static Var *ones(Tape *tape, int64_t rows, int64_t cols)
{
    Var *x = tape_var(tape, rows, cols, true);
    for (int64_t i = 0; i < rows * cols; i++) x->value[i] = 1;
    return x;
}

static void dropout_of_tokens_and_sequences(void)
{
    enum { COLS = 43 };
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &packing);
    Var *tokens = dropout(tape, ones(tape, 60, COLS), 0.5);
    Var *sequences = dropout(tape, ones(tape, 4, COLS), 0.1);
    int64_t dropped = 0;
    for (int64_t s = 0; s < 4; s++) {
        for (int64_t c = 0; c < COLS; c++)
            CHECK_TRUE(sequences->value[s * COLS + c] == expected_factor(1, 0.1, samples[s], c));
        for (int64_t e = 0; e < (ends[s + 1] - ends[s]) * COLS; e++) {
            float value = tokens->value[ends[s] * COLS + e];
            CHECK_TRUE(value == expected_factor(0, 0.5, samples[s], e));
            dropped += value == 0;
        }
    }
    CHECK_NEAR((double)dropped / (60 * COLS), 0.5, 0.04);
    tape_free(tape);
}

/// With q = k = 0 and v = 1 in one column, attention shows the mean of the factors of a row.
static void dropout_of_probabilities(void)
{
    enum { HEADS = 2, WIDTH = 16 };
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &packing);
    Var *qkv = tape_var(tape, 60, 3 * HEADS * WIDTH, true);
    memset(qkv->value, 0, 60 * 3 * HEADS * WIDTH * sizeof(float));
    for (int64_t t = 0; t < 60; t++)
        for (int64_t c = 2 * HEADS * WIDTH; c < qkv->cols; c++)
            qkv->value[t * qkv->cols + c] = (float)(t + 1);
    Var *y = attention(tape, qkv, HEADS, HEADS, false, 0.25);
    for (int64_t s = 0; s < 4; s++)
        for (int64_t q = ends[s]; q < ends[s + 1]; q++)
            for (int64_t h = 0; h < HEADS; h++) {
                int64_t length = ends[s + 1] - ends[s];
                int64_t row = (h * length + q - ends[s]) * length;
                double sum = 0;
                for (int64_t k = 0; k < length; k++)
                    sum += (double)expected_factor(0, 0.25, samples[s], row + k) *
                           (double)(ends[s] + k + 1);
                CHECK_NEAR(y->value[q * y->cols + h * WIDTH], sum / (double)length, 1e-4);
            }
    tape_free(tape);
}

/// A norm whose input is constant but for the mask: dropped and kept columns have two values.
static void dropout_of_norms(void)
{
    enum { COLS = 48 };
    static float gain_values[COLS], bias_values[COLS];
    for (int i = 0; i < COLS; i++) gain_values[i] = 1;
    Weight gain = { .rows = 1, .cols = COLS, .value = gain_values };
    Weight bias = { .rows = 1, .cols = COLS, .value = bias_values };
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &packing);
    Var *y = layer_norm(tape, NULL, ones(tape, 60, COLS), &gain, &bias, 1e-12, 0.2);
    for (int64_t s = 0; s < 4; s++)
        for (int64_t e = 0; e < (ends[s + 1] - ends[s]) * COLS; e++) {
            bool kept = expected_factor(0, 0.2, samples[s], e) > 0;
            CHECK_TRUE(kept == (y->value[ends[s] * COLS + e] > 0));
        }
    tape_free(tape);
}

static void places_of_rows(void)
{
    static const int32_t gaps[] = { 0, 0, 3, 3, 3, 40, 41, 60, 60 }; // sequences may be empty
    const Packing of_gaps = { .sequences = 8, .tokens = 60, .cu_seqlens = gaps };
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &of_gaps);
    const Var tokens = { .rows = 60 }, sequences = { .rows = 8 };
    RowPlace next = row_place(tape, &tokens, 0);
    for (int64_t row = 0, sequence = 0; row < 60; row++) {
        while (gaps[sequence + 1] <= row) sequence++;
        RowPlace at = row_place(tape, &tokens, row);
        CHECK_EQ(at.sequence, sequence);
        CHECK_EQ(at.place, row - gaps[sequence]);
        CHECK_TRUE(next.sequence == at.sequence && next.place == at.place);
        if (row < 59) row_place_next(&next);
    }
    CHECK_EQ(row_place(tape, &sequences, 5).sequence, 5);
    tape_free(tape);
}

static void rate_does_not_renumber_sites(void)
{
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &packing);
    Var *x = ones(tape, 4, 64);
    CHECK_TRUE(dropout(tape, x, 0) == x);
    Var *y = dropout(tape, x, 0.5);
    for (int64_t c = 0; c < 64; c++)
        CHECK_TRUE(y->value[c] == expected_factor(1, 0.5, samples[0], c));
    Pass inference = pass;
    inference.training = false;
    tape_start(tape, &inference, &packing);
    x = ones(tape, 4, 64);
    CHECK_TRUE(dropout(tape, x, 0.5) == x);
    tape_free(tape);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "known_answer", known_answer },
    { "equals_the_scalar_generator", equals_the_scalar_generator },
    { "the_rate_is_exact", the_rate_is_exact },
    { "dropout_of_tokens_and_sequences", dropout_of_tokens_and_sequences },
    { "dropout_of_probabilities", dropout_of_probabilities },
    { "dropout_of_norms", dropout_of_norms },
    { "places_of_rows", places_of_rows },
    { "rate_does_not_renumber_sites", rate_does_not_renumber_sites },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
