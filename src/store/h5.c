#include "store/h5.h"
#include "base/mem.h"

#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "payload is written as it lies in memory");

#if H5_VERSION_GE(1, 12, 0)
typedef H5L_info2_t LinkInfo;
typedef H5O_info2_t ObjectInfo;
#define LINK_INFO   H5Lget_info2
#define OBJECT_INFO H5Oget_info_by_name3
#else
typedef H5L_info_t LinkInfo;
typedef H5O_info_t ObjectInfo;
#define LINK_INFO   H5Lget_info
#define OBJECT_INFO H5Oget_info_by_name2
#endif

enum {
    ALIGNED_FROM_BYTES = 64 << 10,
    ALIGNMENT_BYTES = 64 << 10, ///< 1 MiB would make a MiniLM checkpoint 24 % larger
    MAX_RANK = 4,
    MAX_TEXT_BYTES = 64 << 10, ///< of an attribute
};

struct H5File {
    hid_t id;
    char *path;
};

static herr_t take_reason(unsigned depth, const H5E_error2_t *error, void *out)
{
    (void)depth;
    snprintf(out, 256, "%s", error->desc ? error->desc : "unknown");
    return 1; // the innermost alone
}

/// Records a failure with what HDF5 says of it.
static Status fail(const H5File *file, const char *what, const char *name)
{
    char reason[256] = "refused";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, reason);
    H5Eclear2(H5E_DEFAULT);
    return status_fail(FAILED, "%s: %s %s: HDF5 says '%s'", file->path, what, name, reason);
}

static void quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Eclear2(H5E_DEFAULT);
}

static void close_id(herr_t (*close_call)(hid_t), hid_t id)
{
    if (id >= 0) close_call(id);
}

static hid_t new_access(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    CHECK(access >= 0, "HDF5 gives no property list");
    H5Pset_fapl_sec2(access);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_alignment(access, ALIGNED_FROM_BYTES, ALIGNMENT_BYTES);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, 0, 1); // not every file system has locks
#endif
    return access;
}

static Status start(H5File **out, const char *path, bool create)
{
    Status status = OK;
    quiet();
    H5File *file = MEM_NEW(H5File, 1);
    file->path = mem_copy_text(path);
    hid_t access = new_access();
    file->id = create ? H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access)
                      : H5Fopen(path, H5F_ACC_RDONLY, access);
    if (file->id < 0) TRY(fail(file, create ? "cannot be made" : "cannot be read", "as HDF5"));
    *out = file;
    file = NULL;
done:
    H5Pclose(access); // every call that succeeds forgets the reason of the failure before it
    if (file) mem_free(file->path);
    mem_free(file);
    return status;
}

Status h5_create(H5File **out, const char *path)
{
    *out = NULL;
    return start(out, path, true);
}

Status h5_open(H5File **out, const char *path)
{
    *out = NULL;
    return start(out, path, false);
}

Status h5_close(H5File *file)
{
    Status status = OK;
    if (!file) return OK;
    if (H5Fclose(file->id) < 0) status = fail(file, "cannot be closed", "as HDF5");
    mem_free(file->path);
    mem_free(file);
    return status;
}

static hid_t new_text_type(int64_t text_bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, (size_t)text_bytes);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

/// The 64-bit fields of a compound type, after a text of `text_bytes` (none if 0).
static hid_t new_record(int64_t text_bytes, const char *const *fields, size_t count)
{
    hid_t record = H5Tcreate(H5T_COMPOUND, (size_t)text_bytes + 8 * count);
    if (text_bytes) {
        hid_t text = new_text_type(text_bytes);
        H5Tinsert(record, "path", 0, text);
        H5Tclose(text);
    }
    for (size_t i = 0; i < count; i++)
        H5Tinsert(record, fields[i], (size_t)text_bytes + 8 * i, H5T_STD_I64LE);
    return record;
}

/// The caller closes it.
static hid_t new_type(SetType type, int64_t text_bytes)
{
    static const char *const index[] = { "block_first", "blocks", "bytes" };
    static const char *const commit[] = { "complete",  "file_bytes", "block_bytes", "blocks",
                                          "table_crc", "ranks",      "record_crc" };
    const hid_t plain[] = {
        [SET_F32] = H5T_IEEE_F32LE, [SET_F64] = H5T_IEEE_F64LE, [SET_I32] = H5T_STD_I32LE,
        [SET_I64] = H5T_STD_I64LE,  [SET_U8] = H5T_STD_U8LE,    [SET_U32] = H5T_STD_U32LE
    };
    if (type == SET_TEXT) return new_text_type(text_bytes);
    if (type == SET_INDEX) return new_record(text_bytes, index, sizeof index / sizeof *index);
    if (type == SET_COMMIT) return new_record(0, commit, sizeof commit / sizeof *commit);
    return H5Tcopy(plain[type]);
}

