#include "train/targets.h"
#include "base/mem.h"
#include "base/rng.h"

#include <string.h>

static bool begins_with(const Tokenizer *tokenizer, int64_t id, const char *prefix)
{
    const char *token = tokenizer_token(tokenizer, id);
    return token && !strncmp(token, prefix, strlen(prefix));
}

Status token_kinds_init(TokenKinds *out, const Tokenizer *tokenizer, const char *where)
{
    static const char continues[] = "##", begins[] = "\xC4\xA0"; // WordPiece; bytes: a space
    int32_t mask = tokenizer_role(tokenizer, TOKEN_MASK);
    if (mask < 0)
        return status_fail(
            USAGE, "%s: the tokenizer has no mask token, model.task masked_lm needs one", where);
    *out = (TokenKinds){ .vocabulary = tokenizer_size(tokenizer), .mask = mask };
    out->kinds = MEM_NEW(uint8_t, out->vocabulary);
    bool marks_begin = false;
    for (int64_t id = 0; id < out->vocabulary; id++)
        marks_begin |= begins_with(tokenizer, id, begins);
    for (int64_t id = 0; id < out->vocabulary; id++) {
        bool goes_on = marks_begin ? !begins_with(tokenizer, id, begins)
                                   : begins_with(tokenizer, id, continues);
        out->kinds[id] = (uint8_t)(tokenizer_is_special(tokenizer, id) ? PIECE_SPECIAL
                                   : goes_on                           ? PIECE_CONTINUES
                                                                       : PIECE_BEGINS);
    }
    return OK;
}

void token_kinds_release(TokenKinds *kinds)
{
    mem_free(kinds->kinds);
    *kinds = (TokenKinds){ 0 };
}

void targets_reserve(Targets *targets, int64_t tokens)
{
    if (tokens <= targets->capacity) return;
    targets->capacity = tokens;
    targets->rows = mem_resize(targets->rows, (size_t)tokens, sizeof *targets->rows);
    targets->ids = mem_resize(targets->ids, (size_t)tokens, sizeof *targets->ids);
}

void targets_release(Targets *targets)
{
    mem_free(targets->rows);
    mem_free(targets->ids);
    *targets = (Targets){ 0 };
}

/// 64 random bits for a token of a row.
static uint64_t draw(const TargetRule *rule, uint32_t purpose, int64_t row, int64_t place)
{
    return rng_bits(rule->seed, purpose, rule->step, (uint64_t)row << 24 | (uint64_t)place);
}

static TokenKind kind_of(const TargetRule *rule, int32_t id)
{
    return (TokenKind)rule->kinds->kinds[id];
}

/// Where the draw is made that decides on a token: its own place, or that of its word's beginning.
static int64_t deciding_place(const TargetRule *rule, const int32_t *ids, int64_t place)
{
    while (rule->whole_words && place > 0 && kind_of(rule, ids[place]) == PIECE_CONTINUES &&
           kind_of(rule, ids[place - 1]) != PIECE_SPECIAL)
        place--;
    return place;
}

static bool is_drawn(const TargetRule *rule, const int32_t *ids, int64_t row, int64_t place)
{
    if (kind_of(rule, ids[place]) == PIECE_SPECIAL) return false;
    uint64_t bits = draw(rule, RNG_MASK, row, deciding_place(rule, ids, place));
    return (double)(bits >> 11) * 0x1p-53 < rule->probability;
}

static int32_t replacement(const TargetRule *rule, int32_t id, int64_t row, int64_t place)
{
    uint64_t bits = draw(rule, RNG_REPLACE, row, place);
    uint32_t way = (uint32_t)(bits % 10);
    if (way < 8) return rule->kinds->mask;
    return way == 8 ? (int32_t)(bits / 10 % (uint64_t)rule->kinds->vocabulary) : id;
}

static bool is_target(const TargetRule *rule, const int32_t *ids, const uint8_t *wanted,
                      int64_t row, int64_t place)
{
    if (rule->kinds) return is_drawn(rule, ids, row, place);
    return place > 0 && (!wanted || wanted[place]);
}

int64_t targets_count(const TargetRule *rule, const Dataset *data, int64_t row)
{
    int64_t first = data->offsets[row], length = dataset_length(data, row), count = 0;
    const uint8_t *wanted = data->wanted ? data->wanted + first : NULL;
    for (int64_t place = 0; place < length; place++)
        count += is_target(rule, data->ids + first, wanted, row, place);
    return count;
}

void targets_take(Targets *out, const TargetRule *rule, LeafBuffers *buffers,
                  const Packing *packing)
{
    int64_t before = rule->kinds ? 0 : 1; // a causal model predicts from the token before
    targets_reserve(out, packing->tokens);
    out->count = 0;
    for (int64_t s = 0; s < packing->sequences; s++) {
        int64_t first = packing->cu_seqlens[s], length = packing->cu_seqlens[s + 1] - first;
        int64_t row = packing->samples[s], from = out->count;
        const uint8_t *wanted = buffers->has_wanted ? buffers->wanted + first : NULL;
        for (int64_t place = 0; place < length; place++) {
            if (!is_target(rule, buffers->ids + first, wanted, row, place)) continue;
            out->rows[out->count] = (int32_t)(first + place - before);
            out->ids[out->count++] = buffers->ids[first + place];
        }
        for (int64_t i = from; i < out->count && rule->kinds; i++) // when all of the row is drawn
            buffers->ids[out->rows[i]] = replacement(rule, out->ids[i], row, out->rows[i] - first);
    }
}
