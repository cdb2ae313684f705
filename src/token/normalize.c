#include "token/normalize.h"
#include "base/mem.h"
#include "token/unicode.h"
#include "base/utf8.h"

#include <string.h>

void normalized_release(Normalized *text)
{
    mem_free(text->sorted);
    mem_free(text->marks);
    mem_free(text->starts);
    mem_free(text->bytes);
    *text = (Normalized){ 0 };
}

static void reserve_text(Normalized *text, size_t bytes)
{
    if (bytes <= text->capacity) return;
    text->capacity = 2 * bytes;
    text->bytes = mem_resize(text->bytes, text->capacity, sizeof *text->bytes);
    text->starts = mem_resize(text->starts, text->capacity, sizeof *text->starts);
}

void normalized_prepend(Normalized *text, size_t first, char c)
{
    text->bytes[first - 1] = (unsigned char)c;
    text->starts[first - 1] = text->starts[first];
}

int32_t normalized_end(const Normalized *text, size_t last)
{
    int32_t start = text->starts[last];
    const unsigned char *s = text->source + start;
    int bytes = 1;
    if (*s >= 0x80) utf8_decode(&bytes, s, text->source_bytes - (size_t)start);
    return start + bytes;
}

static void put_bytes(Normalized *out, const void *bytes, size_t count, int32_t start)
{
    memcpy(out->bytes + out->count, bytes, count);
    for (size_t i = 0; i < count; i++) out->starts[out->count + i] = start;
    out->count += count;
}

void normalized_respace(Normalized *out, const Normalized *text, size_t first, size_t end,
                        bool prefix)
{
    const size_t bytes = sizeof NORMALIZED_SPACE - 1;
    const unsigned char *s = text->bytes + first;
    bool begins = *s == ' ' || (end - first >= bytes && !memcmp(s, NORMALIZED_SPACE, bytes));
    reserve_text(out, bytes * (end - first + 1) + NORMALIZED_FIRST + NORMALIZED_PADDING);
    out->source = text->source;
    out->source_bytes = text->source_bytes;
    out->count = NORMALIZED_FIRST;
    if (prefix && !begins) put_bytes(out, NORMALIZED_SPACE, bytes, text->starts[first]);
    for (size_t at = first; at < end; at++) {
        if (text->bytes[at] == ' ')
            put_bytes(out, NORMALIZED_SPACE, bytes, text->starts[at]);
        else
            put_bytes(out, text->bytes + at, 1, text->starts[at]);
    }
}

/// Lower-cases if asked, and writes.
static void put_code(const CodeSteps *steps, Normalized *out, uint32_t code, int32_t start)
{
    uint32_t codes[2] = { code };
    int count = steps->lower ? unicode_lower(codes, code) : 1;
    for (int i = 0; i < count; i++) {
        unsigned char bytes[4];
        put_bytes(out, bytes, (size_t)utf8_encode(bytes, codes[i]), start);
    }
}

static void reserve_marks(Normalized *out, size_t count)
{
    if (count <= out->mark_capacity) return;
    out->mark_capacity = 2 * count;
    out->marks = mem_resize(out->marks, out->mark_capacity, sizeof *out->marks);
    out->sorted = mem_resize(out->sorted, out->mark_capacity, sizeof *out->sorted);
}

/// A syllable into its two or three jamo (Unicode 15, 3.12), which have neither marks nor case.
static void put_hangul(Normalized *out, uint32_t code, int32_t start)
{
    uint32_t index = code - HANGUL_FIRST, tail = index % 28;
    uint32_t jamo[] = { 0x1100 + index / (21 * 28), 0x1161 + index / 28 % 21, 0x11A7 + tail };
    for (int i = 0; i < (tail ? 3 : 2); i++) {
        unsigned char bytes[4];
        put_bytes(out, bytes, (size_t)utf8_encode(bytes, jamo[i]), start);
    }
}

