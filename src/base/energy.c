#include "base/energy.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PERIOD_S = 60 };

static bool read_number(int64_t *out, const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool read = fscanf(file, "%" SCNd64, out) == 1;
    fclose(file);
    return read;
}

static void take(Energy *energy)
{
    for (int i = 0; i < energy->count; i++) {
        EnergyZone *zone = &energy->zones[i];
        int64_t now;
        if (!read_number(&now, zone->path, "energy_uj")) continue;
        energy->used_uj += now - zone->last_uj + (now < zone->last_uj ? zone->range_uj : 0);
        zone->last_uj = now;
    }
}

static void *sample(void *context)
{
    Energy *energy = context;
    for (;;) {
        struct timespec due;
        clock_gettime(CLOCK_REALTIME, &due);
        due.tv_sec += PERIOD_S;
        int stopped;
        while ((stopped = sem_timedwait(&energy->stopped, &due)) && errno == EINTR) continue;
        take(energy);
        if (!stopped) return NULL;
    }
}

void energy_start(Energy *energy, const char *folder)
{
    char pattern[512];
    glob_t found = { 0 };
    *energy = (Energy){ 0 };
    snprintf(pattern, sizeof pattern, "%s/intel-rapl:*", folder);
    glob(pattern, 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc && energy->count < ENERGY_ZONES; i++) {
        EnergyZone *zone = &energy->zones[energy->count];
        const char *number = strrchr(found.gl_pathv[i], '/') + strlen("/intel-rapl:");
        if (strchr(number, ':')) continue; // a part of a package
        if (snprintf(zone->path, sizeof zone->path, "%s", found.gl_pathv[i]) >=
            (int)sizeof zone->path)
            continue;
        energy->count += read_number(&zone->last_uj, zone->path, "energy_uj") &&
                         read_number(&zone->range_uj, zone->path, "max_energy_range_uj");
    }
    globfree(&found);
    if (!energy->count) return;
    sem_init(&energy->stopped, 0, 0);
    energy->runs = pthread_create(&energy->thread, NULL, sample, energy) == 0;
}

double energy_stop(Energy *energy)
{
    if (!energy->runs) return -1;
    sem_post(&energy->stopped);
    pthread_join(energy->thread, NULL);
    energy->runs = false;
    return 1e-6 * (double)energy->used_uj;
}
