#include "token/compose.h"
#include "base/mem.h"
#include "token/unicode.h"

/// Hangul is composed by arithmetic (Unicode 15, 3.12).
enum { L_FIRST = 0x1100, V_FIRST = 0x1161, T_BEFORE = 0x11A7, S_FIRST = 0xAC00 };
enum { L_COUNT = 19, V_COUNT = 21, T_COUNT = 28, S_COUNT = L_COUNT * V_COUNT * T_COUNT };

static int slot_of(const Compositions *table, uint64_t pair)
{
    int slot = (int)((pair * 0x9E3779B97F4A7C15u) >> 40) & (table->slots - 1);
    while (table->pairs[slot] && table->pairs[slot] != pair) slot = (slot + 1) & (table->slots - 1);
    return slot;
}

uint32_t compositions_find(const Compositions *table, uint32_t first, uint32_t second)
{
    uint32_t l = first - L_FIRST, v = second - V_FIRST, s = first - S_FIRST, t = second - T_BEFORE;
    if (l < L_COUNT && v < V_COUNT) return S_FIRST + (l * V_COUNT + v) * T_COUNT;
    if (s < S_COUNT && s % T_COUNT == 0 && t && t < T_COUNT) return first + t;
    int slot = slot_of(table, (uint64_t)first << 32 | second);
    return table->pairs[slot] ? table->codes[slot] : 0;
}

/// A code point whose whole decomposition has `count` parts is made of the one that the others make
/// and the last: so those with two come first.
static void add_codes(Compositions *table, int count)
{
    const CodeSet *set = &unicode_decomposing;
    for (int i = 0; i < set->count; i++)
        for (uint32_t code = set->ranges[i].first; code <= set->ranges[i].last; code++) {
            uint32_t parts[UNICODE_DECOMPOSED_MAX];
            if (code - S_FIRST < S_COUNT || code_set_has(&unicode_excluded, code)) continue;
            if (unicode_decompose(parts, code) != count) continue;
            uint32_t first = parts[0];
            for (int part = 1; part < count - 1; part++)
                first = compositions_find(table, first, parts[part]);
            uint64_t pair = (uint64_t)first << 32 | parts[count - 1];
            int slot = slot_of(table, pair);
            table->pairs[slot] = pair;
            table->codes[slot] = code;
        }
}

void compositions_init(Compositions *table)
{
    table->slots = 1 << 12; // for less than a thousand pairs
    table->pairs = MEM_NEW(uint64_t, table->slots);
    table->codes = MEM_NEW(uint32_t, table->slots);
    for (int count = 2; count <= UNICODE_DECOMPOSED_MAX; count++) add_codes(table, count);
}

void compositions_release(Compositions *table)
{
    mem_free(table->codes);
    mem_free(table->pairs);
    *table = (Compositions){ 0 };
}

void compositions_seconds(const Compositions *table, void (*visit)(void *context, uint32_t code),
                          void *context)
{
    for (int slot = 0; slot < table->slots; slot++)
        if (table->pairs[slot]) visit(context, (uint32_t)table->pairs[slot]);
    for (uint32_t v = 0; v < V_COUNT; v++) visit(context, V_FIRST + v);
    for (uint32_t t = 1; t < T_COUNT; t++) visit(context, T_BEFORE + t);
}
