/* TEST labels=train timeout=60 */
#include "base/mem.h"
#include "store/json.h"
#include "support/check.h"
#include "train/significance.h"

#include <stdlib.h>

enum { MOST = 32 };

static Json *golden_cases(void)
{
    Json *document = NULL;
    Text path = { 0 };
    const char *source = getenv("TEMPER_SOURCE");
    text_printf(&path, "%s/tests/golden/significance.json", source ? source : ".");
    if (json_parse_file(&document, path.data) != OK)
        check_failed(__FILE__, __LINE__, "%s", status_message());
    text_release(&path);
    return document;
}

static Outcomes read_outcomes(const Json *golden, int model)
{
    const Json *labels = json_get(golden, "labels");
    const Json *logits = json_at(json_get(golden, "logits"), model);
    Outcomes out = { .rows = json_size(labels),
                     .label_count = (int)json_int(json_get(golden, "label_count"), 0) };
    int64_t count = out.rows * out.label_count;
    out.labels = MEM_NEW(int32_t, out.rows);
    out.logits = MEM_NEW(float, count);
    CHECK_EQ(json_size(logits), count);
    for (int64_t i = 0; i < out.rows; i++)
        out.labels[i] = (int32_t)json_int(json_at(labels, i), -1);
    for (int64_t i = 0; i < count; i++) out.logits[i] = (float)json_number(json_at(logits, i), 0);
    return out;
}

static void check_interval(const char *what, Interval found, const Json *expected, double within)
{
    double low = json_number(json_at(expected, 0), NAN);
    double high = json_number(json_at(expected, 1), NAN);
    if (!(fabs(found.low - low) <= within) || !(fabs(found.high - high) <= within))
        check_failed(__FILE__, __LINE__, "%s: %.17g to %.17g, expected %.17g to %.17g", what,
                     found.low, found.high, low, high);
}

static void check_case(const Json *golden)
{
    Outcomes first = read_outcomes(golden, 0), second = read_outcomes(golden, 1);
    const Json *alone = json_get(golden, "alone"), *scipy = json_get(golden, "scipy");
    Interval intervals[MOST];
    int count = 0, known = 0;
    while (metric_names[count]) count++;
    bootstrap_intervals(intervals, count, &first);
    for (int k = 0; k < count; k++) {
        const Json *expected = json_get(json_get(golden, "intervals"), metric_names[k]);
        if (!expected) continue;
        known++;
        check_interval(metric_names[k], intervals[k], expected, 1e-12);
        // an answer more or less is 1 / rows
        if (json_get(scipy, metric_names[k]))
            check_interval("scipy", intervals[k], json_get(scipy, metric_names[k]),
                           1.01 / (double)first.rows);
    }
    CHECK_EQ(known, 5);
    McNemar found = mcnemar_exact(&first, &second);
    CHECK_EQ(found.first_alone, json_int(json_at(alone, 0), -1));
    CHECK_EQ(found.second_alone, json_int(json_at(alone, 1), -1));
    CHECK_NEAR(found.p, json_number(json_get(golden, "p"), NAN), 1e-12);
    outcomes_release(&second);
    outcomes_release(&first);
}

static void agrees_with_scipy_and_statsmodels(void)
{
    Json *document = golden_cases();
    const Json *cases = json_get(document, "cases");
    CHECK_EQ(json_size(cases), 5);
    for (int64_t i = 0; i < json_size(cases); i++) check_case(json_at(cases, i));
    json_free(document);
    CHECK_EQ(mem_live_blocks(), 0);
}

int main(int argc, char **argv)
{
    static const Case cases[] = { { "agrees_with_scipy_and_statsmodels",
                                    agrees_with_scipy_and_statsmodels } };
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
