/* TEST labels=base timeout=60 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/profile.h"
#include "support/check.h"

#include <stdlib.h>

/// As if so long had passed: a test that waited would depend on how busy the machine is.
static void pass(Profile *profile, double seconds)
{
    profile->last_s -= seconds;
}

/// The cells of the n-th line of a table, with blank ones as "".
static void cells(char out[7][24], const char *table, int n)
{
    static const int ends[] = { 16, 27, 38, 47, 58, 69, 80 };
    for (; n; n--) table = strchr(table, '\n') + 1;
    for (int i = 0, at = 0; i < 7; at = ends[i++]) {
        int length = 0;
        for (; at < ends[i] && table[at] != '\n'; at++)
            if (table[at] != ' ' && table[at] != '%') out[i][length++] = table[at];
        out[i][length] = '\0';
    }
}

static void lines_add_up(void)
{
    Profile profile = { 0 };
    Text table = { 0 };
    char row[7][24];
    double start_s = clock_now_s();
    profile_start(&profile);
    for (int i = 0; i < 3; i++) {
        pass(&profile, 2);
        profile_lap(&profile, "small", "forward", 0, 6e9);
        pass(&profile, 10);
        profile_lap(&profile, "large", "backward", 2e12, 0);
    }
    double elapsed_s = clock_now_s() - start_s + 36;
    profile_lap(NULL, "none", "forward", 1, 1);
    profile_print(&table, &profile);
    static const char *const titles[] = { "part",  "phase",   "seconds", "share",
                                          "calls", "GFLOP/s", "GB/s" };
    cells(row, table.data, 0);
    for (int i = 0; i < 7; i++) CHECK_TEXT(row[i], titles[i]);
    static const char *const names[] = { "large", "small", "total" };
    double seconds[3], shares[3], rates[3][2], calls[3];
    for (int i = 0; i < 3; i++) {
        cells(row, table.data, 1 + i);
        CHECK_TEXT(row[0], names[i]);
        seconds[i] = atof(row[2]);
        shares[i] = atof(row[3]);
        calls[i] = atof(row[4]);
        for (int k = 0; k < 2; k++) rates[i][k] = *row[5 + k] ? atof(row[5 + k]) : -1;
    }
    CHECK_TRUE(seconds[0] >= 30 && seconds[1] >= 6);
    CHECK_TRUE(seconds[2] <= elapsed_s + 0.001); // no time is booked twice
    CHECK_NEAR(seconds[2], seconds[0] + seconds[1], 0.0021);
    CHECK_NEAR(shares[0] + shares[1], 100, 0.11);
    CHECK_NEAR(shares[0], 100 * seconds[0] / seconds[2], 0.06);
    CHECK_TRUE(shares[2] == 100 && calls[0] == 3 && calls[1] == 3 && calls[2] == 6);
    CHECK_NEAR(rates[0][0], 6000 / seconds[0], 0.06);
    CHECK_NEAR(rates[1][1], 18 / seconds[1], 0.06);
    CHECK_NEAR(rates[2][0], 6000 / seconds[2], 0.06);
    CHECK_TRUE(rates[0][1] == -1 && rates[1][0] == -1);
    CHECK_EQ(strlen(table.data), 4 * 81);
    text_release(&table);
}

static void an_empty_table_has_a_total(void)
{
    Profile profile = { 0 };
    Text table = { 0 };
    profile_print(&table, &profile);
    CHECK_TRUE(strstr(table.data, "\ntotal ") && !strstr(table.data, "nan"));
    text_release(&table);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "lines add up", lines_add_up },
    { "an empty table has a total", an_empty_table_has_a_total },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
