#include "train/features.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "infer/rows.h"
#include "linalg/row_blocks.h"
#include "store/tensors.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double keep_every_s = 600; // what a life that is killed loses at most

void features_release(Features *features)
{
    arena_release(&features->memory);
    mem_free(features->labels);
    mem_free(features->missing);
    *features = (Features){ 0 };
}

/// Pages of zeros, which cost nothing until they are written.
static void reserve_rows(Features *f)
{
    size_t bytes = (size_t)(f->rows * f->width) * sizeof *f->x;
    arena_init(&f->memory, bytes + 64);
    f->x = arena_take(&f->memory, bytes);
}

static void give_back_rows(Features *f)
{
    arena_release(&f->memory);
    f->x = NULL;
}

static void copy_features(void *results, const InferredLeaf *leaf, void *context)
{
    Output out = model_output(leaf->model, leaf->weights, leaf->tape);
    (void)context;
    memcpy(results, out.x->value, (size_t)(out.x->rows * out.x->cols) * sizeof(float));
}

/// What features depend on.
static void describe(Text *out, const Trainer *t)
{
    Text config = { 0 };
    json_print(&config, t->model->config, 0);
    text_printf(out, "%s %08x %s %08x %s %" PRId64, t->model->source_sha256,
                (unsigned)t->model->file_crc, t->recipe->model.init,
                (unsigned)crc32c(0, config.data, config.length_bytes), t->data->content_key,
                t->recipe->train.seed);
    text_release(&config);
}

static void name_file(Text *out, const Trainer *t)
{
    text_printf(out, "%s/features.h5", t->recipe->output.folder);
}

/// The next run of rows from `at` on, before `end`, whose flag is `value`; of none the count is 0.
static RowRange next_run(const uint8_t *flags, bool value, int64_t at, int64_t end)
{
    while (at < end && !flags[at] == value) at++;
    RowRange run = { .first = at };
    while (at < end && !flags[at] != value) at++;
    run.count = at - run.first;
    return run;
}

static int64_t count_flags(const uint8_t *flags, int64_t count)
{
    int64_t set = 0;
    for (int64_t i = 0; i < count; i++) set += flags[i] != 0;
    return set;
}

/// Collective. A flag is set where it is on some rank.
COLLECTIVE
static void join_flags(const Comm *comm, uint8_t *flags, int64_t count)
{
    enum { AT_ONCE = 4096 };
    int64_t some[AT_ONCE];
    for (int64_t at = 0; at < count; at += AT_ONCE) {
        int size = (int)(count - at < AT_ONCE ? count - at : AT_ONCE);
        for (int i = 0; i < size; i++) some[i] = flags[at + i];
        comm_max_int64(comm, some, size);
        for (int i = 0; i < size; i++) flags[at + i] = some[i] != 0;
    }
}

static bool is_same(const Features *f, TensorFile *file, const Trainer *t)
{
    Text key = { 0 };
    const TensorInfo *info = tensors_find(file, "features");
    describe(&key, t);
    bool same = info && info->type == ELEMENT_F32 && info->rank == 2 &&
                info->dims[0] == f->all_rows && info->dims[1] == f->width &&
                !strcmp(tensors_text(file, "key", ""), key.data);
    text_release(&key);
    return same;
}

static Status read_flags(Features *f, TensorFile *file)
{
    Status status = OK;
    const TensorInfo *info = tensors_find(file, "computed");
    memset(f->missing, 0, (size_t)f->all_rows);
    if (!info) goto done;
    if (info->type != ELEMENT_U8 || info->elements != f->all_rows)
        FAIL(FAILED, "%s: computed is not a flag of each row", tensors_file_path(file));
    TRY(tensors_read(file, info, 0, f->all_rows, f->missing));
    for (int64_t i = 0; i < f->all_rows; i++) f->missing[i] = !f->missing[i];
done:
    return status;
}

/// Local. What the file has of this rank's rows, and which of all it has not: all, where it is of
/// something else. Pages of rows that it has not stay untouched.
static Status read_file(Features *f, const Trainer *t)
{
    Status status = OK;
    TensorFile *file = NULL;
    Text path = { 0 };
    int64_t end = f->first + f->rows;
    name_file(&path, t);
    give_back_rows(f);
    memset(f->missing, 1, (size_t)f->all_rows);
    if (access(path.data, F_OK)) goto done;
    TRY(tensors_open(&file, path.data, "features"));
    if (!is_same(f, file, t)) goto done;
    TRY(read_flags(f, file));
    const TensorInfo *info = tensors_find(file, "features");
    reserve_rows(f);
    for (RowRange run = next_run(f->missing, false, f->first, end); run.count;
         run = next_run(f->missing, false, run.first + run.count, end))
        TRY(tensors_read(file, info, run.first * f->width, run.count * f->width,
                         f->x + (run.first - f->first) * f->width));
done:
    tensors_close(file);
    text_release(&path);
    return status;
}

