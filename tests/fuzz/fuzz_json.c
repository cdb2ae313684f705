#include "store/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// What was parsed prints to a text that parses to the same text.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Json *document, *again;
    Text once = { 0 }, twice = { 0 }, quoted = { 0 };
    json_quote(&quoted, (const char *)data, bytes);
    CHECK(json_parse(&again, quoted.data, quoted.length_bytes, "quoted") == OK, "%s",
          status_message());
    json_free(again);
    if (json_parse(&document, (const char *)data, bytes, "fuzz") == OK) {
        json_print(&once, document, 0);
        CHECK(json_parse(&again, once.data, once.length_bytes, "printed") == OK, "%s",
              status_message());
        json_print(&twice, again, 0);
        CHECK(!strcmp(once.data, twice.data), "printed twice: %s", twice.data);
        json_free(again);
    }
    json_free(document);
    text_release(&quoted);
    text_release(&twice);
    text_release(&once);
    return 0;
}
