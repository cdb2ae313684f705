/* TEST labels=store timeout=60 */
#include "base/mem.h"
#include "base/text.h"
#include "store/yaml.h"
#include "support/check.h"
#include "support/folder.h"

/// What a recipe reads as: "key=value@line;" of every setting, or the message.
static const struct {
    const char *text, *expected;
} readable[] = {
    { "", "" },
    { "# nothing\n", "" },
    { "a: 1\n", "a=1@1;" },
    { "\xEF\xBB\xBF"
      "a: 1\r\nb: 2\r\n",
      "a=1@1;b=2@2;" },
    { "model: {path: m.h5, task: t}\ntrain:\n  epochs: 2\n  # why\n  learning_rate: 5e-5\n",
      "model.path=m.h5@1;model.task=t@1;train.epochs=2@3;train.learning_rate=5e-5@5;" },
    { "data: {split: {validation: 0.1}}\n", "data.split.validation=0.1@1;" },
    { "a: ~\nb: null\nc:\nd: ''\ne: 'null'\n", "a=@1;b=@2;c=@3;d=@4;e=null@5;" },
    { "a: [1, 2.5]\nb: [balanced]\nc: []\nd:\n  - x\n  - y z\n",
      "a=[1, 2.5]@1;b=[balanced]@2;c=[]@3;"
      "d=[x, y z]@4;" },
    { "a: [[1, 2], ['p, q', '', '[']]\n", "a=[[1, 2], [\"p, q\", \"\", \"[\"]]@1;" },
    { "a: \"tab\\t\"\nb: |\n  two\n  lines\n", "a=tab\t@1;b=two\nlines\n@2;" },
    { "data.path: x\n", "data.path=x@1;" },
    { "---\na: yes\n...\n", "a=yes@2;" },
    { "empty: {}\nb: 1\n", "b=1@2;" },
};

static const struct {
    const char *text, *message;
} refused[] = {
    { "a: &x 1\nb: *x\n", "r.yaml:1: anchors are not supported" },
    { "a: 1\nb: *x\n", "r.yaml:2: aliases are not supported" },
    { "a: &m {b: 1}\n", "r.yaml:1: anchors" },
    { "a: &m [1]\n", "r.yaml:1: anchors" },
    { "a: [*x]\n", "r.yaml:1: a list may hold" },
    { "a: !!int 1\n", "r.yaml:1: tags" },
    { "- 1\n- 2\n", "r.yaml:1: the file must be a map" },
    { "text\n", "r.yaml:1: the file must be a map" },
    { "a: 1\n---\nb: 2\n", "r.yaml:2: the file must be one document" },
    { "a: [{b: 1}]\n", "r.yaml:1: a list may hold" },
    { "[a, b]: 1\n", "r.yaml:1: a key must be a name" },
    { "'': 1\n", "r.yaml:1: a key must be a name" },
    { "a: 1\n\tb: 2\n", "r.yaml:2: " },
    { "a: 1\nb: [1, 2\nc: 3\n", "r.yaml:3: " },
    { "a: \"x\\0y\"\n", "r.yaml:1: a text may not hold a zero byte" },
    { "a: 1\nb: \xFF\n", "r.yaml:2: " },
    { "a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", "r.yaml:1: too deeply nested" },
    { "a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: "
      "1}}}}}}}}}}}}}}}}}\n",
      "r.yaml:1: too deeply nested" },
};

static void reads_recipes(void)
{
    for (size_t i = 0; i < sizeof readable / sizeof *readable; i++) {
        Settings settings = { 0 };
        Text text = { 0 };
        Status status = yaml_parse(&settings, readable[i].text, strlen(readable[i].text), "r.yaml");
        if (status != OK) check_failed(__FILE__, __LINE__, "%s", status_message());
        for (int k = 0; k < settings.count; k++) {
            const Setting *setting = &settings.items[k];
            CHECK_TRUE(!strncmp(setting->where, "r.yaml:", 7));
            text_printf(&text, "%s=%s@%s;", setting->key, setting->value, setting->where + 7);
        }
        CHECK_TEXT(text_chars(&text), readable[i].expected);
        text_release(&text);
        settings_release(&settings);
    }
    CHECK_EQ(mem_live_blocks(), 0);
}

static void refuses_with_file_and_line(void)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        Settings settings = { 0 };
        CHECK_EQ(yaml_parse(&settings, refused[i].text, strlen(refused[i].text), "r.yaml"), USAGE);
        if (!strstr(status_message(), refused[i].message))
            check_failed(__FILE__, __LINE__, "'%s' is not in '%s'", refused[i].message,
                         status_message());
        settings_release(&settings);
    }
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Every one is named: they hide no other error.
static void names_repeated_keys(void)
{
    static const char text[] = "a: 1\nb: {c: 2}\na: 3\nb.c: 4\na: 5\n";
    Settings settings = { 0 };
    CHECK_EQ(yaml_parse(&settings, text, strlen(text), "r.yaml"), OK);
    CHECK_EQ(settings_check_once(&settings), USAGE);
    CHECK_TEXT(status_message(), "r.yaml:3: 'a' is given twice, first at r.yaml:1\n"
                                 "r.yaml:4: 'b.c' is given twice, first at r.yaml:2\n"
                                 "r.yaml:5: 'a' is given twice, first at r.yaml:1");
    settings.count = 2;
    CHECK_EQ(settings_check_once(&settings), OK);
    settings.count = 5;
    settings_release(&settings);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void reads_files(void)
{
    Comm self = comm_self();
    Settings settings = { 0 };
    folder_make(&self);
    CHECK_EQ(text_write_file(folder_path("r.yaml"), "a: {b: 1}\n", 10), OK);
    CHECK_EQ(yaml_read(&settings, folder_path("r.yaml")), OK);
    CHECK_EQ(settings.count, 1);
    CHECK_TRUE(strstr(settings.items[0].where, "/r.yaml:1"));
    CHECK_EQ(yaml_read(&settings, folder_path("absent.yaml")), USAGE);
    CHECK_TRUE(strstr(status_message(), "absent.yaml: No such file"));
    settings_release(&settings);
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "reads recipes", reads_recipes },
    { "refuses with file and line", refuses_with_file_and_line },
    { "names repeated keys", names_repeated_keys },
    { "reads files", reads_files },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