static Status check_place(const Trainer *t)
{
    Text path = { 0 };
    struct stat info;
    Status status = OK;
    name_file(&path, t);
    if (!lstat(path.data, &info) && S_ISDIR(info.st_mode))
        status = status_fail(FAILED, "%s is a folder: remove it", path.data);
    text_release(&path);
    return status;
}

static void report(const Features *f, const Trainer *t)
{
    log_info("linear probe: %" PRId64 " of %" PRId64 " rows have their features in %s/features.h5",
             f->all_rows - count_flags(f->missing, f->all_rows), f->all_rows,
             t->recipe->output.folder);
}

/// Collective. Of a file that cannot be read all rows are missing.
COLLECTIVE
static Status find_kept(Features *f, const Trainer *t)
{
    Status status = OK;
    TRY_ROOT(t->comm, check_place(t));
    if (agree(t->comm, read_file(f, t)) != OK) {
        log_warn("%s; it is computed again", status_message());
        status_clear();
        memset(f->missing, 1, (size_t)f->all_rows);
    }
    join_flags(t->comm, f->missing, f->all_rows);
    if (count_flags(f->missing, f->all_rows) < f->all_rows) report(f, t);
done:
    return status;
}

/// A pass over what is missing.
typedef struct {
    Deadline *deadline;
    double start_s;
    bool asked; ///< before
    bool stops; ///< the run, not the pass alone
} Turn;

static bool ends_turn(void *context)
{
    Turn *turn = context;
    bool first = !turn->asked;
    turn->asked = true;
    turn->deadline->owes = first; // every life computes some: else no life would ever end the run
    turn->stops = deadline_presses(turn->deadline);
    turn->deadline->owes = false;
    bool late = fault_at("features-keep") || clock_now_s() - turn->start_s > keep_every_s;
    return turn->stops || (late && !first);
}

/// This rank's ranges of the file: what it computed, and of its rows those that nobody did.
static TensorRange *list_ranges(int *count, const Features *f, const OwnRows *own,
                                const uint8_t *fresh)
{
    int64_t end = f->first + f->rows, runs = own->range_count;
    const float *results = own->results;
    for (RowRange run = next_run(fresh, false, f->first, end); run.count; runs++)
        run = next_run(fresh, false, run.first + run.count, end);
    TensorRange *ranges = MEM_NEW(TensorRange, runs + 1);
    *count = 0;
    for (int64_t i = 0; i < own->range_count; i++) {
        RowRange rows = own->ranges[i];
        ranges[(*count)++] = (TensorRange){ rows.first * f->width, rows.count * f->width, results };
        results += rows.count * f->width;
    }
    for (RowRange run = next_run(fresh, false, f->first, end); run.count;
         run = next_run(fresh, false, run.first + run.count, end))
        ranges[(*count)++] = (TensorRange){ run.first * f->width, run.count * f->width,
                                            f->x + (run.first - f->first) * f->width };
    return ranges;
}

/// Collective. The file anew: with what was computed, and what it had.
COLLECTIVE
static Status write_file(const Features *f, const Trainer *t, const OwnRows *own,
                         const uint8_t *fresh)
{
    Text path = { 0 }, key = { 0 };
    int range_count;
    bool whole = !count_flags(f->missing, f->all_rows);
    uint8_t *there = MEM_NEW(uint8_t, f->all_rows);
    TensorRange *ranges = list_ranges(&range_count, f, own, fresh);
    name_file(&path, t);
    describe(&key, t);
    for (int64_t i = 0; i < f->all_rows; i++) there[i] = !f->missing[i];
    Value value = { .name = "key", .kind = VALUE_TEXT, .text = key.data };
    TensorPart parts[] = { { .path = "features",
                             .type = ELEMENT_F32,
                             .rank = 2,
                             .dims = { f->all_rows, f->width },
                             .more = ranges,
                             .more_count = range_count },
                           { .path = "computed",
                             .type = ELEMENT_U8,
                             .rank = 1,
                             .dims = { f->all_rows },
                             .count = t->comm->rank ? 0 : f->all_rows,
                             .data = there } };
    Status status = tensors_write(t->comm, path.data, "features", &value, 1, parts, whole ? 1 : 2);
    mem_free(ranges);
    mem_free(there);
    text_release(&key);
    text_release(&path);
    return status;
}

