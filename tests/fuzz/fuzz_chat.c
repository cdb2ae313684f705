#include "base/mem.h"
#include "data/chat.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// Messages in every template: what is spoken lies in the text, in order.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Json *messages = NULL;
    if (json_parse(&messages, (const char *)data, bytes, "fuzz") != OK) return 0;
    for (int i = 0; chat_template_names[i]; i++) {
        Rendered out = { 0 };
        Status status = chat_render(&out, chat_template_names[i], messages, bytes % 2, "fuzz");
        size_t end = 0;
        for (int k = 0; status == OK && k < out.count; k++) {
            CHECK(end <= out.spoken[k].first && out.spoken[k].first <= out.spoken[k].end,
                  "spoken out of order");
            end = out.spoken[k].end;
        }
        CHECK(end <= out.text.length_bytes, "spoken after the end");
        rendered_release(&out);
    }
    json_free(messages);
    return 0;
}
