/// Text that goes on from prompts.
#pragma once
#include "model/model.h"
#include "token/tokenizer.h"

typedef struct {
    int64_t max_tokens;
    double temperature; ///< 0: the likeliest token
    int64_t top_k;      ///< 0: all
    double top_p, repetition_penalty;
    uint64_t seed;
    const char *stop; ///< text that ends a completion, which does not hold it; "": none
} GenerateOptions;

typedef struct {
    int32_t *ids; ///< (count), owned
    int64_t count;
} Prompt;

typedef enum { FINISH_LENGTH, FINISH_END, FINISH_STOP } Finish;
extern const char *const finish_names[]; ///< "length", "end", "stop"

typedef struct {
    Text text; ///< the completion alone
    int64_t tokens;
    Finish finish;
} Completion;

/// Local. Tokens that end a text, by the model's configuration or else the tokenizer: ids (at most
/// MOST_END_TOKENS), their number.
enum { MOST_END_TOKENS = 16 };
int model_end_tokens(int32_t ids[MOST_END_TOKENS], const Model *model, const Tokenizer *tokenizer);

/// Collective. Completions of this rank's prompts [*first, *first + *mine) of `prompts`, which are
/// the same on all ranks; the caller owns them (`completions_free`). Prompts go by fixed groups in
/// their order, so the texts do not depend on the number of ranks. Logs the rate. FAILED for a
/// prompt without tokens or one that fills the model's positions, by its number.
COLLECTIVE
Status generate(const Comm *comm, Completion **out, int64_t *first, int64_t *mine,
                const Model *model, const Tokenizer *tokenizer, const Prompt *prompts,
                int64_t count, const GenerateOptions *options);
void completions_free(Completion *completions, int64_t count); ///< NULL-safe
