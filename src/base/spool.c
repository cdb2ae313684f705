#include "base/spool.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// The file goes by itself when it is closed, however the process ends.
static Status open_scratch(Spool *spool)
{
    Status status = OK;
    Text path = { 0 };
    TRY(file_make_folders(spool->folder));
    text_printf(&path, "%s/.scratch-XXXXXX", spool->folder);
    spool->file = mkostemp(path.data, O_CLOEXEC);
    if (spool->file < 0)
        FAIL(FAILED, "%s: no scratch file can be made: %s", spool->folder, strerror(errno));
    unlink(path.data);
    spool->path = path.data;
    path = (Text){ 0 };
done:
    text_release(&path);
    return status;
}

/// Writes out what is buffered, which ends at `bytes`.
static Status flush(Spool *spool)
{
    Status status = OK;
    if (!spool->path) TRY(open_scratch(spool));
    TRY(file_write_at(spool->file, spool->bytes - (int64_t)spool->buffered, spool->buffer,
                      spool->buffered, spool->path));
    spool->buffered = 0;
done:
    return status;
}

/// Room for at least one more byte.
static Status make_room(Spool *spool)
{
    if (spool->buffered < spool->capacity) return OK;
    bool stays = !spool->folder || fault_at("spool-in-memory");
    if (spool->capacity >= SPOOL_BUFFER_BYTES && !stays) return flush(spool);
    spool->capacity = spool->capacity ? 2 * spool->capacity : 256;
    spool->buffer = mem_resize(spool->buffer, spool->capacity, 1);
    return OK;
}

Status spool_append(Spool *spool, const void *data, size_t bytes)
{
    Status status = OK;
    for (size_t at = 0; at < bytes;) {
        TRY(make_room(spool));
        size_t room = spool->capacity - spool->buffered;
        size_t taken = bytes - at < room ? bytes - at : room;
        memcpy(spool->buffer + spool->buffered, (const char *)data + at, taken);
        spool->buffered += taken;
        spool->bytes += (int64_t)taken;
        at += taken;
    }
done:
    return status;
}

Status spool_finish(Spool *spool)
{
    Status status = OK;
    if (!spool->path) {
        spool->data = spool->buffer;
        goto done;
    }
    TRY(flush(spool));
    mem_free(spool->buffer);
    spool->buffer = NULL;
    TRY(file_sync(spool->file, spool->path));
    TRY(file_map(&spool->data, spool->file, spool->bytes, spool->path));
done:
    return status;
}

void spool_release(Spool *spool)
{
    if (spool->path) {
        file_unmap(spool->data, spool->bytes);
        close(spool->file);
    }
    mem_free(spool->path);
    mem_free(spool->buffer);
    *spool = (Spool){ 0 };
}
