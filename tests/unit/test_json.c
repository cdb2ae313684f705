/* TEST labels=store timeout=60 */
#include "base/mem.h"
#include "store/json.h"
#include "support/check.h"

static Status parse(Json **out, const char *text)
{
    return json_parse(out, text, strlen(text), "here");
}

static void reads_values(void)
{
    Json *document;
    CHECK_EQ(parse(&document, "{\"t\": \"x\", \"i\": -3, \"r\": 2.5, \"b\": true, \"n\": null,"
                              " \"a\": [1, 2], \"o\": {\"z\": 1, \"y\": 2}}"),
             OK);
    CHECK_TEXT(json_text(json_get(document, "t"), ""), "x");
    CHECK_TEXT(json_text(json_get(document, "i"), "fallback"), "fallback");
    CHECK_EQ(json_int(json_get(document, "i"), 0), -3);
    CHECK_EQ(json_int(json_get(document, "r"), 7), 7);
    CHECK_TRUE(json_number(json_get(document, "r"), 0) == 2.5);
    CHECK_TRUE(json_number(json_get(document, "i"), 0) == -3);
    CHECK_TRUE(json_bool(json_get(document, "b"), false));
    CHECK_TRUE(json_is_null(json_get(document, "n")));
    CHECK_TRUE(json_is_null(json_get(document, "absent")));
    CHECK_TRUE(json_is_array(json_get(document, "a")));
    CHECK_TRUE(json_is_object(json_get(document, "o")));
    CHECK_TRUE(!json_is_object(NULL) && !json_is_array(NULL));
    CHECK_EQ(json_size(json_get(document, "a")), 2);
    CHECK_EQ(json_size(json_get(document, "t")), 0);
    CHECK_EQ(json_int(json_at(json_get(document, "a"), 1), 0), 2);
    CHECK_TRUE(!json_at(json_get(document, "a"), 2) && !json_at(json_get(document, "a"), -1));
    CHECK_TRUE(!json_get(json_get(document, "t"), "x") && !json_get(NULL, "x"));
    json_free(document);
}

static void walks_in_file_order(void)
{
    Json *document, *value;
    void *iterator = NULL;
    const char *key;
    Text keys = { 0 };
    CHECK_EQ(parse(&document, "{\"z\": 1, \"a\": 2, \"m\": 3}"), OK);
    while (json_next(document, &iterator, &key, &value))
        text_printf(&keys, "%s%d", key, (int)json_int(value, 0));
    CHECK_TEXT(text_chars(&keys), "z1a2m3");
    text_release(&keys);
    json_free(document);
}

static void refuses_with_line_and_column(void)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        { "", "here: column 0" },          { "{\"a\": 1,\n \"a\": 2}", "here: line 2, column " },
        { "{\"a\": 1", "here: column 7" }, { "[1, 2] x", "here: column 8" },
        { "\"\xFF\"", "here: column 1" },  { "123456789012345678901234567890", "here: column 30" }
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Json *document;
        CHECK_EQ(parse(&document, wrong[i].text), FAILED);
        CHECK_TRUE(!document);
        if (!strstr(status_message(), wrong[i].message))
            check_failed(__FILE__, __LINE__, "%s", status_message());
        json_free(document);
    }
}

static void bounds_nesting(void)
{
    enum { DEPTH = 100000 };
    Json *document;
    char *text = MEM_NEW(char, DEPTH);
    memset(text, '[', DEPTH);
    CHECK_EQ(json_parse(&document, text, DEPTH, "deep"), FAILED);
    mem_free(text);
}

static void quotes_any_bytes(void)
{
    static const struct {
        const char *text, *quoted;
        size_t bytes;
    } texts[] = {
        { "a\"b\\c\n", "\"a\\\"b\\\\c\\n\"", 6 },
        { "\x01\0x", "\"\\u0001\\u0000x\"", 3 },
        { "\xE5\x8C\x97", "\"\xE5\x8C\x97\"", 3 },
        { "\x7F\xC2\x85\xE2\x80\xA8\xEF\xBB\xBF", "\"\\u007f\\u0085\\u2028\\ufeff\"", 9 },
        { "\xFFz\xC3", "\"\xEF\xBF\xBDz\xEF\xBF\xBD\"", 3 },
        { "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", 3 },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Text out = { 0 };
        json_quote(&out, texts[i].text, texts[i].bytes);
        CHECK_TEXT(text_chars(&out), texts[i].quoted);
        text_release(&out);
    }
}

static void builds_and_prints(void)
{
    Json *object = json_new_object(), *list = json_new_array();
    Text out = { 0 };
    json_set_text(object, "t", "x");
    json_set_int(object, "i", 3);
    json_set_number(object, "r", 0.5);
    json_set_bool(object, "b", false);
    json_append(list, json_new_text("y"));
    json_set(object, "l", list);
    Json *copy = json_clone(object);
    json_remove(object, "t");
    json_print(&out, object, 0);
    CHECK_TEXT(text_chars(&out), "{\"i\": 3, \"r\": 0.5, \"b\": false, \"l\": [\"y\"]}");
    CHECK_TEXT(json_text(json_get(copy, "t"), ""), "x");
    text_release(&out);
    json_free(copy);
    json_free(object);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Numbers as they were written, and the layout of Python's json.
static void prints_as_it_read(void)
{
    static const char *const texts[] = {
        "{\n  \"p\": 0.1,\n  \"e\": 1e-12,\n  \"one\": 1.0,\n  \"n\": -3,\n  \"o\": {},\n"
        "  \"l\": [\n    null,\n    {\n      \"b\": true\n    },\n    []\n  ],\n"
        "  \"t\": \"\xE5\x8C\x97\\n\\\"\"\n}",
        "[]",
        "5e-05",
        "\"x\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Json *document;
        Text out = { 0 };
        CHECK_EQ(parse(&document, texts[i]), OK);
        json_print(&out, document, 2);
        CHECK_TEXT(text_chars(&out), texts[i]);
        text_release(&out);
        json_free(document);
    }
}

static const Case cases[] = {
    { "reads values", reads_values },
    { "walks in file order", walks_in_file_order },
    { "refuses with line and column", refuses_with_line_and_column },
    { "bounds nesting", bounds_nesting },
    { "quotes any bytes", quotes_any_bytes },
    { "builds and prints", builds_and_prints },
    { "prints as it read", prints_as_it_read },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
