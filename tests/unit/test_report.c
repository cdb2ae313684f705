/* TEST labels=report timeout=60 */
#include "base/mem.h"
#include "base/text.h"
#include "report/report.h"
#include "report/svg.h"
#include "support/check.h"

#include <stdlib.h>
#include <unistd.h>

static const char hostile[] = "<script>alert('x')</script>&\"\x01";

static char folder[] = "/tmp/temper-report-XXXXXX";

/// A file of the run folder, with the folder's name put before it.
static char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static char *read_back(const char *name)
{
    char *text = NULL;
    CHECK_EQ(text_read_file(&text, NULL, path_of(name)), OK);
    return text ? text : mem_copy_text("");
}

static int64_t occurrences(const char *text, const char *piece)
{
    int64_t count = 0;
    for (const char *at = text; (at = strstr(at, piece)); at += strlen(piece)) count++;
    return count;
}

static void write_metrics(const Text *lines)
{
    CHECK_EQ(text_write_file(path_of("metrics.jsonl"), text_chars(lines), lines->length_bytes), OK);
}

static double loss_of(int step, int steps)
{
    return 0.1 + exp(-4.0 * step / steps) + 0.01 * (step % 7);
}

static double rate_of(int step, int steps)
{
    return 5e-5 * (1 - (double)step / steps);
}

static void add_steps(Text *lines, int steps)
{
    for (int step = 1; step <= steps; step++) {
        text_printf(lines,
                    "{\"step\": %d, \"epoch\": %.4f, \"loss\": %.6f, \"learning_rate\": %.9g, "
                    "\"grad_norm\": 1.5, \"tokens\": 700, \"seconds\": 0.25}\n",
                    step, 2.0 * step / steps, loss_of(step, steps), rate_of(step, steps));
        if (step % (steps / 4 + 1) == 0)
            text_printf(lines,
                        "{\"step\": %d, \"split\": \"validation\", \"loss\": %.4f, "
                        "\"accuracy\": 0.9}\n",
                        step, 0.12 + exp(-4.0 * step / steps));
    }
}

/// As train makes it; two labels with names that must not reach a page as they are.
static Json *make_results(void)
{
    static const char text[] =
        "{\"title\": \"a <run>\","
        " \"summary\": {\"model\": \"models/minilm-l6.h5\", \"ranks\": 2},"
        " \"splits\": {\"test\": {\"rows\": 100, \"accuracy\": 0.97, \"macro_f1\": 0.9,"
        "   \"per_label\": [{\"label\": \"ham\", \"precision\": 1, \"recall\": 0.9, \"f1\": 0.95,"
        "     \"support\": 70}, {\"precision\": 0.5, \"recall\": 0.25, \"f1\": 0.3333,"
        "     \"support\": 30}],"
        "   \"confusion\": [[61, 9], [3, 27]]}},"
        " \"recipe\": {\"train.epochs\": 2, \"train.shuffle\": true}}";
    Json *results = NULL;
    CHECK_EQ(json_parse(&results, text, sizeof text - 1, "results"), OK);
    Json *labels = json_get(json_get(json_get(results, "splits"), "test"), "per_label");
    json_set_text(json_at(labels, 1), "label", hostile);
    json_set_text(json_get(results, "summary"), "data", hostile);
    return results;
}

