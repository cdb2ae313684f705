/* TEST labels=base timeout=20 */
#include "base/energy.h"
#include "support/check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/temper-energy-XXXXXX";

static void put(const char *zone, const char *name, const char *number)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, zone);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder, zone, name);
    FILE *file = fopen(path, "w");
    CHECK_TRUE(file != NULL);
    if (!file) return;
    fprintf(file, "%s\n", number);
    fclose(file);
}

static void nothing_to_read(void)
{
    Energy energy;
    energy_start(&energy, "/nowhere");
    CHECK_NEAR(energy_stop(&energy), -1, 0);
}

/// Packages alone, and one of them goes round.
static void packages(void)
{
    Energy energy;
    CHECK_TRUE(mkdtemp(folder) != NULL);
    const char *zones[] = { "intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl" };
    for (int i = 0; i < 4; i++) put(zones[i], "energy_uj", "9000000");
    for (int i = 0; i < 3; i++) put(zones[i], "max_energy_range_uj", "10000000");
    energy_start(&energy, folder);
    CHECK_EQ(energy.count, 2);
    put(zones[0], "energy_uj", "9500000");
    put(zones[1], "energy_uj", "9800000");
    put(zones[2], "energy_uj", "250000");
    CHECK_NEAR(energy_stop(&energy), 0.5 + 1.25, 1e-12);
}

static void clear_up(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_EQ(system(command), 0);
}

int main(int argc, char **argv)
{
    static const Case cases[] = { { "nothing_to_read", nothing_to_read },
                                  { "packages", packages },
                                  { "clear_up", clear_up } };
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
