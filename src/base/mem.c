#include "base/mem.h"
#include "base/status.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic int64_t live_blocks, allocations;

void *mem_new(size_t count, size_t size_bytes)
{
    void *block = calloc(count ? count : 1, size_bytes ? size_bytes : 1);
    CHECK(block, "out of memory: %zu elements of %zu bytes", count, size_bytes);
    atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&allocations, 1);
    return block;
}

void *mem_resize(void *block, size_t count, size_t size_bytes)
{
    CHECK(!size_bytes || count <= SIZE_MAX / size_bytes, "out of memory: %zu elements of %zu bytes",
          count, size_bytes);
    size_t bytes = count * size_bytes;
    void *grown = realloc(block, bytes ? bytes : 1);
    CHECK(grown, "out of memory: %zu bytes", bytes);
    if (!block) atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&allocations, 1);
    return grown;
}

char *mem_copy_text(const char *text)
{
    return mem_copy(text, strlen(text) + 1);
}

void *mem_copy(const void *data, size_t bytes)
{
    void *copy = mem_new(bytes, 1);
    if (bytes) memcpy(copy, data, bytes);
    return copy;
}

void mem_free(void *block)
{
    if (!block) return;
    atomic_fetch_sub(&live_blocks, 1);
    free(block);
}

int64_t mem_live_blocks(void)
{
    return atomic_load(&live_blocks);
}

int64_t mem_allocations(void)
{
    return atomic_load(&allocations);
}

void arena_init(Arena *arena, size_t capacity_bytes)
{
    *arena = (Arena){ .capacity_bytes = capacity_bytes ? capacity_bytes : 64 };
    arena->base = mmap(NULL, arena->capacity_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(arena->base != MAP_FAILED,
          "out of memory: cannot reserve %zu bytes of address space: a smaller train.batch_size or "
          "train.batch_tokens or more train.leaves need less, and ulimit -v may limit it",
          capacity_bytes);
    atomic_fetch_add(&live_blocks, 1);
}

void arena_release(Arena *arena)
{
    if (!arena->base) return;
    munmap(arena->base, arena->capacity_bytes);
    atomic_fetch_sub(&live_blocks, 1);
    *arena = (Arena){ 0 };
}

void *arena_take(Arena *arena, size_t bytes)
{
    size_t rounded = (bytes + 63) & ~(size_t)63;
    CHECK(rounded >= bytes && arena->used_bytes + rounded <= arena->capacity_bytes,
          "arena of %zu bytes is too small by %zu", arena->capacity_bytes,
          arena->used_bytes + rounded - arena->capacity_bytes);
    void *block = arena->base + arena->used_bytes;
    arena->used_bytes += rounded;
    if (arena->used_bytes > arena->peak_bytes) arena->peak_bytes = arena->used_bytes;
    return block;
}

void arena_reset(Arena *arena, size_t used_bytes)
{
    arena->used_bytes = used_bytes;
}
