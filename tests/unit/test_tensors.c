/* TEST labels=store ranks=1,2,3,4 timeout=120 */
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "comm/comm.h"
#include "store/h5.h"
#include "store/integrity.h"
#include "store/tensors.h"
#include "support/check.h"
#include "support/folder.h"
#include "support/scratch.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static Comm world;

/// What is written: blocks of 4 MiB are straddled, shared by ranks and left part-filled.
static const TensorPart shapes[] = {
    { .path = "model/wide", .type = ELEMENT_F32, .rank = 2, .dims = { 3, 900001 } },
    { .path = "model/bias", .type = ELEMENT_F64, .rank = 1, .dims = { 11 } },
    { .path = "model/scalar", .type = ELEMENT_I64, .rank = 0 },
    { .path = "model/none", .type = ELEMENT_F32, .rank = 2, .dims = { 0, 5 } },
    { .path = "model/even", .type = ELEMENT_I32, .rank = 1, .dims = { 1 << 20 } },
    { .path = "optim/exp_avg/deep", .type = ELEMENT_U8, .rank = 4, .dims = { 3, 5, 7, 11 } },
};
enum { SHAPES = sizeof shapes / sizeof *shapes, SMALL_FIRST = 1 };

static int64_t elements_of(const TensorPart *part)
{
    int64_t elements = 1;
    for (int d = 0; d < part->rank; d++) elements *= part->dims[d];
    return elements;
}

static unsigned char byte_of(int tensor, int64_t at)
{
    return (unsigned char)((at * 2654435761u + (uint32_t)tensor * 97u) >> 7);
}

/// Where rank r's range of a tensor begins: ranks hold unequal shares, some none.
static int64_t share_start(int64_t elements, int tensor, int rank, int size)
{
    if (rank <= 0) return 0;
    if (rank >= size) return elements;
    return tensor % 3 == 2 ? (rank > 1 ? elements : 0) : elements * rank * rank / (size * size);
}

static void fill_parts(TensorPart *parts, const Comm *comm)
{
    memcpy(parts, shapes, sizeof shapes);
    for (int i = 0; i < SHAPES; i++) {
        int64_t elements = elements_of(&parts[i]), size = (int64_t)element_bytes(parts[i].type);
        parts[i].first = share_start(elements, i, comm->rank, comm->size);
        parts[i].count = share_start(elements, i, comm->rank + 1, comm->size) - parts[i].first;
        unsigned char *data = MEM_NEW(unsigned char, parts[i].count *size);
        for (int64_t b = 0; b < parts[i].count * size; b++)
            data[b] = byte_of(i, parts[i].first * size + b);
        parts[i].data = data;
    }
}

static void free_parts(TensorPart *parts)
{
    for (int i = 0; i < SHAPES; i++) mem_free((void *)parts[i].data);
}

static Status write_from(int first, const Comm *comm, const char *path, const Value *values,
                         int value_count)
{
    TensorPart parts[SHAPES];
    fill_parts(parts, comm);
    // all but rank 0 know only their ranges and data
    for (int i = 0; i < SHAPES && comm->rank; i++) {
        parts[i].path = NULL;
        memset(parts[i].dims, 0, sizeof parts[i].dims);
    }
    Status status = tensors_write(comm, comm->rank ? NULL : path, comm->rank ? NULL : "model",
                                  comm->rank ? NULL : values, comm->rank ? 0 : value_count,
                                  parts + first, SHAPES - first);
    free_parts(parts);
    return status;
}

static bool reads_equal(TensorFile *file, int tensor, int64_t first, int64_t count)
{
    const TensorInfo *info = tensors_find(file, shapes[tensor].path);
    if (!info) return false;
    int64_t size = (int64_t)element_bytes(info->type);
    unsigned char *data = MEM_NEW(unsigned char, count *size);
    bool equal = tensors_read(file, info, first, count, data) == OK;
    for (int64_t b = 0; b < count * size && equal; b++)
        equal = data[b] == byte_of(tensor, first * size + b);
    mem_free(data);
    return equal;
}

static bool is_whole(const char *path, int first)
{
    TensorFile *file;
    bool whole = tensors_open(&file, path, "model") == OK;
    for (int i = first; i < SHAPES && whole; i++)
        whole = reads_equal(file, i, 0, elements_of(&shapes[i]));
    tensors_close(file);
    return whole;
}