/// The n-th line of a picture shows these points: places are linear in the values, steps to the
/// right and greater values up, within the rounding of a tenth of a pixel.
static void check_line(const char *svg, int n, const double *x, const double *y, int count)
{
    double places[100][2];
    const char *at = svg;
    for (int line = 0; at && line <= n; line++) at = strstr(at + 1, "<polyline");
    at = at ? strstr(at, "points=\"") : NULL;
    CHECK_TRUE(at && count <= 100);
    if (!at) return;
    at += strlen("points=\"");
    for (int i = 0; i < count; i++) {
        int taken = 0;
        CHECK_EQ(sscanf(at, "%lf,%lf %n", &places[i][0], &places[i][1], &taken), 2);
        at += taken;
    }
    CHECK_TRUE(*at == '"');
    double across = (places[count - 1][0] - places[0][0]) / (x[count - 1] - x[0]);
    double up = (places[count - 1][1] - places[0][1]) / (y[count - 1] - y[0]);
    CHECK_TRUE(across > 0 && up < 0);
    for (int i = 0; i < count; i++) {
        CHECK_NEAR(places[i][0] - places[0][0], across * (x[i] - x[0]), 0.3);
        CHECK_NEAR(places[i][1] - places[0][1], up * (y[i] - y[0]), 0.3);
    }
}

static void curves_show_the_series(void)
{
    double steps[100], losses[100], rates[100];
    Text lines = { 0 };
    Json *results = make_results();
    for (int i = 0; i < 100; i++) {
        steps[i] = i + 1;
        losses[i] = loss_of(i + 1, 100);
        rates[i] = rate_of(i + 1, 100);
    }
    add_steps(&lines, 100);
    write_metrics(&lines);
    CHECK_EQ(report_write(folder, results), OK);
    char *svg = read_back("loss.svg");
    check_line(svg, 0, steps, losses, 100);
    const double at[] = { 26, 52, 78 };
    double validation[3];
    for (int i = 0; i < 3; i++) validation[i] = 0.12 + exp(-4.0 * at[i] / 100);
    check_line(svg, 2, at, validation, 3);
    check_line(svg, 3, steps, rates, 100);
    mem_free(svg);
    json_free(results);
    text_release(&lines);
}

static void writes_all_three(void)
{
    Text lines = { 0 };
    Json *results = make_results(), *back = NULL;
    add_steps(&lines, 100);
    text_append(&lines, "{\"step\": 101, \"lo"); // torn by a crash
    write_metrics(&lines);
    CHECK_EQ(report_write(folder, results), OK);
    CHECK_EQ(json_parse_file(&back, path_of("report.json")), OK);
    const Json *training = json_get(back, "training");
    CHECK_EQ(json_int(json_get(training, "steps"), 0), 100);
    CHECK_EQ(json_int(json_get(training, "tokens"), 0), 70000);
    CHECK_NEAR(json_number(json_get(training, "tokens_per_second"), 0), 2800, 1e-9);
    CHECK_NEAR(json_number(json_get(training, "epochs"), 0), 2, 1e-9);
    CHECK_TEXT(json_text(json_get(json_get(back, "summary"), "data"), ""), hostile);
    CHECK_TRUE(!json_get(results, "training"));
    char *svg = read_back("loss.svg");
    CHECK_EQ(occurrences(svg, "<polyline"), 4); // each step, smoothed, validation, learning rate
    CHECK_EQ(occurrences(svg, "<circle"), 3);
    CHECK_EQ(occurrences(strstr(svg, "<polyline"), "validation: "), 3);
    mem_free(svg);
    json_free(back);
    json_free(results);
    text_release(&lines);
}

