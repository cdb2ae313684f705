/// Which tokens a language model is to predict. Functions of recipe, step and row alone, so every
/// rank draws the same for any row.
#pragma once
#include "data/leaves.h"
#include "token/tokenizer.h"
#include "train/recipe.h"

/// What a token is to masking.
typedef enum { PIECE_BEGINS, PIECE_CONTINUES, PIECE_SPECIAL } TokenKind;
typedef struct {
    uint8_t *kinds;     ///< (vocabulary), owned: a TokenKind
    int64_t vocabulary; ///< of the tokenizer
    int32_t mask;       ///< id of the mask token
} TokenKinds;

/// Local. USAGE if the tokenizer has no mask token; `where` names it. `token_kinds_release` frees.
Status token_kinds_init(TokenKinds *out, const Tokenizer *tokenizer, const char *where);
void token_kinds_release(TokenKinds *kinds);

/// How targets are chosen.
typedef struct {
    const TokenKinds *kinds; ///< masked; NULL: each token is to be predicted from those before it
    uint64_t seed;
    uint32_t step; ///< TARGETS_FIXED: the same every time
    double probability;
    bool whole_words;
} TargetRule;
#define TARGETS_FIXED UINT32_MAX

/// The targets of a leaf, reused from leaf to leaf. `(Targets){0}` is empty.
typedef struct {
    int64_t count, capacity;
    int32_t *rows; ///< (count), owned: token of the leaf whose hidden value predicts
    int32_t *ids;  ///< (count), owned: what is there to predict
} Targets;
void targets_reserve(Targets *targets, int64_t tokens);
void targets_release(Targets *targets);

/// Local. Targets among the tokens of one row.
int64_t targets_count(const TargetRule *rule, const Dataset *data, int64_t row);
/// Local. The targets of the leaf that was packed into `buffers`, whose masked ids are replaced: of
/// those drawn 80 % become the mask token, 10 % any token, the others stay (Devlin et al. 2019).
void targets_take(Targets *out, const TargetRule *rule, LeafBuffers *buffers,
                  const Packing *packing);
