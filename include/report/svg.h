/// Line plots as SVG: panels above each other over one x axis, round ticks, bounded size.
#pragma once
#include "base/text.h"

#include <stdint.h>

/// A curve's points, x ascending. `(Points){0}` is empty.
typedef struct {
    double *x, *y; ///< (count), owned
    int64_t count, capacity;
} Points;
void points_add(Points *points, double x, double y);
void points_release(Points *points);

typedef enum { CURVE_FAINT, CURVE_BOLD, CURVE_MARKED } CurveStyle;

typedef struct {
    const char *name;  ///< for the legend; escaped here
    const char *color; ///< "#1f5fa8"
    CurveStyle style;
    const Points *points;
} Curve;

typedef struct {
    const char *title;
    int height; ///< of the plotted area, in pixels
    const Curve *curves;
    int curve_count;
} Panel;

/// Local. Appends one `<svg>` element. A curve of more points than the picture has columns is drawn
/// by its extremes per column, so the size is bounded and no peak is lost.
void svg_plot(Text *out, const Panel *panels, int panel_count, const char *x_title);