static void escapes_what_is_hostile(void)
{
    Json *results = make_results();
    Text lines = { 0 };
    text_append(&lines, "{\"step\": 1, \"split\": \"<b>\", \"loss\": 0.5}\n"
                        "{\"step\": 2, \"split\": \"<b>\", \"loss\": 0.4}\n");
    write_metrics(&lines);
    CHECK_EQ(report_write(folder, results), OK);
    char *page = read_back("report.html"), *svg = read_back("loss.svg");
    CHECK_TRUE(!strstr(page, "<script"));
    CHECK_TRUE(!strchr(page, '\x01'));
    CHECK_EQ(occurrences(page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"), 4);
    CHECK_EQ(occurrences(page, "a &lt;run&gt;"), 2);
    CHECK_TRUE(!strstr(page, "<b>:") && !strstr(svg, "<b>") && strstr(svg, "&lt;b&gt;"));
    CHECK_TRUE(!strstr(page, "src=") && !strstr(page, "href="));
    CHECK_TRUE(strstr(page, ">27</td>") && strstr(page, "<td>true</td>"));
    mem_free(svg);
    mem_free(page);
    text_release(&lines);
    json_free(results);
}

static void empty_and_missing_metrics(void)
{
    Json *results = json_new_object(), *back = NULL;
    Text lines = { 0 };
    for (int missing = 0; missing < 2; missing++) {
        if (missing) {
            unlink(path_of("metrics.jsonl"));
        } else {
            write_metrics(&lines);
        }
        CHECK_EQ(report_write(folder, results), OK);
        CHECK_EQ(json_parse_file(&back, path_of("report.json")), OK);
        CHECK_EQ(json_int(json_get(json_get(back, "training"), "steps"), -1), 0);
        json_free(back);
        char *svg = read_back("loss.svg");
        CHECK_EQ(occurrences(svg, "<polyline"), 0);
        CHECK_TRUE(!strstr(svg, "nan") && !strstr(svg, "inf"));
        mem_free(svg);
    }
    json_free(results);
}

static void long_runs_stay_small(void)
{
    Json *results = make_results();
    Text lines = { 0 };
    add_steps(&lines, 50000);
    text_append(&lines, "{\"step\": 50001, \"loss\": 9, \"learning_rate\": 0}\n");
    for (int step = 50002; step <= 100000; step++)
        text_printf(&lines, "{\"step\": %d, \"loss\": 0.2, \"learning_rate\": 0}\n", step);
    write_metrics(&lines);
    CHECK_EQ(report_write(folder, results), OK);
    char *svg = read_back("loss.svg"), *page = read_back("report.html");
    CHECK_TRUE(strlen(svg) < 60000);
    CHECK_TRUE(strlen(page) < 80000);
    CHECK_TRUE(strstr(svg, ">10</text>")); // the axis reaches over the one peak
    mem_free(page);
    mem_free(svg);
    text_release(&lines);
    json_free(results);
}

static void a_folder_that_is_not_there(void)
{
    Json *results = json_new_object();
    CHECK_EQ(report_write("/nonexistent/run", results), FAILED);
    CHECK_TRUE(strstr(status_message(), "/nonexistent/run/report.json"));
    json_free(results);
}

static void ticks_are_round(void)
{
    Points points = { 0 };
    Text svg = { 0 };
    points_add(&points, 1, 0.00002);
    points_add(&points, 700, 0.00005);
    svg_plot(&svg, &(Panel){ "rate", 100, &(Curve){ "r", "#000000", CURVE_BOLD, &points }, 1 }, 1,
             "step");
    CHECK_TRUE(strstr(svg.data, ">2e-5</text>") && strstr(svg.data, ">4e-5</text>"));
    CHECK_TRUE(strstr(svg.data, ">0</text>") && strstr(svg.data, ">700</text>"));
    points_release(&points);
    text_release(&svg);
}

static void nothing_is_left(void)
{
    static const char *const names[] = { "metrics.jsonl", "report.json", "loss.svg",
                                         "report.html" };
    for (int i = 0; i < 4; i++) unlink(path_of(names[i]));
    CHECK_EQ(rmdir(folder), 0);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "writes all three", writes_all_three },
    { "curves show the series", curves_show_the_series },
    { "escapes what is hostile", escapes_what_is_hostile },
    { "empty and missing metrics", empty_and_missing_metrics },
    { "long runs stay small", long_runs_stay_small },
    { "a folder that is not there", a_folder_that_is_not_there },
    { "ticks are round", ticks_are_round },
    { "nothing is left", nothing_is_left },
};

int main(int argc, char **argv)
{
    if (!mkdtemp(folder)) return EXIT_FAILURE;
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