/// Collective. Joins what ranks computed to what there was, in the file.
COLLECTIVE
static Status keep(Features *f, Trainer *t, const OwnRows *own)
{
    Status status = OK;
    double start_s = clock_now_s();
    uint8_t *fresh = MEM_NEW(uint8_t, f->all_rows);
    for (int64_t i = 0; i < own->range_count; i++)
        memset(fresh + own->ranges[i].first, 1, (size_t)own->ranges[i].count);
    join_flags(t->comm, fresh, f->all_rows);
    int64_t computed = count_flags(fresh, f->all_rows);
    if (!computed) goto done; // agreed: joined
    for (int64_t i = 0; i < f->all_rows; i++) {
        if (!fresh[i]) continue;
        f->missing[i] = 0;
        f->tokens += dataset_length(t->data, t->batches.rows[i]);
    }
    f->computed += computed;
    if (!f->x) reserve_rows(f);
    TRY_ROOT(t->comm, lock_check(t->lock));
    TRY(write_file(f, t, own, fresh));
    deadline_spent(&t->deadline, WORK_SAVE, clock_now_s() - start_s);
done:
    mem_free(fresh);
    return status;
}

/// Collective. Until all are computed, it is time to keep what there is, or the run stops.
COLLECTIVE
static Status compute(Features *f, Trainer *t)
{
    OwnRows own;
    Turn turn = { .deadline = &t->deadline, .start_s = clock_now_s() };
    Watch watch = { ends_turn, &turn, false };
    Inference inference = { .row_bytes = (size_t)f->width * sizeof(float),
                            .run = copy_features,
                            .watch = &watch };
    phases_lap(&t->phases, PHASE_FORWARD);
    infer_own_rows(t->comm, &own, &inference, t->model, t->data, t->batches.rows, f->all_rows,
                   f->missing);
    phases_lap(&t->phases, PHASE_CHECKPOINT);
    int64_t stops = turn.stops;
    comm_max_int64(t->comm, &stops, 1);
    f->stopped = stops;
    Status status = keep(f, t, &own);
    own_rows_release(&own);
    phases_lap(&t->phases, PHASE_DATA);
    return status;
}

/// Local. What was written is what is there.
static Status read_again(Features *f, const Trainer *t)
{
    Status status = OK;
    int64_t missing = count_flags(f->missing, f->all_rows);
    TRY(read_file(f, t));
    if (!f->x || count_flags(f->missing, f->all_rows) != missing)
        FAIL(FAILED, "%s/features.h5 was replaced meanwhile", t->recipe->output.folder);
done:
    return status;
}

static Status check_finite(const Features *f, const Trainer *t)
{
    for (int64_t i = 0; i < f->rows * f->width; i++)
        if (!isfinite(f->x[i]))
            return status_fail(FAILED,
                               "linear probe: the features of row %" PRId64
                               " (from 0) of %s are not finite: the model overflows on it; choose "
                               "another model or leave the row out",
                               t->batches.rows[f->first + i / f->width], t->data->path);
    return OK;
}

/// Collective. Whether what comes behind features that took their time is for the next life.
COLLECTIVE
static bool leaves_rest(Trainer *t, double then_s)
{
    t->deadline.then_s = then_s;
    int64_t stops = deadline_presses(&t->deadline);
    t->deadline.then_s = 0;
    comm_max_int64(t->comm, &stops, 1);
    return stops;
}

Status features_take(Features *f, Trainer *t, int64_t width, double then_s)
{
    Status status = OK;
    RowBlocks blocks;
    row_blocks_init(&blocks, t->comm, t->batches.count);
    *f = (Features){
        .all_rows = t->batches.count, .first = blocks.first, .rows = blocks.rows, .width = width
    };
    f->missing = MEM_NEW(uint8_t, f->all_rows);
    f->labels = MEM_NEW(int32_t, f->rows + 1);
    for (int64_t i = 0; i < f->rows; i++)
        f->labels[i] = t->data->labels[t->batches.rows[f->first + i]];
    deadline_save_bytes(&t->deadline, sizeof(float) * (double)f->all_rows * (double)width);
    TRY(find_kept(f, t));
    while (count_flags(f->missing, f->all_rows)) { // agreed: joined, or read by all
        TRY(compute(f, t));
        if (f->stopped) break; // agreed: by all
        TRY_ALL(t->comm, read_again(f, t));
    }
    if (f->computed && !f->stopped) f->stopped = leaves_rest(t, then_s); // agreed: by all
    if (f->stopped)
        report(f, t);
    else
        TRY_ALL(t->comm, check_finite(f, t));
done:
    return status;
}
