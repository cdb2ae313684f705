#include "token/code_table.h"
#include "base/mem.h"

#include <string.h>

static int add_block(CodeTable *table, bool shared)
{
    if (table->blocks == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 64;
        size_t blocks = (size_t)table->capacity;
        table->values = mem_resize(table->values, blocks * CODE_TABLE_BLOCK, sizeof *table->values);
        table->shared = mem_resize(table->shared, blocks, sizeof *table->shared);
    }
    table->shared[table->blocks] = shared;
    return table->blocks++;
}

static uint32_t *block_values(const CodeTable *table, int block)
{
    return table->values + (size_t)block * CODE_TABLE_BLOCK;
}

void code_table_init(CodeTable *table)
{
    *table = (CodeTable){ 0 };
    memset(block_values(table, add_block(table, true)), 0, CODE_TABLE_BLOCK * sizeof(uint32_t));
}

void code_table_release(CodeTable *table)
{
    mem_free(table->shared);
    mem_free(table->values);
    *table = (CodeTable){ 0 };
}

void code_table_set(CodeTable *table, uint32_t code, uint32_t value)
{
    uint16_t *slot = &table->index[code / CODE_TABLE_BLOCK];
    if (table->shared[*slot]) {
        int block = add_block(table, false);
        memcpy(block_values(table, block), block_values(table, *slot),
               CODE_TABLE_BLOCK * sizeof(uint32_t));
        *slot = (uint16_t)block;
    }
    block_values(table, *slot)[code % CODE_TABLE_BLOCK] = value;
}

void code_table_set_range(CodeTable *table, uint32_t first, uint32_t last, uint32_t value)
{
    int uniform = -1;
    for (uint32_t code = first; code <= last;) {
        if (code % CODE_TABLE_BLOCK || last - code < CODE_TABLE_BLOCK - 1) {
            code_table_set(table, code++, value);
            continue;
        }
        if (uniform < 0) {
            uniform = add_block(table, true);
            for (int i = 0; i < CODE_TABLE_BLOCK; i++) block_values(table, uniform)[i] = value;
        }
        table->index[code / CODE_TABLE_BLOCK] = (uint16_t)uniform;
        code += CODE_TABLE_BLOCK;
    }
}

void code_table_add_bits(CodeTable *table, uint32_t first, uint32_t last, uint32_t bits)
{
    for (uint32_t code = first, end; code <= last; code = end + 1) {
        uint16_t block = table->index[code / CODE_TABLE_BLOCK];
        uint32_t value = code_table_get(table, code) | bits, behind = code;
        // whole blocks that are the same shared one
        if (table->shared[block] && code % CODE_TABLE_BLOCK == 0)
            while (behind + CODE_TABLE_BLOCK - 1 <= last &&
                   table->index[behind / CODE_TABLE_BLOCK] == block)
                behind += CODE_TABLE_BLOCK;
        end = behind > code ? behind - 1 : code;
        code_table_set_range(table, code, end, value);
    }
}
