/// From a text to the text that is cut into pieces: cleaning, spacing, decomposition, lower case,
/// fused into one entry per code point. Every byte knows where it came from.
#pragma once
#include "base/status.h"
#include "base/text.h"
#include "store/json.h"
#include "token/code_table.h"
#include "token/compose.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// One code point of a run of combining marks.
typedef struct {
    uint32_t code;
    int32_t start;
    unsigned char rank; ///< canonical combining class
    bool follows;       ///< not the first of its decomposition
    int32_t taken;      ///< code points of the source that it stands for
} Mark;

/// A normalized text, reused from call to call. `(Normalized){0}` is empty.
typedef struct {
    const unsigned char *source; ///< borrowed: the whole original text
    size_t source_bytes;
    unsigned char *bytes; ///< (count), owned: well-formed UTF-8 from NORMALIZED_FIRST on
    int32_t *starts;      ///< (count), owned: where in `source` the byte's code point begins
    size_t count, capacity;
    int64_t ill_formed;   ///< UTF-8 errors met, summed over calls
    Mark *marks, *sorted; ///< (mark_capacity), owned
    size_t mark_capacity;
} Normalized;
void normalized_release(Normalized *text);
enum {
    NORMALIZED_FIRST = 1,   ///< where the text begins: the byte before it may be written to
    NORMALIZED_PADDING = 16 ///< readable bytes after the text
};
/// Local. Where in `source` the code point ends that byte `last` came from.
int32_t normalized_end(const Normalized *text, size_t last);
/// Local. Writes an ASCII character before byte `first`, over what was there, as if it came from
/// the code point at `first`.
void normalized_prepend(Normalized *text, size_t first, char c);
/// Local. Bytes [first, end) of `text`, first < end, into *out with NORMALIZED_SPACE for every
/// space and, if `prefix`, one before them unless they begin with one.
void normalized_respace(Normalized *out, const Normalized *text, size_t first, size_t end,
                        bool prefix);
#define NORMALIZED_SPACE "\xE2\x96\x81" ///< U+2581

/// What happens to a code point: the steps a normalizer is made of.
typedef struct {
    bool clean;   ///< control characters go, white space becomes U+0020
    bool chinese; ///< spaces around ideographs
    bool strip;   ///< canonical decomposition, then marks go
    bool lower;
    bool compose;                     ///< NFC
    uint32_t replaced;                ///< a code point, 0: none
    char replacement[16], prefix[16]; ///< texts: for `replaced`, before every text
} CodeSteps;

/// An entry of the table: a kind, and for REPLACE the offset in the pool above it.
enum { KEEP, SPACED, DROP, HANGUL, RUN, REPLACE, COMPOSE, KIND_BITS = 3 };
/// A text grows at most by this factor (checked for every entry when the table is made).
enum { GROWTH = 3 };
enum { HANGUL_FIRST = 0xAC00, HANGUL_LAST = 0xD7A3 };
enum { ASCII_DROPPED = -1, ASCII_REPLACED = -2 };

typedef struct {
    CodeSteps steps;
    CodeTable table;
    int16_t ascii[128]; ///< the byte written, or ASCII_...
    Text pool;          ///< replacements: length, bytes
    Compositions compositions;
} Normalizer;

/// Local. From the `normalizer` of a tokenizer.json (null: the text as it is); FAILED for an
/// unknown type. `where` names the file.
Status normalizer_init(Normalizer *normalizer, const Json *spec, const char *where);
void normalizer_release(Normalizer *normalizer);

/// Local. Normalizes bytes [first, end) of text->source into *text.
void normalizer_run(const Normalizer *normalizer, Normalized *text, size_t first, size_t end);
