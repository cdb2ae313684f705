#include "train/outcomes.h"
#include "base/mem.h"
#include "store/json.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void print(Text *out, const Model *model, const Dataset *data, const int64_t *rows,
                  int64_t count, const float *logits)
{
    int64_t labels = model->spec.num_labels;
    text_append(out, "{\"labels\": ");
    json_quote_list(out, model->label_names, labels);
    text_append(out, "}\n");
    for (int64_t i = 0; i < count; i++) {
        text_printf(out, "{\"row\": %" PRId64 ", \"label\": %d, \"logits\": [",
                    data->row_numbers[rows[i]], data->labels[rows[i]]);
        for (int64_t k = 0; k < labels; k++) {
            if (k) text_append(out, ", ");
            text_printf(out, "%.9g", (double)logits[i * labels + k]);
        }
        text_append(out, "]}\n");
    }
}

static void file_path(Text *out, const char *run)
{
    text_printf(out, "%s/test.jsonl", run);
}

Status outcomes_write(const char *run, const Model *model, const Dataset *data, const float *logits)
{
    Text path = { 0 }, lines = { 0 };
    int64_t *rows, count = dataset_split_rows(data, SPLIT_TEST, &rows);
    print(&lines, model, data, rows, count, logits);
    file_path(&path, run);
    Status status = text_write_file(path.data, lines.data, lines.length_bytes);
    mem_free(rows);
    text_release(&lines);
    text_release(&path);
    return status;
}

static bool read_names(Outcomes *out, const Json *line)
{
    const Json *names = json_get(line, "labels");
    Text text = { 0 };
    if (!json_is_array(names) || !json_size(names)) return false;
    json_print(&text, names, 0);
    out->names = text.data;
    out->label_count = (int)json_size(names);
    return true;
}

static bool read_row(Outcomes *out, const Json *line)
{
    const Json *logits = json_get(line, "logits");
    int64_t label = json_int(json_get(line, "label"), -1), row = out->rows++;
    if (json_size(logits) != out->label_count || label < 0 || label >= out->label_count)
        return false;
    out->numbers[row] = json_int(json_get(line, "row"), 0);
    out->labels[row] = (int32_t)label;
    for (int k = 0; k < out->label_count; k++)
        out->logits[row * out->label_count + k] = (float)json_number(json_at(logits, k), 0);
    return true;
}

static int64_t count_lines(const char *text)
{
    int64_t lines = 0;
    for (; *text; text++) lines += *text == '\n';
    return lines;
}

static Status read_lines(Outcomes *out, char *text, const char *path)
{
    Status status = OK;
    Json *line = NULL;
    int64_t lines = count_lines(text), bytes = (int64_t)strlen(text), number = 0;
    for (char *at; number < lines && (at = strsep(&text, "\n"));) {
        json_free(line);
        TRY(json_parse(&line, at, strlen(at), path));
        if (!(number++ ? read_row(out, line) : read_names(out, line)))
            FAIL(FAILED, "%s: line %" PRId64 " is no outcome of a row: train the run again", path,
                 number);
        if (number > 1) continue;
        if ((lines - 1) * out->label_count > bytes) // more numbers than could stand there
            FAIL(FAILED, "%s: is too short for %d labels: train the run again", path,
                 out->label_count);
        out->numbers = MEM_NEW(int64_t, lines);
        out->labels = MEM_NEW(int32_t, lines);
        out->logits = MEM_NEW(float, lines * out->label_count);
    }
done:
    json_free(line);
    return status;
}

Status outcomes_read(Outcomes *out, const char *run)
{
    Status status = OK;
    char *text = NULL;
    Text path = { 0 };
    *out = (Outcomes){ 0 };
    file_path(&path, run);
    if (access(path.data, F_OK)) goto done;
    TRY(text_read_file(&text, NULL, path.data));
    TRY(read_lines(out, text, path.data));
done:
    mem_free(text);
    text_release(&path);
    return status;
}

void outcomes_release(Outcomes *outcomes)
{
    mem_free(outcomes->names);
    mem_free(outcomes->logits);
    mem_free(outcomes->labels);
    mem_free(outcomes->numbers);
    *outcomes = (Outcomes){ 0 };
}
