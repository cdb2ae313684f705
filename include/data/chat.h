/// How prompts and messages are written for a model to read.
#pragma once
#include "base/text.h"
#include "store/json.h"

/// Bytes [first, end) of a rendered text that the model is to say.
typedef struct {
    size_t first, end;
} Spoken;

/// A text with what is to be said in it, reused. `(Rendered){0}` is empty.
typedef struct {
    Text text;
    Spoken *spoken; ///< (count), owned
    int count, capacity;
} Rendered;
void rendered_release(Rendered *rendered);

extern const char *const chat_template_names[]; ///< "none", "chatml", ..., ended by NULL

/// Local. Messages [{"role": ..., "content": ...}, ...]; what the assistant says, with its end, is
/// spoken. With `open`, the text ends where the assistant begins to speak. FAILED with `where` for
/// what is no such list, or a template that is "none".
Status chat_render(Rendered *out, const char *template_name, const Json *messages, bool open,
                   const char *where);
/// Local. A prompt as the user's message and a completion as the answer (NULL: the text ends where
/// it begins), after the words of a system ("": the template's). "none": all one after the other,
/// as they are.
void chat_render_pair(Rendered *out, const char *template_name, const char *system,
                      const char *prompt, size_t prompt_bytes, const char *completion,
                      size_t completion_bytes);
/// Local. The text that ends what the assistant says, "" for "none".
const char *chat_end(const char *template_name);
