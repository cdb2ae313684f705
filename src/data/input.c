#include "data/input.h"
#include "base/file.h"

#include <string.h>
#include <unistd.h>

Status input_open(Input *out, const char *path)
{
    *out = (Input){ .name = path, .file = -1 };
    return file_open(&out->file, &out->bytes, path);
}

Input input_of_memory(const char *name, const char *data, size_t bytes)
{
    return (Input){ .name = name, .file = -1, .memory = data, .bytes = (int64_t)bytes };
}

void input_close(Input *input)
{
    if (input->file >= 0) close(input->file);
    input->file = -1;
}

Status input_read(const Input *input, int64_t at, void *out, size_t bytes, size_t *got)
{
    *got = 0;
    if (at >= input->bytes) return OK;
    *got = bytes < (size_t)(input->bytes - at) ? bytes : (size_t)(input->bytes - at);
    if (input->file >= 0) return file_read_at(out, *got, input->file, at, input->name);
    memcpy(out, input->memory + at, *got);
    return OK;
}

Status input_skip_mark(Input *input)
{
    unsigned char mark[3] = { 0 };
    size_t got;
    Status status = input_read(input, 0, mark, sizeof mark, &got);
    if (status != OK) return status;
    if (!memcmp(mark, "\xFF\xFE", 2) || !memcmp(mark, "\xFE\xFF", 2))
        return status_fail(FAILED, "%s is UTF-16: convert it to UTF-8 first", input->name);
    input->first = !memcmp(mark, "\xEF\xBB\xBF", 3) ? 3 : 0;
    return OK;
}