/// Reads the marks from `at` up to the next code point of class 0 (or `end`, returned).
static size_t gather_marks(const Normalizer *normalizer, Normalized *out, size_t *count, size_t at,
                           size_t end)
{
    for (*count = 0; at < end;) {
        int bytes;
        uint32_t parts[UNICODE_DECOMPOSED_MAX];
        uint32_t code = utf8_decode(&bytes, out->source + at, end - at);
        bool ill_formed = code == UTF8_ILL_FORMED;
        if (ill_formed) code = UTF8_REPLACEMENT;
        bool dropped = code_table_get(&normalizer->table, code) == DROP;
        int n = dropped ? 0 : unicode_decompose(parts, code);
        if (n && *count && !unicode_combining_class(parts[0])) break;
        reserve_marks(out, *count + UNICODE_DECOMPOSED_MAX);
        for (int i = 0; i < n; i++)
            out->marks[(*count)++] =
                (Mark){ .code = parts[i],
                        .start = (int32_t)at,
                        .rank = (unsigned char)unicode_combining_class(parts[i]),
                        .follows = i > 0 };
        out->ill_formed += ill_formed;
        at += (size_t)bytes;
    }
    return at;
}

/// Stable, by class.
static void sort_by_rank(Mark *sorted, const Mark *marks, size_t count)
{
    size_t first[257] = { 0 };
    for (size_t i = 0; i < count; i++) first[marks[i].rank + 1]++;
    for (int rank = 0; rank < 256; rank++) first[rank + 1] += first[rank];
    for (size_t i = 0; i < count; i++) sorted[first[marks[i].rank]++] = marks[i];
}

/// The places in the text stay in text order: `tokenizers` maps the sorted marks to the original
/// ones one after the other.
static void sort_marks(Normalized *out, size_t count)
{
    size_t taken = 0;
    sort_by_rank(out->sorted, out->marks, count);
    int32_t start = out->marks[0].start;
    for (size_t i = 0; i < count; i++) {
        if (!out->sorted[i].follows) {
            while (out->marks[taken].follows) taken++;
            start = out->marks[taken++].start;
        }
        out->sorted[i].start = start;
    }
}

/// From a code point that combines, the rest of its run in canonical order; returns its end.
static size_t put_run(const Normalizer *normalizer, Normalized *out, size_t at, size_t end)
{
    size_t count;
    at = gather_marks(normalizer, out, &count, at, end);
    sort_marks(out, count);
    for (size_t i = 0; i < count; i++)
        if (!code_set_has(&unicode_marks, out->sorted[i].code))
            put_code(&normalizer->steps, out, out->sorted[i].code, out->sorted[i].start);
    return at;
}

/// Decomposes the code point at `at` (kept, if it is `first`) and those after it that may compose
/// with what is before them; returns their end.
static size_t gather_composing(const Normalizer *normalizer, Normalized *out, size_t *count,
                               size_t first, size_t at, size_t end)
{
    for (*count = 0; first < end;) {
        int bytes;
        uint32_t parts[UNICODE_DECOMPOSED_MAX];
        uint32_t code = utf8_decode(&bytes, out->source + first, end - first);
        if (code == UTF8_ILL_FORMED) code = UTF8_REPLACEMENT;
        if (first > at && code_table_get(&normalizer->table, code) != COMPOSE) break;
        int n = unicode_decompose(parts, code);
        reserve_marks(out, *count + UNICODE_DECOMPOSED_MAX);
        for (int i = 0; i < n; i++)
            out->marks[(*count)++] =
                (Mark){ .code = parts[i],
                        .rank = (unsigned char)unicode_combining_class(parts[i]),
                        .taken = i == 0 };
        first += (size_t)bytes;
    }
    return first;
}

/// Canonical order: every run of marks by class.
static void order_marks(Normalized *out, size_t count)
{
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && out->marks[end].rank;) end++;
        sort_by_rank(out->sorted + first, out->marks + first, end - first);
        if (end < count) out->sorted[end] = out->marks[end];
        end += end < count;
    }
}

