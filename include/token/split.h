/// Rules that cut a text into words. Each is a scanner written by hand for one regular expression,
/// known by its text: tokenizers use a handful of them, a scanner is many times faster than a
/// regular-expression engine, and its classes are those of `tokenizers` whatever is installed.
#pragma once
#include "base/status.h"
#include "token/code_table.h"

#include <stddef.h>

/// What a code point is to a split rule; bits of a class.
enum {
    IS_LETTER = 1,
    IS_NUMBER = 2,
    IS_SPACE = 4,
    IS_NEWLINE = 8, ///< CR, LF
    IS_UPPER = 16,  ///< \p{Lu} \p{Lt}
    IS_LOWER = 32,  ///< \p{Ll}
    IS_MARK = 64,   ///< \p{M}
    IS_DIGIT = 128,
    IS_PUNCTUATION = 256, ///< to BertPreTokenizer
};

typedef struct {
    CodeTable table;
    uint16_t ascii[128]; ///< the same
} CodeClasses;

void code_classes_init(CodeClasses *classes);
void code_classes_release(CodeClasses *classes);

/// Local. The end of the word that begins at byte *first of well-formed `s` (or, for a rule that
/// drops text, after it; *first becomes `end` if there is none). *first < end.
typedef size_t (*SplitRule)(const CodeClasses *classes, const unsigned char *s, size_t *first,
                            size_t end);

SplitRule split_rule_of(const char *regex); ///< NULL: not known
size_t split_whole(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end);
size_t split_gpt2(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end);
size_t split_bert(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end);
/// Before every NORMALIZED_SPACE.
size_t split_spaces(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end);
size_t split_digits(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end);
size_t split_each_digit(const CodeClasses *classes, const unsigned char *s, size_t *first,
                        size_t end);
