/// From token ids back to text.
#pragma once
#include "base/status.h"
#include "base/text.h"
#include "store/json.h"
#include "token/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What a decoder is made of: the rows of the `decoder` of a tokenizer.json, put together.
typedef struct {
    bool spelled;          ///< tokens are spelled in the alphabet of bytes (ByteLevel)
    bool byte_fallback;    ///< "<0x..>" is a byte
    bool bare;             ///< the first token loses every `from` (Metaspace)
    bool spaced;           ///< a space before every token but the first (no decoder, WordPiece)
    char prefix[16];       ///< WordPiece: tokens with it go on with the word
    bool cleanup;          ///< WordPiece: no spaces before punctuation and short forms
    char from[16], to[16]; ///< Replace in every token
    char strip[5];         ///< Strip: this character goes from the begin of the text
    int64_t strip_count;   ///< at most as often
    bool fused;            ///< tokens are put together before Strip
} DecodeSteps;

/// The text of a token at the begin of a text and after it.
typedef struct {
    size_t first, later; ///< in the pool
    size_t first_bytes, later_bytes;
    int16_t byte; ///< byte fallback: what it stands for, -1: nothing
    bool special, known;
} DecodedToken;

typedef struct {
    DecodeSteps steps;
    DecodedToken *tokens; ///< (count), owned
    int64_t count;
    Text pool;
} Decoder;

/// Local. From the `decoder` of a tokenizer.json (null: tokens with spaces between them); FAILED
/// for an unknown type. `tokens` (count) are the texts of all ids, NULL where there is none.
Status decoder_init(Decoder *decoder, const Json *spec, const char *const *tokens, int64_t count,
                    const char *where);
void decoder_release(Decoder *decoder);
void decoder_set_special(Decoder *decoder, int64_t id);

/// Local. As tokenizer_decode_next and tokenizer_decode_end.
void decoder_next(const Decoder *decoder, Decoding *state, Text *out, int64_t id,
                  bool skip_special);
void decoder_end(const Decoder *decoder, Decoding *state, Text *out);
