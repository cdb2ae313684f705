#include "train/series.h"
#include "base/mem.h"
#include "store/json.h"
#include "store/tensors.h"

#include <string.h>

typedef struct {
    const char *name, *path;
    ElementType type;
} Column;

static const Column columns[] = {
    { "step", "series/step", ELEMENT_I64 },
    { "epoch", "series/epoch", ELEMENT_F64 },
    { "loss", "series/loss", ELEMENT_F64 },
    { "learning_rate", "series/learning_rate", ELEMENT_F64 },
    { "grad_norm", "series/grad_norm", ELEMENT_F64 },
    { "tokens", "series/tokens", ELEMENT_I64 },
    { "seconds", "series/seconds", ELEMENT_F64 },
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static int64_t count_lines(const char *text)
{
    int64_t lines = 0;
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

/// Row `row` of every column from one line; false for lines that are no step (evaluations).
static bool read_line(double *reals[COLUMNS], int64_t *integers[COLUMNS], int64_t row, char *line)
{
    Json *object = NULL;
    if (json_parse(&object, line, strlen(line), "metrics.jsonl") != OK) return false;
    bool is_step = json_is_int(json_get(object, "step")) && !json_get(object, "split");
    for (int c = 0; c < COLUMNS && is_step; c++) {
        const Json *value = json_get(object, columns[c].name);
        if (columns[c].type == ELEMENT_I64)
            integers[c][row] = json_int(value, 0);
        else
            reals[c][row] = json_number(value, 0);
    }
    json_free(object);
    return is_step;
}

static Status write_columns(const Recipe *recipe, double *reals[COLUMNS],
                            int64_t *integers[COLUMNS], int64_t rows)
{
    Text path = { 0 }, text = { 0 };
    TensorPart parts[COLUMNS];
    Comm self = comm_self();
    text_printf(&path, "%s/metrics.h5", recipe->output.folder);
    recipe_print(&text, recipe);
    Value value = { .name = "recipe", .kind = VALUE_TEXT, .text = text_chars(&text) };
    for (int c = 0; c < COLUMNS; c++) {
        bool whole = columns[c].type == ELEMENT_I64;
        parts[c] = (TensorPart){ .path = columns[c].path,
                                 .type = columns[c].type,
                                 .rank = 1,
                                 .dims = { rows },
                                 .count = rows,
                                 .data = whole ? (void *)integers[c] : (void *)reals[c] };
    }
    Status status = tensors_write(&self, path.data, "metrics", &value, 1, parts, COLUMNS);
    text_release(&path);
    text_release(&text);
    return status;
}

Status series_write(const Recipe *recipe)
{
    Status status = OK;
    Text path = { 0 };
    char *text = NULL, *rest;
    double *reals[COLUMNS] = { NULL };
    int64_t *integers[COLUMNS] = { NULL }, rows = 0;
    text_printf(&path, "%s/metrics.jsonl", recipe->output.folder);
    TRY(text_read_file(&text, NULL, path.data));
    for (int c = 0; c < COLUMNS; c++) {
        if (columns[c].type == ELEMENT_I64)
            integers[c] = MEM_NEW(int64_t, count_lines(text));
        else
            reals[c] = MEM_NEW(double, count_lines(text));
    }
    rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && rest;)
        rows += read_line(reals, integers, rows, line);
    TRY(write_columns(recipe, reals, integers, rows));
done:
    for (int c = 0; c < COLUMNS; c++) {
        mem_free(reals[c]);
        mem_free(integers[c]);
    }
    mem_free(text);
    text_release(&path);
    return status;
}