static void returns_what_was_written(void)
{
    const char *path = folder_path("a.h5");
    TensorFile *file;
    CHECK_EQ(write_from(0, &world, path, NULL, 0), OK);
    comm_barrier(&world);
    CHECK_TRUE(is_whole(path, 0));
    CHECK_EQ(tensors_open(&file, path, "model"), OK);
    CHECK_EQ(tensors_count(file), SHAPES);
    const TensorInfo *wide = tensors_find(file, "model/wide");
    CHECK_TRUE(wide == tensors_at(file, 0));
    CHECK_EQ(wide->rank, 2);
    CHECK_EQ(wide->dims[1], 900001);
    CHECK_EQ(wide->elements, 2700003);
    CHECK_EQ(wide->type, ELEMENT_F32);
    CHECK_TRUE(!tensors_find(file, "model/wid"));
    for (int64_t first = 0, step = 1; first < wide->elements; first += step, step = step * 3 + 7) {
        int64_t left = wide->elements - first;
        CHECK_TRUE(reads_equal(file, 0, first, step < left ? step : left));
        CHECK_TRUE(reads_equal(file, 0, first, left < 5 ? left : 5));
    }
    CHECK_TRUE(reads_equal(file, 0, 2700003, 0));
    CHECK_EQ(tensors_read(file, wide, 2700003, 1, NULL), FAILED);
    CHECK_EQ(tensors_read(file, wide, -1, 1, NULL), FAILED);
    tensors_close(file);
    CHECK_EQ(folder_count("partial"), 0);
    comm_barrier(&world);
}

/// Where a data set lies in a file.
static int64_t offset_of(const char *path, const char *set_path)
{
    H5File *h5;
    H5Set set = { 0 };
    struct stat info;
    CHECK_EQ(stat(path, &info), 0);
    CHECK_EQ(h5_open(&h5, path), OK);
    CHECK_EQ(h5_find(h5, set_path, &set, info.st_size), OK);
    h5_close(h5);
    return set.offset_bytes;
}

static int64_t table_crc(const char *path)
{
    CommitRecord record = { .table_crc = -1 };
    int file;
    int64_t bytes;
    if (file_open(&file, &bytes, path) != OK) return -1;
    CHECK_EQ(file_read_at(&record, sizeof record, file, offset_of(path, COMMIT_RECORD), path), OK);
    close(file);
    return record.table_crc;
}

static void flip(const char *path, int64_t at)
{
    FILE *stream = fopen(path, "r+b");
    CHECK_TRUE(stream);
    fseek(stream, (long)at, SEEK_SET);
    int byte = fgetc(stream);
    fseek(stream, -1, SEEK_CUR);
    fputc(byte ^ 1, stream);
    fclose(stream);
}

static void is_the_same_on_any_number_of_ranks(void)
{
    const char *many = folder_path("many.h5"), *one = folder_path("one.h5");
    Comm self = comm_self();
    CHECK_EQ(write_from(0, &world, many, NULL, 0), OK);
    if (world.rank == 0) {
        char *a = NULL, *b = NULL;
        size_t a_bytes = 0, b_bytes = 0, differing = 0;
        CHECK_EQ(write_from(0, &self, one, NULL, 0), OK);
        CHECK_TRUE(table_crc(one) > 0);
        CHECK_EQ(table_crc(many), table_crc(one));
        CHECK_EQ(text_read_file(&a, &a_bytes, many), OK);
        CHECK_EQ(text_read_file(&b, &b_bytes, one), OK);
        CHECK_EQ(a_bytes, b_bytes);
        for (size_t i = 0; i < a_bytes && i < b_bytes; i++) differing += a[i] != b[i];
        CHECK_TRUE(differing < 64); // time, number of ranks and their sums
        mem_free(a);
        mem_free(b);
    }
    comm_barrier(&world);
}

