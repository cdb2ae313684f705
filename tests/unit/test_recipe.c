/* TEST labels=train timeout=60 */
#include "base/mem.h"
#include "support/check.h"
#include "train/recipe.h"

/// Values that YAML would take for something else, or not at all, without quotes.
static const char *const hostile[] = {
    "plain",
    "a/b_c-1.5+x",
    "\"",
    "'",
    "#",
    "a #b",
    "[x",
    "[1, 2]",
    "{x",
    "*all",
    "&all",
    "!tag",
    "- a",
    "-",
    "--- a",
    "? a",
    "a: b",
    "a:",
    ": a",
    "%a",
    "@a",
    "`a",
    "|",
    ">",
    " leading",
    "trailing  ",
    " ",
    "two\nlines",
    "\n",
    "a\r\nb",
    "tab\t",
    "~",
    "null",
    "Null",
    "NULL",
    "\\",
    "\\n",
    "\x01\x1F\x7F",
    "\xE5\x8C\x97\xE4\xBA\xAC",
    "\xC2\x80\xC2\x85\xC2\x9F\xC2\xA0",
    "\xE2\x80\xA8\xE2\x80\xA9",
    "\xEF\xBB\xBF",
    "\xEF\xBF\xBE\xEF\xBF\xBF",
    "\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF",
    "model.path: other\ndata.path: other",
};

static void fill(Recipe *recipe, const char *value)
{
    Settings settings = { 0 };
    settings_add(&settings, "model.path", "m", "here");
    settings_add(&settings, "data.path", value, "here");
    settings_add(&settings, "data.text", value, "here");
    settings_add(&settings, "output.folder", "o", "here");
    settings_add(&settings, "train.learning_rate", "0.1", "here");
    memset(recipe, 0, sizeof *recipe);
    CHECK_EQ(options_read(recipe, recipe_options, &settings), OK);
    settings_release(&settings);
}

static void hostile_texts_come_back(void)
{
    Recipe *given = MEM_NEW(Recipe, 1), *back = MEM_NEW(Recipe, 1);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        Text text = { 0 }, again = { 0 };
        fill(given, hostile[i]);
        recipe_print(&text, given);
        if (recipe_parse(back, text.data, "printed") != OK)
            check_failed(__FILE__, __LINE__, "%s of\n%s", status_message(), text.data);
        CHECK_TEXT(back->data.path, hostile[i]);
        CHECK_TEXT(back->data.text, hostile[i]);
        CHECK_TEXT(back->output.folder, "o");
        CHECK_TRUE(back->train.learning_rate == 0.1);
        recipe_print(&again, back);
        CHECK_TEXT(again.data, text.data);
        text_release(&again);
        text_release(&text);
    }
    mem_free(back);
    mem_free(given);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// What needs no quotes has none, and what is empty stays so.
static void prints_plainly(void)
{
    Recipe *recipe = MEM_NEW(Recipe, 1);
    Text text = { 0 };
    fill(recipe, "jobs/data/sms-spam.tsv");
    recipe_print(&text, recipe);
    CHECK_TRUE(strstr(text.data, "\ndata.path: jobs/data/sms-spam.tsv\n"));
    CHECK_TRUE(strstr(text.data, "\ndata.text_pair: \n"));
    CHECK_TRUE(strstr(text.data, "\ntrain.learning_rate: 0.1\n"));
    CHECK_TRUE(!strchr(text.data, '"'));
    text_release(&text);
    mem_free(recipe);
}

static const Case cases[] = {
    { "hostile texts come back", hostile_texts_come_back },
    { "prints plainly", prints_plainly },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