/// Composes out->sorted into out->marks: a code point goes into the last starter unless a mark
/// between them has its class or a higher one. Returns how many there are then.
static size_t compose(const Compositions *compositions, Normalized *out, size_t count)
{
    size_t made = 0;
    Mark *starter = NULL;
    int blocked = -1; // class of the last mark after the starter
    for (size_t i = 0; i < count; i++) {
        Mark mark = out->sorted[i];
        uint32_t both = starter && blocked < mark.rank
                            ? compositions_find(compositions, starter->code, mark.code)
                            : 0;
        if (both) {
            starter->code = both;
            starter->taken += mark.taken;
            continue;
        }
        out->marks[made++] = mark;
        blocked = mark.rank ? mark.rank : -1;
        if (!mark.rank) starter = &out->marks[made - 1];
    }
    return made;
}

/// From a code point that may compose with the one before it, which is taken back; returns the end
/// of the run. `tokenizers` maps the results to the original code points one after the other.
static size_t put_composed(const Normalizer *normalizer, Normalized *out, size_t at, size_t end)
{
    bool alone = out->count == NORMALIZED_FIRST;
    size_t count, first = alone ? at : (size_t)out->starts[out->count - 1];
    while (out->count > NORMALIZED_FIRST && (size_t)out->starts[out->count - 1] == first)
        out->count--;
    size_t run_end = gather_composing(normalizer, out, &count, first, at, end);
    order_marks(out, count);
    count = compose(&normalizer->compositions, out, count);
    for (size_t i = 0, start = first; i < count; i++) {
        if (out->marks[i].taken) start = first;
        put_code(&normalizer->steps, out, out->marks[i].code, (int32_t)start);
        for (int32_t taken = 0; taken < out->marks[i].taken; taken++) {
            int bytes;
            start = first;
            utf8_decode(&bytes, out->source + first, end - first);
            first += (size_t)bytes;
        }
    }
    return run_end;
}

/// One code point that is not a plain ASCII one; returns where the next begins.
static size_t put_rare(const Normalizer *normalizer, Normalized *out, size_t at, size_t end)
{
    int bytes;
    const unsigned char *s = out->source + at;
    const unsigned char replacement[] = { 0xEF, 0xBF, 0xBD };
    size_t kept;
    uint32_t code = utf8_decode(&bytes, s, end - at);
    if (code == UTF8_ILL_FORMED) {
        out->ill_formed++;
        code = UTF8_REPLACEMENT;
        s = replacement;
    }
    kept = s == replacement ? sizeof replacement : (size_t)bytes;
    uint32_t entry = code_table_get(&normalizer->table, code);
    const char *replaced = text_chars(&normalizer->pool) + (entry >> KIND_BITS);
    switch (entry & ((1 << KIND_BITS) - 1)) {
    case KEEP:
        put_bytes(out, s, kept, (int32_t)at);
        break;
    case SPACED:
        put_bytes(out, " ", 1, (int32_t)at);
        put_bytes(out, s, kept, (int32_t)at);
        put_bytes(out, " ", 1, (int32_t)at);
        break;
    case HANGUL:
        put_hangul(out, code, (int32_t)at);
        break;
    case REPLACE:
        put_bytes(out, replaced + 1, (size_t)*replaced, (int32_t)at);
        break;
    case RUN:
        return put_run(normalizer, out, at, end);
    case COMPOSE:
        return put_composed(normalizer, out, at, end);
    }
    return at + (size_t)bytes;
}

void normalizer_run(const Normalizer *normalizer, Normalized *text, size_t first, size_t end)
{
    const char *prefix = normalizer->steps.prefix;
    reserve_text(text, GROWTH * (end - first) + UNICODE_DECOMPOSED_MAX + strlen(prefix) +
                           NORMALIZED_FIRST + NORMALIZED_PADDING);
    text->bytes[0] = ' ';
    text->count = NORMALIZED_FIRST;
    if (*prefix && first < end) put_bytes(text, prefix, strlen(prefix), (int32_t)first);
    for (size_t at = first; at < end;) {
        unsigned char byte = text->source[at];
        int16_t written = byte < 0x80 ? normalizer->ascii[byte] : ASCII_REPLACED;
        if (written == ASCII_REPLACED) {
            at = put_rare(normalizer, text, at, end);
            continue;
        }
        text->bytes[text->count] = (unsigned char)written;
        text->starts[text->count] = (int32_t)at++;
        text->count += written >= 0;
    }
}