static void keeps_values(void)
{
    const char *path = folder_path("values.h5");
    char *longer = MEM_NEW(char, 5000001);
    memset(longer, 'x', 5000000);
    const Value values[] = {
        { .name = "task", .text = "text_classification" },
        { .name = "empty", .text = "" },
        { .name = "name", .text = "\xE5\x8C\x97\xE4\xBA\xAC" },
        { .name = "config", .text = longer },
        { .name = "history/loss", .text = "[1]" },
        { .name = "step", .kind = VALUE_INT, .integer = INT64_MIN },
        { .name = "loss", .kind = VALUE_REAL, .real = 0.1 },
    };
    TensorFile *file;
    CHECK_EQ(write_from(SMALL_FIRST, &world, path, values, 7), OK);
    comm_barrier(&world);
    CHECK_EQ(tensors_open_any(&file, path), OK);
    CHECK_TEXT(tensors_schema(file), "model");
    CHECK_TEXT(tensors_text(file, "creator", ""), "temper");
    CHECK_TEXT(tensors_text(file, "byte_order", ""), "LE");
    CHECK_EQ(strlen(tensors_text(file, "created_utc", "")), 20);
    CHECK_TEXT(tensors_text(file, "task", ""), "text_classification");
    CHECK_TEXT(tensors_text(file, "empty", "?"), "");
    CHECK_TEXT(tensors_text(file, "name", ""), "\xE5\x8C\x97\xE4\xBA\xAC");
    CHECK_TRUE(!strcmp(tensors_text(file, "config", ""), longer));
    CHECK_TEXT(tensors_text(file, "history/loss", ""), "[1]");
    CHECK_EQ(tensors_int(file, "step", 0), INT64_MIN);
    CHECK_TRUE(tensors_real(file, "loss", 0) == 0.1);
    CHECK_EQ(tensors_int(file, "loss", 7), 7);
    CHECK_TEXT(tensors_text(file, "absent", "fallback"), "fallback");
    CHECK_TRUE(tensors_value_count(file) >= 12); // with provenance
    CHECK_EQ(tensors_count(file), SHAPES - SMALL_FIRST);
    tensors_close(file);
    mem_free(longer);
}

static void refuses_parts_that_do_not_join(void)
{
    static const struct {
        int64_t first_shift, count_shift;
    } wrong[] = { { 1, -1 }, { 0, -1 }, { -1, 1 }, { 0, 1 }, { -1, 0 } };
    const char *path = folder_path("join.h5");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        float data[64] = { 0 };
        TensorPart part = { .path = "model/x", .rank = 1, .dims = { 16 * world.size } };
        part.first = 16 * world.rank, part.count = 16, part.data = data;
        if (world.rank == world.size - 1) {
            part.first += wrong[i].first_shift;
            part.count += wrong[i].count_shift;
        }
        CHECK_EQ(tensors_write(&world, path, "model", NULL, 0, &part, 1), FAILED);
        CHECK_TRUE(status_message()[0]);
        comm_barrier(&world);
        CHECK_EQ(folder_count("join"), 0);
        comm_barrier(&world);
    }
}

static void leaves_the_older_file_when_it_fails(void)
{
    static const struct {
        const char *point;
        bool any_rank; ///< else only rank 0 passes it
    } points[] = { { "write-create", false },
                   { "write-payload", true },
                   { "write-fsync", true },
                   { "write-close", false },
                   { "write-rename", false } };
    static int passages; // those of a process are counted over all points
    const char *path = folder_path("old.h5");
    CHECK_EQ(write_from(SMALL_FIRST, &world, path, NULL, 0), OK);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        for (int control = 0; control < 2; control++) {
            char fault[64];
            int victim = points[i].any_rank ? world.size / 2 : 0; // has a part of model/even
            snprintf(fault, sizeof fault, "%s:%d:%d", points[i].point, victim, passages + 1);
            if (!control) setenv("TEMPER_FAULT", fault, 1);
            Status status = write_from(0, &world, path, NULL, 0);
            unsetenv("TEMPER_FAULT");
            if (!control && world.rank == victim) passages++;
            CHECK_EQ(status, control ? OK : FAILED);
            if (!control) {
                CHECK_TRUE(strstr(status_message(), "Input/output error"));
                CHECK_TRUE(strstr(status_message(), "old.h5"));
            }
            comm_barrier(&world);
            CHECK_EQ(folder_count("partial"), 0);
            TensorFile *file;
            CHECK_EQ(tensors_open(&file, path, "model"), OK);
            CHECK_EQ(tensors_count(file), control ? SHAPES : SHAPES - SMALL_FIRST);
            tensors_close(file);
            CHECK_TRUE(is_whole(path, control ? 0 : SMALL_FIRST));
            comm_barrier(&world);
            CHECK_EQ(write_from(SMALL_FIRST, &world, path, NULL, 0), OK);
        }
    }
}

static void writes_where_space_cannot_be_reserved(void)
{
    const char *path = folder_path("plain.h5");
    setenv("TEMPER_FAULT", "reserve-unsupported:0:0", 1);
    CHECK_EQ(write_from(0, &world, path, NULL, 0), OK);
    comm_barrier(&world);
    unsetenv("TEMPER_FAULT");
    CHECK_TRUE(is_whole(path, 0));
}