/// Contiguous, at its final address, never filled: others write the bytes.
static hid_t new_layout(void)
{
    hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(layout, H5D_CONTIGUOUS);
    H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(layout, 0); // equal contents give equal files
    return layout;
}

static hid_t new_links(void)
{
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    H5Pset_char_encoding(links, H5T_CSET_UTF8);
    return links;
}

static void take_address(H5Set *set, hid_t id)
{
    haddr_t offset = H5Dget_offset(id);
    set->bytes = (int64_t)H5Dget_storage_size(id);
    set->offset_bytes = offset == HADDR_UNDEF ? 0 : (int64_t)offset;
}

Status h5_make(H5File *file, const char *path, H5Set *set)
{
    Status status = OK;
    hsize_t dims[MAX_RANK];
    for (int i = 0; i < set->rank; i++) dims[i] = (hsize_t)set->dims[i];
    hid_t type = new_type(set->type, set->text_bytes);
    hid_t space = set->rank ? H5Screate_simple(set->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t layout = new_layout(), links = new_links();
    hid_t id = H5Dcreate2(file->id, path, type, space, links, layout, H5P_DEFAULT);
    if (id < 0) TRY(fail(file, "cannot make", path));
    take_address(set, id);
    if (set->bytes && !set->offset_bytes) FAIL(FAILED, "%s: %s got no space", file->path, path);
done:
    close_id(H5Dclose, id);
    close_id(H5Pclose, links);
    close_id(H5Pclose, layout);
    close_id(H5Sclose, space);
    close_id(H5Tclose, type);
    return status;
}

/// True if every link on the path is hard: soft and external ones could lead anywhere.
static bool is_within_file(const H5File *file, const char *path)
{
    char part[1024];
    for (size_t i = 1; i <= strlen(path); i++) {
        if (path[i] && path[i] != '/') continue;
        if (i >= sizeof part) return false;
        LinkInfo info;
        memcpy(part, path, i);
        part[i] = '\0';
        if (LINK_INFO(file->id, part, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
            return false;
    }
    return true;
}

/// The one of our types that equals `type`; false if none does.
static bool find_type(H5Set *set, hid_t type)
{
    int64_t size = (int64_t)H5Tget_size(type);
    for (int kind = SET_F32; kind <= SET_COMMIT; kind++) {
        int64_t text_bytes = kind == SET_TEXT ? size : kind == SET_INDEX ? size - 24 : 1;
        if (text_bytes < 1) continue;
        hid_t ours = new_type((SetType)kind, text_bytes);
        bool equal = ours >= 0 && H5Tequal(ours, type) > 0;
        close_id(H5Tclose, ours);
        if (!equal) continue;
        set->type = (SetType)kind;
        set->text_bytes = text_bytes;
        return true;
    }
    return false;
}

/// Shape, with its bytes checked against those of the storage without overflow.
static bool read_shape(H5Set *set, hid_t space, size_t element_size)
{
    hsize_t dims[MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || rank > MAX_RANK || H5Sget_simple_extent_type(space) == H5S_NULL) return false;
    if (H5Sget_simple_extent_dims(space, dims, NULL) != rank) return false;
    int64_t bytes = (int64_t)element_size;
    bool empty = false;
    set->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (dims[i] > INT64_MAX) return false;
        set->dims[i] = (int64_t)dims[i];
        if (!dims[i]) empty = true;
    }
    for (int i = 0; i < rank && !empty; i++) {
        if (set->dims[i] > INT64_MAX / bytes) return false;
        bytes *= set->dims[i];
    }
    return set->bytes == (empty ? 0 : bytes);
}

static bool is_contiguous(hid_t id)
{
    hid_t layout = H5Dget_create_plist(id);
    if (layout < 0) return false;
    bool yes = H5Pget_layout(layout) == H5D_CONTIGUOUS && H5Pget_external_count(layout) == 0;
    H5Pclose(layout);
    return yes;
}

Status h5_find(H5File *file, const char *path, H5Set *set, int64_t file_bytes)
{
    Status status = OK;
    hid_t id = -1, type = -1, space = -1;
    *set = (H5Set){ 0 };
    if (!is_within_file(file, path)) FAIL(FAILED, "%s: %s is not in the file", file->path, path);
    id = H5Dopen2(file->id, path, H5P_DEFAULT);
    if (id >= 0) type = H5Dget_type(id);
    if (id >= 0) space = H5Dget_space(id);
    if (type < 0 || space < 0) TRY(fail(file, "cannot open", path));
    if (!is_contiguous(id) || !find_type(set, type))
        FAIL(FAILED, "%s: %s is not stored as temper stores it", file->path, path);
    take_address(set, id);
    if (!read_shape(set, space, H5Tget_size(type)))
        FAIL(FAILED, "%s: the shape of %s does not fit its storage", file->path, path);
    if (set->offset_bytes < 0 || set->bytes > file_bytes ||
        set->offset_bytes > file_bytes - set->bytes)
        FAIL(FAILED, "%s: %s needs %" PRId64 " bytes at %" PRId64 " but the file has %" PRId64,
             file->path, path, set->bytes, set->offset_bytes, file_bytes);
done:
    close_id(H5Sclose, space);
    close_id(H5Tclose, type);
    close_id(H5Dclose, id);
    return status;
}

Status h5_add_value(H5File *file, const Value *value)
{
    Status status = OK;
    const void *const data[] = {
        [VALUE_TEXT] = value->text, [VALUE_INT] = &value->integer, [VALUE_REAL] = &value->real
    };
    hid_t type = value->kind == VALUE_TEXT  ? new_text_type((int64_t)strlen(value->text) + 1)
                 : value->kind == VALUE_INT ? H5Tcopy(H5T_STD_I64LE)
                                            : H5Tcopy(H5T_IEEE_F64LE);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t id = H5Acreate2(file->id, value->name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (id < 0 || H5Awrite(id, type, data[value->kind]) < 0)
        status = fail(file, "cannot store", value->name);
    close_id(H5Aclose, id);
    close_id(H5Sclose, space);
    close_id(H5Tclose, type);
    return status;
}

/// A scalar of one of the three kinds into `out` (its text is owned); false for anything else.
static bool read_value(Value *out, hid_t id, hid_t type, hid_t space)
{
    size_t size = H5Tget_size(type);
    if (H5Sget_simple_extent_type(space) != H5S_SCALAR) return false;
    if (H5Tequal(type, H5T_STD_I64LE) > 0) {
        out->kind = VALUE_INT;
        return H5Aread(id, H5T_STD_I64LE, &out->integer) >= 0;
    }
    if (H5Tequal(type, H5T_IEEE_F64LE) > 0) {
        out->kind = VALUE_REAL;
        return H5Aread(id, H5T_IEEE_F64LE, &out->real) >= 0;
    }
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) return false;
    if (size < 1 || size > MAX_TEXT_BYTES) return false;
    char *text = MEM_NEW(char, size + 1);
    out->kind = VALUE_TEXT;
    out->text = text;
    return H5Aread(id, type, text) >= 0;
}

static Status read_attribute(Value *out, H5File *file, hsize_t index)
{
    Status status = OK;
    char name[1024];
    hid_t type = -1, space = -1;
    hid_t id =
        H5Aopen_by_idx(file->id, "/", H5_INDEX_NAME, H5_ITER_INC, index, H5P_DEFAULT, H5P_DEFAULT);
    if (id >= 0) type = H5Aget_type(id);
    if (id >= 0) space = H5Aget_space(id);
    ssize_t length = id < 0 ? -1 : H5Aget_name(id, sizeof name, name);
    if (type < 0 || space < 0 || length < 0 || length >= (ssize_t)sizeof name)
        TRY(fail(file, "cannot read the attributes of", "/"));
    out->name = mem_copy_text(name);
    if (!read_value(out, id, type, space))
        FAIL(FAILED, "%s: attribute %s is not stored as temper stores it", file->path, name);
done:
    close_id(H5Sclose, space);
    close_id(H5Tclose, type);
    close_id(H5Aclose, id);
    return status;
}

Status h5_read_values(Value **out, int *count, H5File *file)
{
    Status status = OK;
    ObjectInfo info;
    *out = NULL;
    *count = 0;
    if (OBJECT_INFO(file->id, "/", &info, H5O_INFO_NUM_ATTRS, H5P_DEFAULT) < 0)
        TRY(fail(file, "cannot open", "/"));
    if (info.num_attrs > 65536) FAIL(FAILED, "%s: has too many attributes", file->path);
    *out = MEM_NEW(Value, info.num_attrs);
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        (*count)++;
        TRY(read_attribute(&(*out)[i], file, i));
    }
done:
    if (status != OK) {
        h5_free_values(*out, *count);
        *out = NULL;
        *count = 0;
    }
    return status;
}

void h5_free_values(Value *values, int count)
{
    for (int i = 0; i < count; i++) {
        mem_free((char *)values[i].name); // owned, though the contract's field is const
        if (values[i].kind == VALUE_TEXT) mem_free((char *)values[i].text);
    }
    mem_free(values);
}

void h5_library(char out[32])
{
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(out, 32, "%u.%u.%u", major, minor, release);
}
