#include "data/chat.h"
#include "base/mem.h"

#include <string.h>

/// What stands around a message. What begins the whole text, the tokenizer adds.
typedef struct {
    const char *name;
    const char *default_system; ///< what a system says where no message does; NULL: nothing
    const char *before_role, *after_role;
    const char *end, *after; ///< the end belongs to what is said, what follows it does not
} ChatTemplate;

static const ChatTemplate templates[] = {
    { "none", NULL, "", "", "", "" },
    { "chatml", NULL, "<|im_start|>", "\n", "<|im_end|>", "\n" },
    { "smollm2", "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
      "<|im_start|>", "\n", "<|im_end|>", "\n" },
    { "llama3", NULL, "<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>", "" },
};
const char *const chat_template_names[] = { "none", "chatml", "smollm2", "llama3", NULL };

static const ChatTemplate *find(const char *name)
{
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (!strcmp(templates[i].name, name)) return &templates[i];
    return &templates[0];
}

void rendered_release(Rendered *rendered)
{
    text_release(&rendered->text);
    mem_free(rendered->spoken);
    *rendered = (Rendered){ 0 };
}

const char *chat_end(const char *template_name)
{
    return find(template_name)->end;
}

static void begin(Rendered *out)
{
    text_clear(&out->text);
    text_append(&out->text, "");
    out->count = 0;
}

static void open_message(Rendered *out, const ChatTemplate *form, const char *role)
{
    text_append(&out->text, form->before_role);
    if (*form->before_role) text_append(&out->text, role);
    text_append(&out->text, form->after_role);
}

static void say(Rendered *out, const ChatTemplate *form, const char *content, size_t bytes,
                bool spoken)
{
    size_t first = out->text.length_bytes;
    text_append_bytes(&out->text, content, bytes);
    text_append(&out->text, form->end);
    if (spoken) {
        if (out->count == out->capacity) {
            out->capacity = out->capacity ? 2 * out->capacity : 4;
            out->spoken = mem_resize(out->spoken, (size_t)out->capacity, sizeof *out->spoken);
        }
        out->spoken[out->count++] = (Spoken){ first, out->text.length_bytes };
    }
    text_append(&out->text, form->after);
}

static void add_system(Rendered *out, const ChatTemplate *form, const char *system)
{
    if (!*system) system = form->default_system;
    if (!system) return;
    open_message(out, form, "system");
    say(out, form, system, strlen(system), false);
}

Status chat_render(Rendered *out, const char *template_name, const Json *messages, bool open,
                   const char *where)
{
    const ChatTemplate *form = find(template_name);
    if (!*form->before_role)
        return status_fail(USAGE, "%s: messages need a data.chat_template", where);
    if (!json_is_array(messages) || !json_size(messages))
        return status_fail(FAILED, "%s: messages must be a list of objects with role and content",
                           where);
    begin(out);
    for (int64_t i = 0; i < json_size(messages); i++) {
        const Json *message = json_at(messages, i), *content = json_get(message, "content");
        const char *role = json_text(json_get(message, "role"), NULL);
        if (!role || !json_is_text(content))
            return status_fail(FAILED, "%s: message %lld has no role or no content that is a text",
                               where, (long long)i + 1);
        if (i == 0 && strcmp(role, "system")) add_system(out, form, "");
        open_message(out, form, role);
        say(out, form, json_text(content, ""), json_text_bytes(content),
            !strcmp(role, "assistant"));
    }
    if (open) open_message(out, form, "assistant");
    return OK;
}

void chat_render_pair(Rendered *out, const char *template_name, const char *system,
                      const char *prompt, size_t prompt_bytes, const char *completion,
                      size_t completion_bytes)
{
    const ChatTemplate *form = find(template_name);
    begin(out);
    add_system(out, form, system);
    open_message(out, form, "user");
    say(out, form, prompt, prompt_bytes, false);
    open_message(out, form, "assistant");
    if (completion) say(out, form, completion, completion_bytes, true);
}