static void fails_without_a_folder(void)
{
    CHECK_EQ(write_from(SMALL_FIRST, &world, folder_path("absent/x.h5"), NULL, 0), FAILED);
    CHECK_TRUE(strstr(status_message(), "absent/x.h5"));
    CHECK_TRUE(strstr(status_message(), "No such file"));
}

/// A small file: every byte of it can be tried.
static void write_small(const char *path)
{
    Comm self = comm_self();
    const float weight[6] = { 1, 2, 3, 4, 5, 6 };
    const int64_t rows[3] = { 7, 8, 9 };
    const TensorPart parts[] = {
        { .path = "model/w", .rank = 2, .dims = { 2, 3 }, .count = 6, .data = weight },
        { .path = "rows", .type = ELEMENT_I64, .rank = 1, .dims = { 3 }, .count = 3, .data = rows },
    };
    const Value values[] = { { .name = "task", .text = "text" },
                             { .name = "notes/long", .text = "a long text" },
                             { .name = "step", .kind = VALUE_INT, .integer = 3 } };
    CHECK_EQ(tensors_write(&self, path, "model", values, 3, parts, 2), OK);
}

/// All that a reader gets of a file, as text; "" if it is refused.
static void digest(Text *out, const char *path)
{
    TensorFile *file;
    text_clear(out);
    if (tensors_open(&file, path, "model") != OK) return;
    for (int i = 0; i < tensors_value_count(file); i++) {
        const Value *value = tensors_value_at(file, i);
        text_printf(out, "%s %d %s %lld %a\n", value->name, (int)value->kind,
                    value->kind == VALUE_TEXT ? value->text : "", (long long)value->integer,
                    value->real);
    }
    for (int i = 0; i < tensors_count(file); i++) {
        const TensorInfo *info = tensors_at(file, i);
        unsigned char data[64];
        size_t bytes = (size_t)info->elements * element_bytes(info->type);
        if (bytes > sizeof data || tensors_read(file, info, 0, info->elements, data) != OK) {
            text_clear(out);
            break;
        }
        text_printf(out, "%s %d %d %lld %lld ", info->path, (int)info->type, info->rank,
                    (long long)info->dims[0], (long long)info->dims[1]);
        text_append_bytes(out, data, bytes);
    }
    tensors_close(file);
}

static void damage_is_found_or_harmless(void)
{
    if (world.size > 1) return; // once is enough
    const char *path = folder_path("small.h5");
    char *bytes;
    size_t count, found = 0, silent = 0;
    Text before = { 0 }, after = { 0 };
    write_small(path);
    digest(&before, path);
    CHECK_TRUE(before.length_bytes > 100);
    CHECK_EQ(text_read_file(&bytes, &count, path), OK);
    for (size_t at = 0; at < count; at++) {
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
        digest(&after, scratch_file(bytes, count));
        if (!after.length_bytes)
            found++;
        else if (after.length_bytes != before.length_bytes ||
                 memcmp(after.data, before.data, before.length_bytes))
            silent++;
        bytes[at] = (char)(bytes[at] ^ (1 << at % 8));
    }
    CHECK_EQ(silent, 0);
    CHECK_TRUE(found > 1000); // payload, table and all live metadata
    digest(&after, scratch_file(bytes, count));
    CHECK_TEXT(text_chars(&after), text_chars(&before));
    for (size_t cut = 0; cut < count; cut += cut < 64 ? 1 : 37) {
        digest(&after, scratch_file(bytes, cut));
        CHECK_EQ(after.length_bytes, 0);
    }
    bytes = mem_resize(bytes, count + 100, 1);
    memset(bytes + count, 0, 100);
    for (size_t more = 1; more <= 100; more += 33) {
        digest(&after, scratch_file(bytes, count + more));
        CHECK_EQ(after.length_bytes, 0);
    }
    mem_free(bytes);
    text_release(&before);
    text_release(&after);
}

