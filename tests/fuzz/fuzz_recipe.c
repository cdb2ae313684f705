/// A recipe with its slurm section: what is accepted prints to a recipe that is the same, and its
/// batch script has the values of that section on lines of their own.
#include "base/mem.h"
#include "cli/job.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// Before the first command there are comments alone.
static void check_script(const char *script)
{
    const char *end = strstr(script, "\nset -u\n");
    CHECK(end, "no script");
    for (const char *at = script; at < end; at = strchr(at, '\n') + 1)
        CHECK(*at == '#', "a line that is no comment: %.*s", (int)strcspn(at, "\n"), at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Recipe *recipe = MEM_NEW(Recipe, 1), *again = MEM_NEW(Recipe, 1);
    Text text = { 0 }, once = { 0 }, twice = { 0 }, script = { 0 };
    Settings none = { 0 };
    text_append_bytes(&text, (const char *)data, bytes);
    text_append(&text, "");
    if (bytes && recipe_parse(recipe, text.data, "fuzz") == OK) {
        recipe_print(&once, recipe);
        CHECK(recipe_parse(again, once.data, "printed") == OK, "%s", status_message());
        recipe_print(&twice, again);
        CHECK(!strcmp(once.data, twice.data), "printed twice: %s", twice.data);
        if (job_script(&script, recipe, "r.yaml", &none, "temper") == OK) check_script(script.data);
    }
    text_release(&script);
    text_release(&twice);
    text_release(&once);
    text_release(&text);
    mem_free(again);
    mem_free(recipe);
    return 0;
}
