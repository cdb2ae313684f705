#include "token/normalize.h"
#include "base/mem.h"
#include "token/unicode.h"
#include "base/utf8.h"

#include <string.h>

/// An entry of the table: a kind, and for REPLACE the offset in the pool above it.
enum { KEEP, SPACED, DROP, HANGUL, RUN, REPLACE, KIND_BITS = 3 };

/// A text grows at most by this factor (checked for every entry when the table is made).
enum { GROWTH = 3 };

enum { HANGUL_FIRST = 0xAC00, HANGUL_LAST = 0xD7A3 };

void normalized_release(Normalized *text)
{
    mem_free(text->sorted);
    mem_free(text->marks);
    mem_free(text->starts);
    mem_free(text->bytes);
    *text = (Normalized){ 0 };
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

/// Stable, by class. The places in the text stay in text order: `tokenizers` maps the sorted marks
/// to the original ones one after the other.
static void sort_marks(Normalized *out, size_t count)
{
    size_t first[257] = { 0 }, taken = 0;
    for (size_t i = 0; i < count; i++) first[out->marks[i].rank + 1]++;
    for (int rank = 0; rank < 256; rank++) first[rank + 1] += first[rank];
    for (size_t i = 0; i < count; i++) out->sorted[first[out->marks[i].rank]++] = out->marks[i];
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

/// One code point that is not ASCII; returns where the next begins.
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
    }
    return at + (size_t)bytes;
}

void normalizer_run(const Normalizer *normalizer, Normalized *text, size_t first, size_t end)
{
    size_t worst = GROWTH * (end - first) + UNICODE_DECOMPOSED_MAX;
    if (worst > text->capacity) {
        text->capacity = 2 * worst;
        text->bytes = mem_resize(text->bytes, text->capacity, sizeof *text->bytes);
        text->starts = mem_resize(text->starts, text->capacity, sizeof *text->starts);
    }
    text->count = 0;
    for (size_t at = first; at < end;) {
        unsigned char byte = text->source[at];
        if (byte >= 0x80) {
            at = put_rare(normalizer, text, at, end);
            continue;
        }
        int16_t written = normalizer->ascii[byte];
        text->bytes[text->count] = (unsigned char)written;
        text->starts[text->count] = (int32_t)at++;
        text->count += written >= 0;
    }
}

/// The text that a code point becomes, as it lies in the pool.
typedef struct {
    unsigned char length, bytes[2 + UNICODE_DECOMPOSED_MAX * 2 * 4];
} Mapped;

static void append_code(Mapped *out, uint32_t code)
{
    out->length = (unsigned char)(out->length + utf8_encode(out->bytes + out->length, code));
}

/// Returns the kind of its entry.
static uint32_t map_code(const CodeSteps *steps, Mapped *out, uint32_t code)
{
    uint32_t parts[UNICODE_DECOMPOSED_MAX] = { code };
    int count = 1;
    bool spaced = steps->chinese && code_set_has(&unicode_chinese, code);
    if (steps->clean && code_set_has(&unicode_dropped, code)) return DROP;
    if (steps->clean && code_set_has(&unicode_spaces, code)) parts[0] = ' ';
    if (steps->strip) count = unicode_decompose(parts, parts[0]);
    if (spaced) append_code(out, ' ');
    for (int i = 0; i < count; i++) {
        uint32_t codes[2] = { parts[i] };
        bool mark = steps->strip && code_set_has(&unicode_marks, parts[i]);
        if (steps->strip && unicode_combining_class(parts[i]) && (!mark || i == 0)) return RUN;
        int lowered = mark ? 0 : steps->lower ? unicode_lower(codes, parts[i]) : 1;
        for (int j = 0; j < lowered; j++) append_code(out, codes[j]);
    }
    if (spaced) append_code(out, ' ');
    return REPLACE;
}

