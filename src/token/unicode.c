#include "token/unicode.h"
#include "base/status.h"

#include <utf8proc.h>

bool code_set_has(const CodeSet *set, uint32_t code)
{
    int low = 0, high = set->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (code > set->ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && code >= set->ranges[low].first;
}

int unicode_decompose(uint32_t out[UNICODE_DECOMPOSED_MAX], uint32_t code)
{
    out[0] = code;
    if (!code_set_has(&unicode_decomposing, code)) return 1;
    utf8proc_int32_t codes[UNICODE_DECOMPOSED_MAX];
    int boundary = 0;
    utf8proc_ssize_t count =
        utf8proc_decompose_char((utf8proc_int32_t)code, codes, UNICODE_DECOMPOSED_MAX,
                                UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    CHECK(count > 0 && count <= UNICODE_DECOMPOSED_MAX, "U+%04X decomposes into %lld", code,
          (long long)count);
    for (int i = 0; i < count; i++) out[i] = (uint32_t)codes[i];
    return (int)count;
}

int unicode_combining_class(uint32_t code)
{
    if (!code_set_has(&unicode_combining, code)) return 0;
    return utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
}

int unicode_lower(uint32_t out[2], uint32_t code)
{
    out[0] = code;
    if (code == 0x130) { // the only one with two
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    int low = 0, high = unicode_lower_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (code > unicode_lower_ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    const CaseRange *row = &unicode_lower_ranges[low];
    if (low < unicode_lower_count && code >= row->first && (code - row->first) % row->step == 0)
        out[0] = (uint32_t)((int32_t)code + row->delta);
    return 1;
}

bool unicode_is_word(uint32_t code)
{
    static const CodeRange other_ranges[] = {
        // Join_Control and the symbols with Alphabetic
        { 0x200C, 0x200D },   { 0x24B6, 0x24E9 },   { 0x1F130, 0x1F149 },
        { 0x1F150, 0x1F169 }, { 0x1F170, 0x1F189 },
    };
    static const CodeSet others = { other_ranges, sizeof other_ranges / sizeof *other_ranges };
    int category = utf8proc_category((utf8proc_int32_t)code);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || code_set_has(&others, code) ||
           code_set_has(&unicode_later_words, code);
}

const char *unicode_library(void)
{
    return utf8proc_version();
}
