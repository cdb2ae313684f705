#include "report/svg.h"
#include "base/mem.h"
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 860,
    LEFT = 64,
    RIGHT = 20,
    TOP = 34,    ///< above each panel: its title and legend
    BOTTOM = 44, ///< below the last panel: ticks and title of the x axis
    PLOT_WIDTH = WIDTH - LEFT - RIGHT,
    COLUMNS = PLOT_WIDTH / 2, ///< of two pixels, each drawn by its extremes
    MOST_MARKS = 60
};

void points_add(Points *points, double x, double y)
{
    if (points->count == points->capacity) {
        points->capacity = points->capacity ? 2 * points->capacity : 256;
        points->x = mem_resize(points->x, (size_t)points->capacity, sizeof *points->x);
        points->y = mem_resize(points->y, (size_t)points->capacity, sizeof *points->y);
    }
    points->x[points->count] = x;
    points->y[points->count++] = y;
}

void points_release(Points *points)
{
    mem_free(points->x);
    mem_free(points->y);
    *points = (Points){ 0 };
}

typedef struct {
    double low, high, step; ///< `step` between ticks; ticks are whole multiples of it
    double first_px, last_px;
} Axis;

/// The round number (1, 2 or 5 times a power of ten) that cuts `range` into at most `parts`.
static double round_step(double range, int parts)
{
    static const double factors[] = { 1, 2, 5 };
    double unit = pow(10, floor(log10(range / parts)));
    for (int i = 0; i < 3; i++)
        if (factors[i] * unit * parts >= range * (1 - 1e-9)) return factors[i] * unit;
    return 10 * unit;
}

/// Values beyond the bounds are drawn at them: a step between ticks, and the places of all points,
/// stay finite, and ticks apart from each other.
static Axis axis_over(double low, double high, int parts)
{
    static const double most = 1e300, least_range = 1e-300;
    if (!(low <= high)) low = 0, high = 1;
    low = fmax(-most, fmin(most, low));
    high = fmax(-most, fmin(most, high));
    if (low > 0 && low < 0.4 * high) low = 0;
    if (high - low <= 1e-9 * fmax(fabs(low), fabs(high))) { // flat: room on both sides
        double half = low == 0 ? 0.5 : 0.5 * fabs(low);
        low -= half, high += half;
    }
    if (high - low < least_range) high = low + least_range;
    return (Axis){ .low = low, .high = high, .step = round_step(high - low, parts) };
}

static double place(const Axis *axis, double value)
{
    double share = (value - axis->low) / (axis->high - axis->low);
    share = fmax(0, fmin(1, share)); // of a value beyond the bounds of its axis
    return axis->first_px + share * (axis->last_px - axis->first_px);
}

/// "0.05", "1500", "2e-5": as short as the tick's value allows.
static void append_tick(Text *out, double value, double step)
{
    char number[32];
    if (fabs(value) < step * 1e-6) value = 0; // -0 and rounding
    snprintf(number, sizeof number, fabs(value) >= 1e6 ? "%.3g" : "%.6g", value);
    for (const char *c = number; *c; c++) {
        bool padding =
            c > number + 1 && *c == '0' && (c[-1] == '-' || c[-1] == '+') && c[-2] == 'e' && c[1];
        if (*c != '+' && !padding) text_append_bytes(out, c, 1);
    }
}

static Axis x_axis(const Panel *panels, int panel_count)
{
    double low = INFINITY, high = -INFINITY;
    for (int p = 0; p < panel_count; p++) {
        for (int c = 0; c < panels[p].curve_count; c++) {
            const Points *points = panels[p].curves[c].points;
            if (!points->count) continue;
            low = fmin(low, points->x[0]);
            high = fmax(high, points->x[points->count - 1]);
        }
    }
    Axis axis = axis_over(low, high, 8);
    axis.step = fmax(axis.step, 1); // steps are whole
    axis.first_px = LEFT;
    axis.last_px = LEFT + PLOT_WIDTH;
    return axis;
}

static Axis y_axis(const Panel *panel, int top)
{
    double low = INFINITY, high = -INFINITY;
    for (int c = 0; c < panel->curve_count; c++) {
        const Points *points = panel->curves[c].points;
        for (int64_t i = 0; i < points->count; i++) {
            low = fmin(low, points->y[i]);
            high = fmax(high, points->y[i]);
        }
    }
    Axis axis = axis_over(low, high, panel->height / 36);
    axis.low = floor(axis.low / axis.step + 1e-9) * axis.step;
    axis.high = ceil(axis.high / axis.step - 1e-9) * axis.step;
    axis.first_px = top + panel->height;
    axis.last_px = top;
    return axis;
}

static void append_point(Text *out, const Axis *x, const Axis *y, const Points *points, int64_t i)
{
    text_printf(out, "%.1f,%.1f ", place(x, points->x[i]), place(y, points->y[i]));
}

