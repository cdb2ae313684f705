#include "train/outcomes.h"
#include "base/mem.h"
#include "store/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static void print_sums(Text *out, const Model *model, const Dataset *data, const int64_t *rows,
                       int64_t count, const TokenSums *sums)
{
    text_printf(out, "{\"task\": \"%s\"}\n", model->head->task);
    for (int64_t i = 0; i < count; i++) {
        text_printf(out, "{\"row\": %" PRId64 ", \"loss\": ", data->row_numbers[rows[i]]);
        text_real(out, sums[i].loss);
        text_printf(out, ", \"targets\": %" PRId64 ", \"right\": %" PRId64 "}\n", sums[i].targets,
                    sums[i].right);
    }
}

static void print_logits(Text *out, const Model *model, const Dataset *data, const int64_t *rows,
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

Status outcomes_write(const char *run, const Model *model, const Dataset *data,
                      const Evaluation *test)
{
    Text path = { 0 }, lines = { 0 };
    int64_t *rows, count = dataset_split_rows(data, SPLIT_TEST, &rows);
    if (test->sums)
        print_sums(&lines, model, data, rows, count, test->sums);
    else
        print_logits(&lines, model, data, rows, count, test->logits);
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
    const char *task = json_text(json_get(line, "task"), "");
    Text text = { 0 };
    if (*task) {
        out->names = mem_copy_text(task);
        return true;
    }
    if (!json_is_array(names) || !json_size(names)) return false;
    json_print(&text, names, 0);
    out->names = text.data;
    out->label_count = (int)json_size(names);
    return true;
}

static bool read_sums(Outcomes *out, const Json *line)
{
    int64_t row = out->rows++;
    TokenSums *sums = &out->sums[row];
    *sums = (TokenSums){ json_number(json_get(line, "loss"), NAN),
                         json_int(json_get(line, "right"), -1),
                         json_int(json_get(line, "targets"), -1) };
    out->numbers[row] = json_int(json_get(line, "row"), 0);
    return !isnan(sums->loss) && sums->right >= 0 && sums->targets >= sums->right;
}

static bool read_logits(Outcomes *out, const Json *line)
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

static bool read_row(Outcomes *out, const Json *line)
{
    return out->label_count ? read_logits(out, line) : read_sums(out, line);
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
        if (!out->label_count) {
            out->sums = MEM_NEW(TokenSums, lines);
            continue;
        }
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
    mem_free(outcomes->sums);
    mem_free(outcomes->labels);
    mem_free(outcomes->numbers);
    *outcomes = (Outcomes){ 0 };
}