static void damage_is_named(void)
{
    if (world.rank) return;
    const char *path = folder_path("named.h5");
    Comm self = comm_self();
    TensorFile *file;
    CHECK_EQ(write_from(0, &self, path, NULL, 0), OK);
    CHECK_EQ(offset_of(path, "model/wide"), 64 << 10);
    flip(path, (64 << 10) + BLOCK_BYTES + 5);
    CHECK_EQ(tensors_open(&file, path, "model"), OK);
    CHECK_TRUE(reads_equal(file, 0, 0, 1 << 20)); // its first block is sound
    CHECK_TRUE(!reads_equal(file, 0, 1 << 20, 1));
    const char *const words[] = { "named.h5", "model/wide", "block 1", "bytes 4259840 to 8454143" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strstr(status_message(), words[i]))
            check_failed(__FILE__, __LINE__, "'%s' is not in '%s'", words[i], status_message());
    }
    CHECK_TRUE(!reads_equal(file, 0, (2 << 20) - 1, 1));
    CHECK_TRUE(reads_equal(file, 0, 2 << 20, 1));
    tensors_close(file);
    flip(path, offset_of(path, INTEGRITY_SUMS));
    CHECK_EQ(tensors_open(&file, path, "model"), FAILED);
    CHECK_TRUE(strstr(status_message(), "the table of checksums is damaged"));
    flip(path, offset_of(path, COMMIT_RECORD) + (int64_t)offsetof(CommitRecord, ranks));
    CHECK_EQ(tensors_open(&file, path, "model"), FAILED);
    CHECK_TRUE(strstr(status_message(), "the commit record is damaged"));
}

/// Verifies as a job of `ranks` does, a share each; returns how many shares fail.
static int verify_shares(const char *path, int ranks)
{
    int failed = 0;
    for (int rank = 0; rank < ranks; rank++) {
        TensorFile *file;
        CHECK_EQ(tensors_open(&file, path, "model"), OK);
        int64_t blocks = tensors_blocks(file);
        failed += tensors_verify(file, blocks * rank / ranks, blocks * (rank + 1) / ranks) != OK;
        tensors_close(file);
    }
    return failed;
}

/// Tensors of 4 MiB blocks: 3 and 1; and those of one. Each byte is in the share of one rank.
static void shares_cover_all_blocks(void)
{
    if (world.rank) return;
    const char *path = folder_path("shares.h5");
    Comm self = comm_self();
    CHECK_EQ(write_from(0, &self, path, NULL, 0), OK);
    for (int i = 0; i < SHAPES; i++) {
        int64_t bytes = elements_of(&shapes[i]) * (int64_t)element_bytes(shapes[i].type);
        int64_t first = offset_of(path, shapes[i].path);
        for (int64_t at = 0; at < bytes; at += at + BLOCK_BYTES < bytes ? BLOCK_BYTES : bytes) {
            flip(path, first + at);
            for (int ranks = 1; ranks <= 9; ranks += 2) CHECK_EQ(verify_shares(path, ranks), 1);
            flip(path, first + at);
        }
    }
    for (int ranks = 1; ranks <= 9; ranks += 2) CHECK_EQ(verify_shares(path, ranks), 0);
}

static bool maps_equal(TensorFile *file, int tensor)
{
    const TensorInfo *info = tensors_find(file, shapes[tensor].path);
    const void *data, *again;
    int64_t bytes = info->elements * (int64_t)element_bytes(info->type);
    bool equal = tensors_map(file, info, &data) == OK && tensors_map(file, info, &again) == OK &&
                 data == again && (uintptr_t)data % element_bytes(info->type) == 0;
    for (int64_t b = 0; b < bytes && equal; b++)
        equal = ((const unsigned char *)data)[b] == byte_of(tensor, b);
    return equal;
}

static void mapped_tensors_outlive_their_name(void)
{
    const char *path = folder_path("mapped.h5");
    TensorFile *file;
    CHECK_EQ(write_from(0, &world, path, NULL, 0), OK);
    comm_barrier(&world);
    CHECK_EQ(tensors_open(&file, path, "model"), OK);
    comm_barrier(&world);
    if (world.rank == 0) remove(path);
    comm_barrier(&world);
    for (int i = 0; i < SHAPES; i++) CHECK_TRUE(maps_equal(file, i));
    tensors_close(file);
}

