#include "train/efficiency.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/// What one rank knows.
typedef struct {
    double seconds[PHASES];
    double memory_bytes; ///< high water, of what ranks share this one's part
} Share;

/// What all of them make.
typedef struct {
    double seconds[PHASES]; ///< in the mean
    double total_s, other_s;
    double fastest_s, slowest_s, waiting_s; ///< own work of a rank in all steps
    double memory_bytes;                    ///< the most of a rank
} Totals;

/// What others have too, beyond this rank's part of it: the kernel's high water counts it whole.
static double others_bytes(void)
{
    char line[256];
    double all_kib = 0, part_kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "Rss: %lf", &all_kib);
        sscanf(line, "Pss: %lf", &part_kib);
    }
    if (file) fclose(file);
    return 1024 * (all_kib - part_kib);
}

static double own_work_s(const double *seconds)
{
    return seconds[PHASE_FORWARD] + seconds[PHASE_BACKWARD];
}

static void add_up(Totals *out, const Share *all, int ranks, double total_s)
{
    *out = (Totals){ .total_s = total_s, .other_s = total_s, .fastest_s = total_s };
    for (int rank = 0; rank < ranks; rank++) {
        double own_s = own_work_s(all[rank].seconds);
        for (int i = 0; i < PHASES; i++) out->seconds[i] += all[rank].seconds[i] / ranks;
        if (own_s < out->fastest_s) out->fastest_s = own_s;
        if (own_s > out->slowest_s) out->slowest_s = own_s;
        if (all[rank].memory_bytes > out->memory_bytes) out->memory_bytes = all[rank].memory_bytes;
    }
    for (int i = 0; i < PHASES; i++) out->other_s -= out->seconds[i];
    if (out->other_s < 0) out->other_s = 0; // clocks of ranks
    out->waiting_s = out->slowest_s - own_work_s(out->seconds);
}

static double save_bytes_per_s(const Trainer *t)
{
    double seconds = t->phases.save_s;
    return seconds > 0 ? (double)t->phases.saves * trainer_checkpoint_bytes(t) / seconds : 0;
}

static void print_phases(const Totals *totals)
{
    Text line = { 0 };
    for (int i = 0; i < PHASES; i++)
        text_printf(&line, "%s %.1f %%, ", phase_names[i],
                    100 * totals->seconds[i] / totals->total_s);
    log_info("time: %sother %.1f %%", line.data, 100 * totals->other_s / totals->total_s);
    text_release(&line);
}

static void print(const Trainer *t, const Totals *totals, double gflops)
{
    const Phases *p = &t->phases;
    log_info("efficiency: %" PRId64 " steps, %.0f tok/s, %.0f GFLOP/s (%.0f %% of sgemm)", p->steps,
             (double)p->tokens / totals->total_s, gflops, 100 * gflops / t->limit_gflops);
    print_phases(totals);
    log_info("ranks: forward and backward %.4f to %.4f s a step; they wait %.1f %% of the time for "
             "the slowest",
             totals->fastest_s / (double)p->steps, totals->slowest_s / (double)p->steps,
             100 * totals->waiting_s / totals->total_s);
    log_info("memory: at most %.3f GB a rank, %.3f GB planned; checkpoints: %" PRId64 ", %.0f MB/s",
             totals->memory_bytes / 1e9, t->planned_bytes / 1e9, p->saves,
             save_bytes_per_s(t) / 1e6);
}

static Json *pair(const char *one, double first, const char *other, double second)
{
    Json *object = json_new_object();
    json_set_number(object, one, first);
    json_set_number(object, other, second);
    return object;
}

static Json *describe(const Trainer *t, const Totals *totals, double gflops)
{
    const Phases *p = &t->phases;
    Json *object = json_new_object(), *phases = json_new_object(), *saves = json_new_object();
    json_set_int(object, "steps", p->steps);
    json_set_int(object, "tokens", p->tokens);
    json_set_number(object, "seconds", totals->total_s);
    json_set_number(object, "tokens_per_second", (double)p->tokens / totals->total_s);
    json_set_number(object, "gflops", gflops);
    json_set_number(object, "sgemm_share", gflops / t->limit_gflops);
    for (int i = 0; i < PHASES; i++) json_set_number(phases, phase_names[i], totals->seconds[i]);
    json_set_number(phases, "other", totals->other_s);
    json_set(object, "phases_s", phases);
    json_set(object, "own_work_s",
             pair("fastest", totals->fastest_s / (double)p->steps, "slowest",
                  totals->slowest_s / (double)p->steps));
    json_set_number(object, "waiting_share", totals->waiting_s / totals->total_s);
    json_set(object, "memory_bytes",
             pair("most", totals->memory_bytes, "planned", t->planned_bytes));
    json_set_int(saves, "count", p->saves);
    json_set_number(saves, "bytes_per_second", save_bytes_per_s(t));
    json_set(object, "checkpoints", saves);
    return object;
}

Json *efficiency_report(const Trainer *t)
{
    const Phases *p = &t->phases;
    struct rusage usage = { 0 };
    Share mine, *all = MEM_NEW(Share, t->comm->size);
    int64_t *counts_bytes = MEM_NEW(int64_t, t->comm->size);
    Json *object = NULL;
    getrusage(RUSAGE_SELF, &usage);
    comm_barrier(t->comm); // all have what they share
    mine.memory_bytes = 1024 * (double)usage.ru_maxrss - others_bytes();
    memcpy(mine.seconds, p->seconds, sizeof mine.seconds);
    for (int rank = 0; rank < t->comm->size; rank++) counts_bytes[rank] = sizeof mine;
    comm_gather_all(t->comm, all, &mine, counts_bytes);
    Totals totals;
    add_up(&totals, all, t->comm->size, p->end_s - p->start_s);
    if (t->comm->rank == 0 && p->steps) {
        double gflops = p->flops / totals.total_s / 1e9;
        print(t, &totals, gflops);
        object = describe(t, &totals, gflops);
    }
    mem_free(counts_bytes);
    mem_free(all);
    return object;
}

void efficiency_put(Json *results, const Json *efficiency, const Trainer *t)
{
    Json *before = NULL;
    Text path = { 0 };
    text_printf(&path, "%s/report.json", t->recipe->output.folder);
    if (!efficiency && t->resumed_here && json_parse_file(&before, path.data) == OK)
        efficiency = json_get(before, "efficiency");
    if (efficiency) json_set(results, "efficiency", json_clone(efficiency));
    status_clear(); // there may be none
    json_free(before);
    text_release(&path);
}
