#include "base/findings.h"

#include <string.h>

static void add_line(Text *lines, const char *line)
{
    size_t bytes = strlen(line);
    for (const char *at = text_chars(lines); *at; at += strspn(at, "\n")) {
        size_t length = strcspn(at, "\n");
        if (length == bytes && !memcmp(at, line, bytes)) return;
        at += length;
    }
    text_printf(lines, "%s%s", lines->length_bytes ? "\n" : "", line);
}

bool findings_add(Findings *findings, Status status)
{
    if (status == OK) return true;
    if (findings->status == OK) findings->status = status;
    Text message = { 0 };
    text_append(&message, status_message());
    char *rest = message.data;
    for (char *line; (line = strsep(&rest, "\n"));) add_line(&findings->lines, line);
    text_release(&message);
    status_clear();
    return false;
}

Status findings_end(Findings *findings)
{
    Status status = findings->status;
    if (status != OK) status_fail(status, "%s", text_chars(&findings->lines));
    text_release(&findings->lines);
    *findings = (Findings){ 0 };
    return status;
}
