#include "token/split.h"
#include "base/utf8.h"
#include "token/normalize.h"
#include "token/unicode_tables.h"

#include <stdbool.h>
#include <string.h>

/// A place in a text: the class and length of the code point there. Class 0 and length 0 at the
/// end.
typedef struct {
    const CodeClasses *classes;
    const unsigned char *s;
    size_t at, end;
    unsigned class;
    int bytes;
} Scan;

static inline void look(Scan *scan)
{
    scan->bytes = 0;
    scan->class = 0;
    if (scan->at >= scan->end) return;
    scan->bytes = 1;
    unsigned char byte = scan->s[scan->at];
    if (byte < 0x80) {
        scan->class = scan->classes->ascii[byte];
        return;
    }
    uint32_t code = utf8_decode(&scan->bytes, scan->s + scan->at, scan->end - scan->at);
    scan->class = code_table_get(&scan->classes->table, code);
}

static inline Scan begin(const CodeClasses *classes, const unsigned char *s, size_t at, size_t end)
{
    Scan scan = { .classes = classes, .s = s, .at = at, .end = end };
    look(&scan);
    return scan;
}

static inline void step(Scan *scan)
{
    scan->at += (size_t)scan->bytes;
    look(scan);
}

/// The place behind this one.
static inline Scan after(Scan scan)
{
    step(&scan);
    return scan;
}

static inline bool is(const Scan *scan, unsigned any)
{
    return scan->class & any;
}

/// [^\s\p{L}\p{N}]
static inline bool is_other(const Scan *scan)
{
    return scan->bytes && !is(scan, IS_SPACE | IS_LETTER | IS_NUMBER);
}

static inline void skip(Scan *scan, unsigned any)
{
    while (is(scan, any)) step(scan);
}

static inline void skip_others(Scan *scan)
{
    while (is_other(scan)) step(scan);
}

/// \s+(?!\S)|\s+ : a run of white space without its last if something follows, unless that is all.
static size_t spaces_end(Scan scan)
{
    size_t first = scan.at, last = first;
    for (; is(&scan, IS_SPACE); step(&scan)) last = scan.at;
    return !scan.bytes || last == first ? scan.at : last;
}

/// \s*[\r\n]+ : up to the last of the run's line ends; 0 if it has none.
static size_t newlines_end(Scan scan)
{
    size_t found = 0;
    for (; is(&scan, IS_SPACE); step(&scan))
        if (is(&scan, IS_NEWLINE)) found = scan.at + 1;
    return found;
}

