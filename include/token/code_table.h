/// A 32-bit value for every code point: two stages of 128-entry blocks, equal blocks of long ranges
/// shared.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define CODE_TABLE_CODES 0x110000
#define CODE_TABLE_BLOCK 128

typedef struct {
    uint16_t index[CODE_TABLE_CODES / CODE_TABLE_BLOCK];
    uint32_t *values; ///< (blocks, CODE_TABLE_BLOCK), owned
    bool *shared;     ///< (blocks), owned: a write makes a copy first
    int blocks, capacity;
} CodeTable;

void code_table_init(CodeTable *table); ///< all values 0
void code_table_release(CodeTable *table);
void code_table_set(CodeTable *table, uint32_t code, uint32_t value);
void code_table_set_range(CodeTable *table, uint32_t first, uint32_t last, uint32_t value);
/// Sets these bits in every value of the range.
void code_table_add_bits(CodeTable *table, uint32_t first, uint32_t last, uint32_t bits);

static inline uint32_t code_table_get(const CodeTable *table, uint32_t code)
{
    uint32_t block = table->index[code / CODE_TABLE_BLOCK];
    return table->values[block * CODE_TABLE_BLOCK + code % CODE_TABLE_BLOCK];
}
