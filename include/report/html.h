/// The self-contained page of a run.
#pragma once
#include "base/text.h"
#include "store/json.h"

/// Local. Appends `text` for use in HTML, XML and quoted attributes; characters that XML forbids
/// become U+FFFD.
void html_escape(Text *out, const char *text);

/// Local. Appends an element with escaped text; `open` is the tag with its attributes.
void html_element(Text *out, const char *open, const char *content, const char *close);
/// What every page begins with.
extern const char html_head[];
/// Local. What a page begins with, up to its heading, and its end.
void html_start(Text *out, const char *title);
void html_end(Text *out);

/// Local. Appends the page of `results` (report/report.h) with `svg`, the curves as an `<svg>`
/// element. No script, nothing from the network; every text is escaped.
void html_page(Text *out, const Json *results, const char *svg);