/// The points of a line: all, or the lowest and the highest of each column in their order.
static void append_line(Text *out, const Axis *x, const Axis *y, const Points *points)
{
    for (int64_t first = 0, end; first < points->count; first = end) {
        int64_t least = first, most = first;
        double column = floor((place(x, points->x[first]) - LEFT) / 2);
        for (end = first; end < points->count; end++) {
            if (points->count > COLUMNS ? floor((place(x, points->x[end]) - LEFT) / 2) != column
                                        : end > first)
                break;
            if (points->y[end] < points->y[least]) least = end;
            if (points->y[end] > points->y[most]) most = end;
        }
        append_point(out, x, y, points, least < most ? least : most);
        if (least != most) append_point(out, x, y, points, least < most ? most : least);
    }
}

static const struct {
    double width, opacity;
} styles[] = {
    [CURVE_FAINT] = { 1, 0.4 },
    [CURVE_BOLD] = { 2, 1 },
    [CURVE_MARKED] = { 1.5, 1 },
};

static void append_marks(Text *out, const Axis *x, const Axis *y, const Curve *curve)
{
    const Points *points = curve->points;
    int64_t stride = (points->count + MOST_MARKS - 1) / MOST_MARKS;
    for (int64_t i = (points->count - 1) % stride; i < points->count; i += stride) {
        text_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"><title>",
                    place(x, points->x[i]), place(y, points->y[i]), curve->color);
        html_escape(out, curve->name);
        text_printf(out, ": %.4g at step %.0f</title></circle>\n", points->y[i], points->x[i]);
    }
}

static void append_curve(Text *out, const Axis *x, const Axis *y, const Curve *curve)
{
    if (!curve->points->count) return;
    text_printf(out,
                "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%g\" stroke-opacity=\"%g\" "
                "stroke-linejoin=\"round\" points=\"",
                curve->color, styles[curve->style].width, styles[curve->style].opacity);
    append_line(out, x, y, curve->points);
    text_append(out, "\"/>\n");
    if (curve->style == CURVE_MARKED || curve->points->count == 1) append_marks(out, x, y, curve);
}

/// Lines and numbers of the y axis.
static void append_grid(Text *out, const Axis *y)
{
    int64_t last = llround(y->high / y->step);
    for (int64_t i = llround(y->low / y->step); i <= last; i++) {
        double at = place(y, (double)i * y->step);
        text_printf(out, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                    LEFT, LEFT + PLOT_WIDTH, at, at,
                    i == llround(y->low / y->step) ? "#8a94a3" : "#e4e8ee");
        text_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 8, at + 4);
        append_tick(out, (double)i * y->step, y->step);
        text_append(out, "</text>\n");
    }
}

/// The curves' names, right-aligned above the panel.
static void append_legend(Text *out, const Panel *panel, int top)
{
    double at = LEFT + PLOT_WIDTH;
    if (panel->curve_count < 2) return;
    for (int c = panel->curve_count - 1; c >= 0; c--) {
        const Curve *curve = &panel->curves[c];
        if (!curve->points->count) continue;
        size_t letters = strlen(curve->name);
        text_printf(out, "<text x=\"%.0f\" y=\"%d\" text-anchor=\"end\">", at, top - 11);
        html_escape(out, curve->name);
        text_append(out, "</text>\n");
        at -= 6.6 * (double)letters + 8;
        text_printf(out,
                    "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" "
                    "stroke-width=\"3\" stroke-opacity=\"%g\"/>\n",
                    at - 16, at, top - 15, top - 15, curve->color, styles[curve->style].opacity);
        at -= 34;
    }
}

static void append_panel(Text *out, const Panel *panel, const Axis *x, int top)
{
    Axis y = y_axis(panel, top);
    text_printf(out,
                "<text x=\"%d\" y=\"%d\" font-size=\"14\" font-weight=\"600\" fill=\"#1b2430\">",
                LEFT, top - 11);
    html_escape(out, panel->title);
    text_append(out, "</text>\n");
    append_grid(out, &y);
    append_legend(out, panel, top);
    for (int c = 0; c < panel->curve_count; c++) append_curve(out, x, &y, &panel->curves[c]);
}

static void append_x_axis(Text *out, const Axis *x, int bottom, const char *title)
{
    for (int64_t i = (int64_t)ceil(x->low / x->step - 1e-9); (double)i * x->step <= x->high; i++) {
        double at = place(x, (double)i * x->step);
        text_printf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#8a94a3\"/>\n",
                    at, at, bottom, bottom + 5);
        text_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", at, bottom + 19);
        append_tick(out, (double)i * x->step, x->step);
        text_append(out, "</text>\n");
    }
    text_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", LEFT + PLOT_WIDTH / 2,
                bottom + 37);
    html_escape(out, title);
    text_append(out, "</text>\n");
}

void svg_plot(Text *out, const Panel *panels, int panel_count, const char *x_title)
{
    Axis x = x_axis(panels, panel_count);
    int height = BOTTOM;
    for (int p = 0; p < panel_count; p++) height += TOP + panels[p].height;
    text_printf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                "height=\"%d\" role=\"img\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" "
                "font-size=\"12\" fill=\"#4a5565\">\n",
                WIDTH, height, WIDTH, height);
    text_printf(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", WIDTH, height);
    int top = TOP;
    for (int p = 0; p < panel_count; p++) {
        append_panel(out, &panels[p], &x, top);
        top += panels[p].height + (p + 1 < panel_count ? TOP : 0);
    }
    append_x_axis(out, &x, top, x_title);
    text_append(out, "</svg>\n");
}
