#include "base/profile.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void profile_start(Profile *profile)
{
    if (profile) profile->last_s = clock_now_s();
}

static ProfileLine *find_line(Profile *profile, const char *name, const char *phase)
{
    for (int i = 0; i < profile->count; i++) {
        ProfileLine *line = &profile->lines[i];
        if (!strcmp(line->name, name) && !strcmp(line->phase, phase)) return line;
    }
    CHECK(profile->count < PROFILE_LINES, "more than %d profile lines", PROFILE_LINES);
    ProfileLine *line = &profile->lines[profile->count++];
    *line = (ProfileLine){ .name = name, .phase = phase };
    return line;
}

void profile_lap(Profile *profile, const char *name, const char *phase, double flops, double bytes)
{
    if (!profile) return;
    double now_s = clock_now_s();
    ProfileLine *line = find_line(profile, name, phase);
    line->calls++;
    line->seconds += now_s - profile->last_s;
    line->flops += flops;
    line->bytes += bytes;
    profile->last_s = now_s;
}

static int by_time(const void *left, const void *right)
{
    const ProfileLine *a = left, *b = right;
    return (a->seconds < b->seconds) - (a->seconds > b->seconds);
}

static void append_rate(Text *out, double work, double seconds)
{
    if (work > 0 && seconds > 0)
        text_printf(out, " %10.1f", work / seconds / 1e9);
    else
        text_printf(out, " %10s", "");
}

static void append_line(Text *out, const ProfileLine *line, double total_s)
{
    text_printf(out, "%-16s %-10s %10.3f %6.1f %% %10" PRId64, line->name, line->phase,
                line->seconds, total_s > 0 ? 100 * line->seconds / total_s : 0, line->calls);
    append_rate(out, line->flops, line->seconds);
    append_rate(out, line->bytes, line->seconds);
    text_append(out, "\n");
}

void profile_print(Text *out, const Profile *profile)
{
    Profile sorted = *profile;
    ProfileLine total = { .name = "total", .phase = "" };
    qsort(sorted.lines, (size_t)sorted.count, sizeof *sorted.lines, by_time);
    for (int i = 0; i < sorted.count; i++) {
        total.calls += sorted.lines[i].calls;
        total.seconds += sorted.lines[i].seconds;
        total.flops += sorted.lines[i].flops;
        total.bytes += sorted.lines[i].bytes;
    }
    text_printf(out, "%-16s %-10s %10s %8s %10s %10s %10s\n", "part", "phase", "seconds", "share",
                "calls", "GFLOP/s", "GB/s");
    for (int i = 0; i < sorted.count; i++) append_line(out, &sorted.lines[i], total.seconds);
    append_line(out, &total, total.seconds);
}
