/// The self-contained page of a run.
#pragma once
#include "base/text.h"
#include "store/json.h"

/// Local. Appends `text` for use in HTML, XML and quoted attributes; characters that XML forbids
/// become U+FFFD.
void html_escape(Text *out, const char *text);

/// Local. Appends the page of `results` (report/report.h) with `svg`, the curves as an `<svg>`
/// element. No script, nothing from the network; every text is escaped.
void html_page(Text *out, const Json *results, const char *svg);