/// 's|'t|'re|'ve|'m|'ll|'d in small letters, or in any ('\u017F folds to 's); 0 if none is here.
static size_t contraction_end(const Scan *scan, bool any_case)
{
    const unsigned char *s = scan->s + scan->at;
    size_t left = scan->end - scan->at;
    if (left < 2 || *s != '\'') return 0;
    unsigned char fold = any_case ? 0x20 : 0;
    unsigned char a = s[1] | fold, b = left > 2 ? s[2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return scan->at + 2;
    if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l')) return scan->at + 3;
    return any_case && left > 2 && s[1] == 0xC5 && s[2] == 0xBF ? scan->at + 3 : 0;
}

size_t split_whole(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end)
{
    (void)classes, (void)s, (void)first;
    return end;
}

size_t split_gpt2(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end)
{
    Scan scan = begin(classes, s, *first, end);
    size_t contraction = contraction_end(&scan, false);
    if (contraction) return contraction;
    Scan word = s[scan.at] == ' ' ? after(scan) : scan;
    unsigned kind = word.class & (IS_LETTER | IS_NUMBER);
    if (kind)
        skip(&word, kind);
    else if (is_other(&word))
        skip_others(&word);
    else
        return spaces_end(scan);
    return word.at;
}

/// What the rules since GPT-4 share after letters and numbers:
/// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`, `tail` in the place of \r\n.
static size_t others_end(Scan scan, bool slash)
{
    Scan other = scan.s[scan.at] == ' ' ? after(scan) : scan;
    if (is_other(&other)) {
        skip_others(&other);
        while (is(&other, IS_NEWLINE) || (slash && other.bytes && other.s[other.at] == '/'))
            step(&other);
        return other.at;
    }
    size_t newlines = newlines_end(scan);
    return newlines ? newlines : spaces_end(scan);
}

/// \p{N}{1,most}
static size_t numbers_end(Scan scan, int most)
{
    for (int i = 0; i < most && is(&scan, IS_NUMBER); i++) step(&scan);
    return scan.at;
}

/// [^\r\n\p{L}\p{N}]
static bool may_lead(const Scan *scan)
{
    return scan->bytes && !is(scan, IS_NEWLINE | IS_LETTER | IS_NUMBER);
}

static inline size_t split_gpt4(const CodeClasses *classes, const unsigned char *s, size_t at,
                                size_t end, int most_numbers)
{
    Scan scan = begin(classes, s, at, end);
    size_t contraction = contraction_end(&scan, true);
    if (contraction) return contraction;
    Scan word = may_lead(&scan) ? after(scan) : scan;
    if (is(&word, IS_LETTER)) {
        skip(&word, IS_LETTER);
        return word.at;
    }
    if (is(&scan, IS_NUMBER)) return numbers_end(scan, most_numbers);
    return others_end(scan, false);
}

static size_t split_llama3(const CodeClasses *classes, const unsigned char *s, size_t *first,
                           size_t end)
{
    return split_gpt4(classes, s, *first, end, 3);
}

static size_t split_qwen2(const CodeClasses *classes, const unsigned char *s, size_t *first,
                          size_t end)
{
    return split_gpt4(classes, s, *first, end, 1);
}

/// Letters without case and marks count as capitals and as small letters.
static bool is_capital(const Scan *scan)
{
    return is(scan, IS_LETTER | IS_MARK) && !is(scan, IS_LOWER);
}

static bool is_small(const Scan *scan)
{
    return is(scan, IS_LETTER | IS_MARK) && !is(scan, IS_UPPER);
}

/// Capitals, then small letters, as many as there are; at least one of the small ones if
/// `need_small` (the last capital that is also small will do), else of the capitals. 0: no match.
static size_t cased_end(Scan scan, bool need_small)
{
    size_t first = scan.at, both_end = 0;
    for (; is_capital(&scan); step(&scan))
        if (is_small(&scan)) both_end = scan.at + (size_t)scan.bytes;
    size_t capitals_end = scan.at;
    while (is_small(&scan)) step(&scan);
    if (need_small) return scan.at > capitals_end ? scan.at : both_end;
    return capitals_end > first ? scan.at : 0;
}

static size_t split_o200k(const CodeClasses *classes, const unsigned char *s, size_t *first,
                          size_t end)
{
    Scan scan = begin(classes, s, *first, end);
    for (int need_small = 1; need_small >= 0; need_small--) {
        size_t found = may_lead(&scan) ? cased_end(after(scan), need_small) : 0;
        if (!found) found = cased_end(scan, need_small);
        if (!found) continue;
        Scan behind = begin(classes, s, found, end);
        size_t contraction = contraction_end(&behind, true);
        return contraction ? contraction : found;
    }
    if (is(&scan, IS_NUMBER)) return numbers_end(scan, 3);
    return others_end(scan, true);
}

size_t split_bert(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end)
{
    Scan scan = begin(classes, s, *first, end);
    skip(&scan, IS_SPACE);
    *first = scan.at;
    if (is(&scan, IS_PUNCTUATION)) return scan.at + (size_t)scan.bytes;
    while (scan.bytes && !is(&scan, IS_SPACE | IS_PUNCTUATION)) step(&scan);
    return scan.at;
}

size_t split_spaces(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end)
{
    static const unsigned char space[] = NORMALIZED_SPACE;
    const size_t bytes = sizeof space - 1;
    (void)classes;
    size_t at = *first + 1;
    while (at < end && (end - at < bytes || memcmp(s + at, space, bytes) != 0)) at++;
    return at;
}

size_t split_digits(const CodeClasses *classes, const unsigned char *s, size_t *first, size_t end)
{
    Scan scan = begin(classes, s, *first, end);
    bool digits = is(&scan, IS_DIGIT);
    while (scan.bytes && is(&scan, IS_DIGIT) == digits) step(&scan);
    return scan.at;
}

size_t split_each_digit(const CodeClasses *classes, const unsigned char *s, size_t *first,
                        size_t end)
{
    Scan scan = begin(classes, s, *first, end);
    if (is(&scan, IS_DIGIT)) return scan.at + (size_t)scan.bytes;
    while (scan.bytes && !is(&scan, IS_DIGIT)) step(&scan);
    return scan.at;
}

#define SINCE_GPT4(numbers)                                                                        \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers                          \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2_WORDS " ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CAPITALS   "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define SMALL      "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SHORTENED  "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

static const struct {
    const char *regex;
    SplitRule rule;
} rules[] = {
    { "'s|'t|'re|'ve|'m|'ll|'d|" GPT2_WORDS, split_gpt2 },
    { "'(?:[sdmt]|ll|ve|re)|" GPT2_WORDS, split_gpt2 },
    { SINCE_GPT4("\\p{N}{1,3}"), split_llama3 },
    { SINCE_GPT4("\\p{N}"), split_qwen2 },
    { "[^\\r\\n\\p{L}\\p{N}]?" CAPITALS "*" SMALL "+" SHORTENED "|[^\\r\\n\\p{L}\\p{N}]?" CAPITALS
      "+" SMALL "*" SHORTENED
      "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      split_o200k },
};

SplitRule split_rule_of(const char *regex)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(regex, rules[i].regex)) return rules[i].rule;
    return NULL;
}

static void add_bit(CodeClasses *classes, const CodeSet *set, uint32_t bit)
{
    for (int i = 0; i < set->count; i++)
        code_table_add_bits(&classes->table, set->ranges[i].first, set->ranges[i].last, bit);
}

void code_classes_init(CodeClasses *classes)
{
    static const CodeRange newline_ranges[] = { { '\n', '\n' }, { '\r', '\r' } };
    static const CodeSet newlines = { newline_ranges, 2 };
    const struct {
        const CodeSet *set;
        uint32_t bit;
    } rows[] = {
        { &unicode_letters, IS_LETTER },
        { &unicode_numbers, IS_NUMBER },
        { &unicode_spaces, IS_SPACE },
        { &newlines, IS_NEWLINE },
        { &unicode_uppercase, IS_UPPER },
        { &unicode_lowercase, IS_LOWER },
        { &unicode_joined_marks, IS_MARK },
        { &unicode_digits, IS_DIGIT },
        { &unicode_punctuation, IS_PUNCTUATION },
    };
    code_table_init(&classes->table);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        add_bit(classes, rows[i].set, rows[i].bit);
    for (uint32_t code = 0; code < 128; code++)
        classes->ascii[code] = (uint16_t)code_table_get(&classes->table, code);
}

void code_classes_release(CodeClasses *classes)
{
    code_table_release(&classes->table);
}