/// Small tensors lie one behind the other, so that an odd one displaces those that follow.
static void unaligned_tensors_are_read(void)
{
    if (world.rank) return;
    const char *path = folder_path("odd.h5");
    Comm self = comm_self();
    const double numbers[] = { 1, 2, 3 };
    const TensorPart parts[] = {
        { .path = "a", .type = ELEMENT_U8, .rank = 1, .dims = { 3 }, .count = 3, .data = "abc" },
        { .path = "b", .type = ELEMENT_F64, .rank = 1, .dims = { 3 }, .count = 3, .data = numbers },
    };
    TensorFile *file;
    const void *data = NULL;
    CHECK_EQ(tensors_write(&self, path, "model", NULL, 0, parts, 2), OK);
    CHECK_TRUE(offset_of(path, "b") % 8); // else this tests nothing
    CHECK_EQ(tensors_open(&file, path, "model"), OK);
    CHECK_EQ(tensors_map(file, tensors_find(file, "b"), &data), OK);
    CHECK_TRUE((uintptr_t)data % 8 == 0 && !memcmp(data, numbers, sizeof numbers));
    tensors_close(file);
    flip(path, offset_of(path, "b"));
    CHECK_EQ(tensors_open(&file, path, "model"), OK);
    CHECK_EQ(tensors_map(file, tensors_find(file, "b"), &data), FAILED);
    CHECK_TRUE(!data && strstr(status_message(), "b is damaged"));
    tensors_close(file);
}

static void a_map_that_fails_is_told(void)
{
    const char *path = folder_path("map.h5");
    TensorFile *file;
    const void *data;
    CHECK_EQ(write_from(SMALL_FIRST, &world, path, NULL, 0), OK);
    comm_barrier(&world);
    CHECK_EQ(tensors_open(&file, path, "model"), OK);
    setenv("TEMPER_FAULT", "map:-1:0", 1);
    CHECK_EQ(tensors_map(file, tensors_find(file, "model/even"), &data), FAILED);
    unsetenv("TEMPER_FAULT");
    CHECK_TRUE(strstr(status_message(), "map.h5") && strstr(status_message(), "cannot be mapped"));
    tensors_close(file);
    comm_barrier(&world);
}

static void refuses_foreign_files(void)
{
    if (world.rank) return;
    static const struct {
        const char *name, *content, *message;
    } files[] = { { "text.h5", "a text of more than eight bytes", "not an HDF5 file" },
                  { "empty.h5", "", "not an HDF5 file" },
                  { "head.h5", "\211HDF\r\n\032\n and then nothing", "HDF5 says" } };
    TensorFile *file;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = folder_path(files[i].name);
        CHECK_EQ(text_write_file(path, files[i].content, strlen(files[i].content)), OK);
        CHECK_EQ(tensors_open_any(&file, path), FAILED);
        CHECK_TRUE(!file);
        if (!strstr(status_message(), files[i].message))
            check_failed(__FILE__, __LINE__, "%s", status_message());
    }
    CHECK_EQ(tensors_open_any(&file, folder_path("missing.h5")), FAILED);
    CHECK_EQ(tensors_open_any(&file, folder_path(".")), FAILED);
    H5File *other;
    CHECK_EQ(h5_create(&other, folder_path("other.h5")), OK);
    CHECK_EQ(h5_close(other), OK);
    CHECK_EQ(tensors_open_any(&file, folder_path("other.h5")), FAILED);
    CHECK_TRUE(strstr(status_message(), "no schema"));
    write_small(folder_path("model.h5"));
    CHECK_EQ(tensors_open(&file, folder_path("model.h5"), "dataset"), FAILED);
    CHECK_TRUE(strstr(status_message(), "is a model file, a dataset file is needed"));
    tensors_close(file);
}

static void frees_all_blocks(void)
{
    folder_remove(&world);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "returns what was written", returns_what_was_written },
    { "is the same on any number of ranks", is_the_same_on_any_number_of_ranks },
    { "keeps values", keeps_values },
    { "refuses parts that do not join", refuses_parts_that_do_not_join },
    { "leaves the older file when it fails", leaves_the_older_file_when_it_fails },
    { "writes where space cannot be reserved", writes_where_space_cannot_be_reserved },
    { "fails without a folder", fails_without_a_folder },
    { "damage is found or harmless", damage_is_found_or_harmless },
    { "damage is named", damage_is_named },
    { "shares cover all blocks", shares_cover_all_blocks },
    { "mapped tensors outlive their name", mapped_tensors_outlive_their_name },
    { "unaligned tensors are read", unaligned_tensors_are_read },
    { "a map that fails is told", a_map_that_fails_is_told },
    { "refuses foreign files", refuses_foreign_files },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    CHECK(comm_start(&world) == OK, "%s", status_message());
    fault_start(world.rank);
    folder_make(&world);
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return code;
}