static void add_code(Normalizer *normalizer, uint32_t code)
{
    Mapped mapped = { 0 };
    unsigned char plain[4];
    uint32_t entry = map_code(&normalizer->steps, &mapped, code);
    CHECK(mapped.length <= GROWTH * utf8_encode(plain, code), "U+%04X grows too much", code);
    if (code < 0x80) {
        normalizer->ascii[code] = entry == DROP ? -1 : mapped.bytes[0];
        return;
    }
    if (entry == REPLACE) {
        entry |= (uint32_t)normalizer->pool.length_bytes << KIND_BITS;
        text_append_bytes(&normalizer->pool, &mapped, 1u + mapped.length);
    }
    code_table_set(&normalizer->table, code, entry);
}

static void add_set(Normalizer *normalizer, const CodeSet *set)
{
    for (int i = 0; i < set->count; i++)
        for (uint32_t code = set->ranges[i].first; code <= set->ranges[i].last; code++)
            if (code >= 0x80 && (code < HANGUL_FIRST || code > HANGUL_LAST))
                add_code(normalizer, code);
}

static void fill_ranges(Normalizer *normalizer, const CodeSet *set, uint32_t entry)
{
    for (int i = 0; i < set->count; i++)
        code_table_set_range(&normalizer->table, set->ranges[i].first, set->ranges[i].last, entry);
}

static void make_table(Normalizer *normalizer)
{
    const CodeSteps *steps = &normalizer->steps;
    code_table_init(&normalizer->table);
    if (steps->chinese) fill_ranges(normalizer, &unicode_chinese, SPACED);
    for (uint32_t code = 0; code < 0x80; code++) add_code(normalizer, code);
    if (steps->clean) add_set(normalizer, &unicode_spaces);
    if (steps->strip) code_table_set_range(&normalizer->table, HANGUL_FIRST, HANGUL_LAST, HANGUL);
    if (steps->strip) add_set(normalizer, &unicode_decomposing);
    if (steps->strip) add_set(normalizer, &unicode_marks);
    if (steps->strip) add_set(normalizer, &unicode_combining);
    for (int i = 0; steps->lower && i < unicode_lower_count; i++) {
        const CaseRange *row = &unicode_lower_ranges[i];
        for (uint32_t code = row->first; code <= row->last; code += row->step)
            add_code(normalizer, code);
    }
    if (steps->lower) add_code(normalizer, 0x130);
    if (steps->clean) fill_ranges(normalizer, &unicode_dropped, DROP);
}

static Status read_bert(CodeSteps *steps, const Json *spec, const char *where)
{
    static const char *const keys[] = { "clean_text", "handle_chinese_chars", "lowercase" };
    bool *const flags[] = { &steps->clean, &steps->chinese, &steps->lower };
    for (int i = 0; i < 3; i++) {
        const Json *flag = json_get(spec, keys[i]);
        if (!json_is_bool(flag))
            return status_fail(FAILED, "%s: normalizer.%s must be true or false", where, keys[i]);
        *flags[i] = json_bool(flag, false);
    }
    const Json *strip = json_get(spec, "strip_accents");
    if (!json_is_null(strip) && !json_is_bool(strip))
        return status_fail(FAILED, "%s: normalizer.strip_accents must be true, false or null",
                           where);
    steps->strip = json_bool(strip, steps->lower);
    return OK;
}

static const struct {
    const char *type;
    Status (*read)(CodeSteps *steps, const Json *spec, const char *where);
} types[] = {
    { "BertNormalizer", read_bert },
};

Status normalizer_init(Normalizer *normalizer, const Json *spec, const char *where)
{
    Status status = OK;
    const char *type = json_text(json_get(spec, "type"), "(none)");
    bool known = json_is_null(spec);
    *normalizer = (Normalizer){ 0 };
    for (size_t i = 0; i < sizeof types / sizeof *types && !known; i++) {
        known = !strcmp(type, types[i].type);
        if (known) TRY(types[i].read(&normalizer->steps, spec, where));
    }
    if (!known)
        FAIL(FAILED, "%s: normalizer type %s is not supported (only BertNormalizer)", where, type);
    make_table(normalizer);
done:
    return status;
}

void normalizer_release(Normalizer *normalizer)
{
    text_release(&normalizer->pool);
    code_table_release(&normalizer->table);
}
