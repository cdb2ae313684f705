/// Properties of code points as Hugging Face `tokenizers` reads them: its parts carry tables of
/// different Unicode versions, none of them the installed library's. Made by
/// src/token/make_unicode_tables.py.
#pragma once
#include <stdint.h>

typedef struct {
    uint32_t first, last;
} CodeRange;

/// Ascending, disjoint ranges.
typedef struct {
    const CodeRange *ranges; ///< (count)
    int count;
} CodeSet;

extern const CodeSet unicode_dropped;     ///< removed by clean_text
extern const CodeSet unicode_spaces;      ///< White_Space
extern const CodeSet unicode_chinese;     ///< set apart by handle_chinese_chars
extern const CodeSet unicode_marks;       ///< removed by strip_accents
extern const CodeSet unicode_punctuation; ///< isolated by BertPreTokenizer
extern const CodeSet unicode_decomposing; ///< has a canonical decomposition
extern const CodeSet unicode_excluded;    ///< NFC is not the code point itself
extern const CodeSet unicode_combining;   ///< canonical combining class is not 0
extern const CodeSet unicode_later_words; ///< \w, assigned after Unicode 15.0

// What regular expressions and pre-tokenizers ask for.
extern const CodeSet unicode_letters;      ///< \p{L}
extern const CodeSet unicode_numbers;      ///< \p{N}
extern const CodeSet unicode_digits;       ///< set apart by Digits
extern const CodeSet unicode_joined_marks; ///< \p{M}
extern const CodeSet unicode_uppercase;    ///< \p{Lu} and \p{Lt}
extern const CodeSet unicode_lowercase;    ///< \p{Ll}

/// Code points first, first + step, ... last have `code + delta` as lower case.
typedef struct {
    uint32_t first, last, step;
    int32_t delta;
} CaseRange;

extern const CaseRange unicode_lower_ranges[]; ///< (unicode_lower_count), by `first`
extern const int unicode_lower_count;
