/// Checked allocation with a live-block count, and arenas sized before the run.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Local. `count` zeroed elements of `size_bytes`; never NULL (a failed allocation ends the job
/// with its size). The caller owns the block (`mem_free`).
void *mem_new(size_t count, size_t size_bytes);

/// Local. Grows or shrinks a block of `mem_new` (or NULL); new bytes are not zeroed.
void *mem_resize(void *block, size_t count, size_t size_bytes);

/// Local. A copy of a string or of bytes, owned by the caller.
char *mem_copy_text(const char *text);
void *mem_copy(const void *data, size_t bytes);

/// Local. NULL-safe.
void mem_free(void *block);

/// Local. Blocks not yet freed; main checks that it is 0 at the end.
int64_t mem_live_blocks(void);
/// Local. Blocks made or resized so far: a training step, but for the first ones, adds none.
int64_t mem_allocations(void);

/// `n` zeroed elements of a type.
#define MEM_NEW(type, n) ((type *)mem_new((size_t)(n), sizeof(type)))

/// A stack of memory that is reserved once and touched on use: pages cost nothing until written,
/// so the capacity may be the worst case.
typedef struct {
    char *base;
    size_t capacity_bytes, used_bytes, peak_bytes;
} Arena;

void arena_init(Arena *arena, size_t capacity_bytes);
void arena_release(Arena *arena);
/// Local. 64-byte aligned, not zeroed; valid until the arena is reset below it. Overflow is a bug.
void *arena_take(Arena *arena, size_t bytes);
/// Local. Gives back all that was taken since `used_bytes` had this value (0: everything).
void arena_reset(Arena *arena, size_t used_bytes);
