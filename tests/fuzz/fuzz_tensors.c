#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/h5.h"
#include "store/integrity.h"
#include "store/tensors.h"
#include "support/scratch.h"

#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// A sound file, and where its tables lie in it.
static struct {
    char bytes[1 << 15];
    size_t count;
    H5Set sums, index, commit;
} sound;

static void make_sound(void)
{
    Comm self = comm_self();
    const float w[6] = { 1, 2, 3, 4, 5, 6 };
    const int64_t rows[3] = { 7, 8, 9 };
    const TensorPart parts[] = {
        { .path = "model/w", .rank = 2, .dims = { 2, 3 }, .count = 6, .data = w },
        { .path = "rows", .type = ELEMENT_I64, .rank = 1, .dims = { 3 }, .count = 3, .data = rows },
    };
    const Value values[] = { { .name = "notes/long", .text = "a text" },
                             { .name = "step", .kind = VALUE_INT, .integer = 3 } };
    const char *path = scratch_file("", 0);
    char *bytes = NULL;
    Text target = { 0 };
    H5File *h5 = NULL;
    text_printf(&target, "%s.h5", path);
    bool made = tensors_write(&self, target.data, "model", values, 2, parts, 2) == OK &&
                text_read_file(&bytes, &sound.count, target.data) == OK &&
                sound.count <= sizeof sound.bytes && h5_open(&h5, target.data) == OK &&
                h5_find(h5, INTEGRITY_SUMS, &sound.sums, (int64_t)sound.count) == OK &&
                h5_find(h5, INTEGRITY_INDEX, &sound.index, (int64_t)sound.count) == OK &&
                h5_find(h5, COMMIT_RECORD, &sound.commit, (int64_t)sound.count) == OK;
    CHECK(made, "%s", status_message());
    memcpy(sound.bytes, bytes, sound.count);
    mem_free(bytes);
    h5_close(h5);
    unlink(target.data);
    text_release(&target);
}

static size_t overlay(char *file, const H5Set *set, const uint8_t *data, size_t bytes)
{
    size_t count = bytes < (size_t)set->bytes ? bytes : (size_t)set->bytes;
    for (size_t i = 0; i < count; i++) file[set->offset_bytes + (int64_t)i] ^= (char)data[i];
    return count;
}

/// The sound file with the input laid over its tables, whose checksums are made right again: what a
/// forger would do, and what single bit flips never reach.
static const char *forge(const uint8_t *data, size_t bytes)
{
    char *file = mem_copy(sound.bytes, sound.count);
    CommitRecord record;
    size_t used = overlay(file, &sound.commit, data, bytes);
    used += overlay(file, &sound.index, data + used, bytes - used);
    overlay(file, &sound.sums, data + used, bytes - used);
    memcpy(&record, file + sound.commit.offset_bytes, sizeof record);
    record.table_crc =
        integrity_table_crc((const uint32_t *)(file + sound.sums.offset_bytes), sound.sums.dims[0],
                            file + sound.index.offset_bytes, sound.index.bytes);
    record.record_crc = integrity_record_crc(&record);
    memcpy(file + sound.commit.offset_bytes, &record, sizeof record);
    const char *path = scratch_file(file, sound.count);
    mem_free(file);
    return path;
}

static void read_all(TensorFile *file)
{
    for (int i = 0; i < tensors_count(file); i++) {
        const TensorInfo *info = tensors_at(file, i);
        size_t bytes = (size_t)info->elements * element_bytes(info->type);
        void *out = mem_new(bytes, 1);
        const void *map;
        if (tensors_read(file, info, 0, info->elements, out) == OK &&
            tensors_map(file, info, &map) == OK)
            CHECK(!memcmp(out, map, bytes), "%s is mapped from elsewhere", info->path);
        mem_free(out);
    }
    tensors_verify(file, 0, tensors_blocks(file));
}

/// The first byte says whether the rest is a file or a forgery.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes) return 0;
    if (!sound.count) make_sound();
    TensorFile *file;
    const char *path = data[0] & 1 ? forge(data + 1, bytes - 1) : scratch_file(data + 1, bytes - 1);
    if (tensors_open_any(&file, path) == OK) read_all(file);
    tensors_close(file);
    return 0;
}
