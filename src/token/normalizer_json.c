#include "base/mem.h"
#include "base/utf8.h"
#include "token/normalize.h"
#include "token/unicode.h"

#include <string.h>

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
    if (steps->replaced && code == steps->replaced) {
        out->length = (unsigned char)strlen(steps->replacement);
        memcpy(out->bytes, steps->replacement, out->length);
        return out->length ? REPLACE : DROP;
    }
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
        int16_t byte = mapped.length == 1 ? mapped.bytes[0] : ASCII_REPLACED;
        normalizer->ascii[code] = entry == DROP ? ASCII_DROPPED : byte;
        if (mapped.length <= 1) return;
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

static void set_composing(void *table, uint32_t code)
{
    code_table_set(table, code, COMPOSE);
}

static void prepare_composition(Normalizer *normalizer)
{
    fill_ranges(normalizer, &unicode_excluded, COMPOSE);
    fill_ranges(normalizer, &unicode_combining, COMPOSE);
    compositions_init(&normalizer->compositions);
    compositions_seconds(&normalizer->compositions, set_composing, &normalizer->table);
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
    if (steps->replaced) add_code(normalizer, steps->replaced);
    if (steps->compose) prepare_composition(normalizer);
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

static Status read_nfc(CodeSteps *steps, const Json *spec, const char *where)
{
    (void)spec, (void)where;
    steps->compose = true;
    return OK;
}

static Status read_prepend(CodeSteps *steps, const Json *spec, const char *where)
{
    const char *text = json_text(json_get(spec, "prepend"), "");
    if (*steps->prefix || !*text || strlen(text) >= sizeof steps->prefix)
        return status_fail(FAILED, "%s: normalizer: Prepend must stand once, with a short text",
                           where);
    strcpy(steps->prefix, text);
    return OK;
}

/// Of one code point, by a text that a table of code points can hold.
static Status read_replace(CodeSteps *steps, const Json *spec, const char *where)
{
    const char *pattern = json_text(json_get(json_get(spec, "pattern"), "String"), "");
    const char *content = json_text(json_get(spec, "content"), NULL);
    int bytes = 0;
    uint32_t code = *pattern ? utf8_decode(&bytes, (const unsigned char *)pattern, strlen(pattern))
                             : UTF8_ILL_FORMED;
    if (steps->replaced || code == UTF8_ILL_FORMED || pattern[bytes] || !content ||
        strlen(content) > (size_t)GROWTH * (size_t)bytes || strstr(steps->prefix, pattern))
        return status_fail(FAILED,
                           "%s: normalizer: this Replace is not supported (only one, of one "
                           "character by about one)",
                           where);
    steps->replaced = code;
    strcpy(steps->replacement, content);
    return OK;
}

static Status read_sequence(CodeSteps *steps, const Json *spec, const char *where);

static const struct {
    const char *type;
    bool alone; ///< does not mix with others
    Status (*read)(CodeSteps *steps, const Json *spec, const char *where);
} types[] = {
    { "BertNormalizer", true, read_bert }, { "NFC", true, read_nfc },
    { "Prepend", false, read_prepend },    { "Replace", false, read_replace },
    { "Sequence", true, read_sequence },
};

static Status read_type(CodeSteps *steps, const Json *spec, bool alone, const char *where)
{
    const char *type = json_text(json_get(spec, "type"), "(none)");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i].type)) continue;
        if (alone || !types[i].alone) return types[i].read(steps, spec, where);
        return status_fail(FAILED, "%s: normalizer: %s beside others is not supported", where,
                           type);
    }
    return status_fail(FAILED,
                       "%s: normalizer type %s is not supported (only BertNormalizer, NFC, "
                       "Prepend, Replace and Sequence)",
                       where, type);
}

static Status read_sequence(CodeSteps *steps, const Json *spec, const char *where)
{
    const Json *parts = json_get(spec, "normalizers");
    Status status = OK;
    for (int64_t i = 0; i < json_size(parts); i++)
        TRY(read_type(steps, json_at(parts, i), json_size(parts) == 1, where));
done:
    return status;
}

Status normalizer_init(Normalizer *normalizer, const Json *spec, const char *where)
{
    Status status = OK;
    *normalizer = (Normalizer){ 0 };
    if (!json_is_null(spec)) TRY(read_type(&normalizer->steps, spec, true, where));
    make_table(normalizer);
done:
    return status;
}

void normalizer_release(Normalizer *normalizer)
{
    compositions_release(&normalizer->compositions);
    text_release(&normalizer->pool);
    code_table_release(&normalizer->table);
}
