/* TEST labels=data ranks=1,2,3,4 timeout=120 */
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "support/check.h"
#include "support/datasets.h"

#include <sys/stat.h>
#include <unistd.h>

static void text_messages(void)
{
    DataOptions options = options_for(TEST_FOLDER "/../../jobs/data/sms-spam.tsv");
    int64_t spam = 0, counts[2][SPLIT_COUNT] = { 0 };
    strcpy(options.text, "SMS");
    strcpy(options.label, "Label");
    strcpy(options.split.validation, "0.1");
    strcpy(options.split.test, "0.1");
    options.max_length = 128;
    Dataset *set = prepare_both(&options);
    char digits[HASH_TEXT_BYTES];
    const Hash hash = hash_bytes(set->splits, (size_t)set->rows);
    hash_text(digits, &hash);
    CHECK_TEXT(digits, "ba711da3c33be324157e13adb7123145"); // the rows of a seed stay
    CHECK_EQ(set->rows, 5574);
    CHECK_EQ(set->label_count, 2);
    CHECK_TEXT(set->label_names[0], "ham");
    CHECK_TEXT(set->label_names[1], "spam");
    for (int64_t i = 0; i < set->rows; i++) {
        spam += set->labels[i];
        counts[set->labels[i]][set->splits[i]]++;
        CHECK_EQ(set->row_numbers[i], i + 2);
    }
    CHECK_EQ(spam, 747);
    CHECK_EQ(counts[0][SPLIT_TEST], 483);
    CHECK_EQ(counts[1][SPLIT_VALIDATION], 74);
    options.split.seed = 1; // other rows, as many
    Dataset *other = prepare_both(&options);
    int64_t moved = 0;
    for (int64_t i = 0; i < set->rows; i++) {
        moved += other->splits[i] != set->splits[i];
        counts[other->labels[i]][other->splits[i]]--;
    }
    CHECK_TRUE(moved > 5574 / 5);
    for (int i = 0; i < 2 * SPLIT_COUNT; i++) CHECK_EQ(counts[i / SPLIT_COUNT][i % SPLIT_COUNT], 0);
    dataset_free(other);
    dataset_free(set);
}

/// Fields that hold everything that could cut a record; few rows, so that most ranks start within
/// one.
static void quoted_fields_span_ranks(void)
{
    Text text = { 0 };
    text_append(&text, "\xEF\xBB\xBFlabel,\"text\"\r\n");
    for (int i = 0; i < 40; i++) {
        text_printf(&text, "%s,\"row %d: \"\"a,\"\"\r\n", i % 3 ? "x" : "\"y\nz\"", i);
        for (int repeat = i * 7 % 13; repeat; repeat--) text_append(&text, "\n,\"\"");
        text_append(&text, "\n\"\r\n");
    }
    DataOptions options = options_for(write_bytes("quoted.csv", text.data, text.length_bytes));
    Dataset *set = prepare_both(&options);
    CHECK_EQ(set->rows, 40);
    CHECK_TEXT(set->label_names[1], "y\nz");
    for (int64_t i = 0; i < set->rows; i++) {
        CHECK_EQ(set->row_numbers[i], i + 2);
        CHECK_EQ(set->labels[i], i % 3 == 0);
    }
    dataset_free(set);
    text_release(&text);
}

static void folders_are_read_in_order(void)
{
    make_subfolder("many");
    write_text("many/b.csv", "label,text\nx,b one\ny,b two\n");
    write_text("many/B.csv", "text,label\nB one,x\n\nB two,y\nB three,x");
    write_text("many/c.csv", "label,text\n");
    write_text("many/README", "nothing");
    write_text("many/.d.csv", "");
    DataOptions options = options_for(folder_path("many"));
    Dataset *set = prepare_both(&options);
    const int64_t numbers[] = { 2, 4, 5, 2, 3 }, labels[] = { 0, 1, 0, 0, 1 };
    CHECK_EQ(set->rows, 5);
    for (int i = 0; i < 5 && set->rows == 5; i++) {
        CHECK_EQ(set->row_numbers[i], numbers[i]);
        CHECK_EQ(set->labels[i], labels[i]);
    }
    dataset_free(set);
    remove_tree(folder_path("many"));
}

static void files_make_splits(void)
{
    write_text("train.jsonl",
               "{\"text\": \"a \\u00e9\", \"label\": 2}\n\n"
               "{\"label\": true, \"text\": null}\n{\"label\": \"\\n\", \"text\": \"\xFF\"}\n");
    write_text("test.jsonl", "{\"text\": \"b\", \"label\": \"2\"}\n");
    DataOptions options = options_for(folder_path("train.jsonl"));
    strcpy(options.split.test, folder_path("test.jsonl"));
    Dataset *set = prepare_both(&options);
    const int64_t labels[] = { 1, 2, 0, 1 }, splits[] = { 0, 0, 0, 2 }, numbers[] = { 1, 3, 4, 1 };
    CHECK_EQ(set->rows, 4);
    CHECK_EQ(set->empty_texts, 1);
    CHECK_EQ(set->ill_formed, 1);
    for (int i = 0; i < 4 && set->rows == 4; i++) {
        CHECK_EQ(set->labels[i], labels[i]);
        CHECK_EQ(set->splits[i], splits[i]);
        CHECK_EQ(set->row_numbers[i], numbers[i]);
    }
    CHECK_EQ(set->offsets[2] - set->offsets[1], 2); // [CLS] [SEP]: an empty text is a row
    dataset_free(set);
}

static void pairs_have_types(void)
{
    write_text("pairs.csv", "1;a b;c d e;x\n2;a;;y\n3;a a a a a a a a a;b b b b b b b b b b;x\n");
    DataOptions options = options_for(folder_path("pairs.csv"));
    strcpy(options.delimiter, ";");
    strcpy(options.text, "2");
    strcpy(options.text_pair, "3");
    strcpy(options.label, "4");
    Dataset *set = prepare_both(&options);
    CHECK_EQ(set->rows, 3);
    CHECK_EQ(set->row_numbers[0], 1);
    CHECK_EQ(set->type_starts[0], 4); // [CLS] a b [SEP] c d e [SEP]
    CHECK_EQ(set->offsets[1], 8);
    CHECK_EQ(set->truncated, 1);
    CHECK_EQ(set->offsets[3] - set->offsets[2], 16);
    dataset_free(set);
}

static void key_follows_what_matters(void)
{
    write_text("key.csv", "label,text,other\nx,a,c\ny,b,d\n");
    DataOptions options = options_for(folder_path("key.csv"));
    Dataset *first = prepare(&world, &options, folder_path("key")), *set;
    char key[40], path[1024];
    strcpy(key, first->content_key);
    strcpy(path, first->path);
    CHECK_EQ(strlen(key), 32);
    CHECK_TRUE(strstr(path, "/prepared-") && !strncmp(strstr(path, "prepared-") + 9, key, 16));
    dataset_free(first);
    options.max_length = 17;
    set = prepare(&world, &options, folder_path("key"));
    CHECK_TRUE(strcmp(set->content_key, key));
    dataset_free(set);
    options.max_length = 16;
    strcpy(options.text, "other");
    set = prepare(&world, &options, folder_path("key"));
    CHECK_TRUE(strcmp(set->content_key, key));
    dataset_free(set);
    strcpy(options.text, "text");
    write_text("key.csv", "label,text,other\nx,a,c\ny,b,e\n");
    set = prepare(&world, &options, folder_path("key"));
    CHECK_TRUE(strcmp(set->content_key, key));
    dataset_free(set);
    remove_tree(folder_path("key"));
}

static void damaged_file_is_made_again(void)
{
    write_text("damage.csv", "label,text\nx,a\ny,b\n");
    DataOptions options = options_for(folder_path("damage.csv"));
    Dataset *first = prepare(&world, &options, folder_path("damage"));
    struct stat before = { 0 }, after = { 0 };
    stat(first->path, &before);
    Dataset *again = prepare(&world, &options, folder_path("damage"));
    stat(first->path, &after);
    CHECK_EQ(before.st_ino, after.st_ino); // it was used, not made
    check_same_sets(first, again);
    dataset_free(again);
    comm_barrier(&world);
    if (world.rank == 0) CHECK_EQ(truncate(first->path, before.st_size - 5), 0);
    comm_barrier(&world);
    again = prepare(&world, &options, folder_path("damage"));
    check_same_sets(first, again);
    stat(first->path, &after);
    CHECK_EQ(after.st_size, before.st_size);
    dataset_free(again);
    dataset_free(first);
    remove_tree(folder_path("damage"));
}

/// What the parser of JSON does not take, in members that nobody uses and in those that are.
static void large_numbers_and_lone_surrogates(void)
{
    write_text(
        "large.jsonl",
        "{\"text\": \"a\", \"label\": 2, \"id\": 123456789012345678901234567890}\n"
        "{\"text\": \"a\", \"label\": \"x\", \"note\": \"\\ud83d \\\\ud83d\"}\n"
        "{\"text\": \"\\udc00\", \"label\": \"x\", \"\\ud83d\\ude00\": -9223372036854775809}\n"
        "{\"text\": \"a\", \"label\": 9223372036854775808}\n");
    write_text("plain.jsonl", "{\"text\": \"a\", \"label\": 2}\n"
                              "{\"text\": \"a\", \"label\": \"x\"}\n"
                              "{\"text\": \"\xEF\xBF\xBD\", \"label\": \"x\"}\n"
                              "{\"text\": \"a\", \"label\": \"9223372036854775808\"}\n");
    DataOptions large = options_for(folder_path("large.jsonl"));
    DataOptions plain = options_for(folder_path("plain.jsonl"));
    Dataset *a = prepare_both(&large), *b = prepare_both(&plain);
    CHECK_EQ(a->ill_formed, 2);
    CHECK_EQ(a->rows, 4);
    CHECK_EQ(a->tokens, b->tokens);
    CHECK_TRUE(!memcmp(a->ids, b->ids, (size_t)b->tokens * sizeof *b->ids));
    CHECK_TRUE(!memcmp(a->labels, b->labels, 4 * sizeof *b->labels));
    for (int64_t i = 0; i < b->label_count; i++) CHECK_TEXT(a->label_names[i], b->label_names[i]);
    dataset_free(a);
    dataset_free(b);
}

/// Every rank as a job of its own, in one folder.
static void jobs_may_prepare_at_once(void)
{
    Text text = { 0 };
    text_append(&text, "label,text\n");
    for (int i = 0; i < 2000; i++) text_printf(&text, "%c,the hotel %d\n", "xyz"[i % 3], i);
    DataOptions options = options_for(write_bytes("once.csv", text.data, text.length_bytes));
    Comm self = comm_self();
    Dataset *mine = prepare(&self, &options, folder_path("once"));
    comm_barrier(&world);
    Dataset *all = prepare(&world, &options, folder_path("once"));
    check_same_sets(mine, all);
    CHECK_EQ(all->rows, 2000);
    dataset_free(all);
    dataset_free(mine);
    remove_tree(folder_path("once"));
    text_release(&text);
}

static void rows_to_predict_on(void)
{
    char *names[] = { "spam", "eggs", "ham" }; // as a model has them, in any order
    DataOptions options = options_for(write_text("lines", "a, b\n\n\"c\r\n"));
    Dataset *set = NULL;
    CHECK_EQ(dataset_read(&world, &set, &options, tokenizer, names, 3, false), OK);
    CHECK_EQ(set->rows, 3);
    CHECK_EQ(set->empty_texts, 1);
    for (int64_t i = 0; i < set->rows; i++) {
        CHECK_EQ(set->labels[i], -1);
        CHECK_EQ(set->splits[i], SPLIT_TEST);
        CHECK_EQ(set->row_numbers[i], i + 1);
    }
    CHECK_EQ(set->label_count, 3);
    dataset_free(set);
    snprintf(options.path, sizeof options.path, "%s",
             write_text("some.csv", "text,label\na,ham\nb,spam\nc,\n"));
    CHECK_EQ(dataset_read(&world, &set, &options, tokenizer, names, 3, false), OK);
    CHECK_EQ(set->labels[0], 2);
    CHECK_EQ(set->labels[1], 0);
    CHECK_EQ(set->labels[2], -1);
    dataset_free(set);
    set = NULL;
    CHECK_EQ(dataset_read(&world, &set, &options, tokenizer, names, 3, true), FAILED);
    CHECK_TRUE(strstr(status_message(), "row 4"));
    snprintf(options.path, sizeof options.path, "%s",
             write_text("other.csv", "text,label\na,ham\nb,spm\n"));
    CHECK_EQ(dataset_read(&world, &set, &options, tokenizer, names, 3, true), FAILED);
    CHECK_TRUE(strstr(status_message(), "'spm' of row 3") && strstr(status_message(), "'spam'"));
    snprintf(options.path, sizeof options.path, "%s", write_text("none", ""));
    CHECK_EQ(dataset_read(&world, &set, &options, tokenizer, names, 3, false), OK);
    CHECK_EQ(set->rows, 0);
    CHECK_EQ(set->offsets[0], 0);
    dataset_free(set);
}

static void one_text(void)
{
    Dataset *set;
    dataset_from_text(&set, tokenizer, "a b c", NULL, 4);
    CHECK_EQ(set->rows, 1);
    CHECK_EQ(set->tokens, 4);
    CHECK_EQ(set->offsets[1], 4);
    CHECK_EQ(set->truncated, 1);
    CHECK_EQ(set->labels[0], -1);
    int64_t *rows;
    CHECK_EQ(dataset_split_rows(set, SPLIT_TEST, &rows), 1);
    mem_free(rows);
    CHECK_EQ(dataset_split_rows(set, SPLIT_TRAIN, &rows), 0);
    mem_free(rows);
    dataset_free(set);
}

/// Bad input, options besides the defaults, and what every rank must hear of it.
static const struct {
    const char *name, *content, *settings;
    Status status;
    const char *message;
} bad[] = {
    { "a.csv", "label,text\nx,a\ny\nx,b\n", "", FAILED,
      "a.csv: row 3 has 1 column where the header has 2" },
    { "a.csv", "label,text\nx,a\ny,b,\nx,b\n", "", FAILED, "row 3 has 3 columns" },
    { "a.csv", "x,a\ny,b\nz\n", "text=2 label=1", FAILED,
      "row 3 has 1 column where the first row has 2" },
    { "a.csv", "label,text\nx,a\ny,\"b\nx,c\nx,d\n", "", FAILED,
      "a quote opened in row 3 is not closed" },
    { "a.csv", "label,text\nx,a\n,b\n", "", FAILED, "a.csv: the label of row 3 is empty" },
    { "a.csv", "label,text\nx,a\nx,b\n", "", FAILED, "all rows have the same label 'x'" },
    { "a.csv", "label,text\n", "", FAILED, "a.csv is empty" },
    { "a.csv", "", "", FAILED, "a.csv is empty" },
    { "a.csv", "\n\n", "", FAILED, "a.csv is empty" },
    { "a.jsonl", "", "", FAILED, "a.jsonl is empty" },
    { "a.csv", "Label,Text\nx,a\ny,b\n", "", USAGE,
      "no column 'text' (data.text); its columns are: Label, Text; did you mean 'Text'?" },
    { "a.csv", "a,b,a\nx,a,1\ny,b,2\n", "text=a label=b", USAGE, "two columns 'a'" },
    { "a.csv", "x,a\ny,b\n", "text=3 label=1", USAGE, "no column '3' (data.text)" },
    { "a.csv", "\xFF\xFEl\n", "", FAILED, "UTF-16" },
    { "a.csv", "label,text\nx,a\ny,b\n", "delimiter=ab", USAGE, "not one character" },
    { "a.csv", "label,text\nx,a\ny,b\n", "quote=,", USAGE, "are the same" },
    { "a.csv", "label,text\nx,a\ny,b\n", "header=maybe", USAGE, "data.header: 'maybe'" },
    { "a.csv", "label,text\nx,a\ny,b\n", "test=1.5", USAGE, "data.split.test=1.5" },
    { "a.csv", "label,text\nx,a\ny,b\n", "test=/no.csv", USAGE, "/no.csv" },
    { "a.dat", "label,text\nx,a\ny,b\n", "", USAGE, "does not tell its format" },
    { "a.jsonl", "{\"text\": \"a\", \"label\": 1}\n\n{\"text\": \"a\", \"label\": }\n", "", FAILED,
      "a.jsonl:3: " },
    { "a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"txt\": \"a\", \"label\": 2}\n", "", FAILED,
      "a.jsonl:2: the object has no member 'text' (data.text); its columns are: txt, label; did "
      "you "
      "mean 'txt'?" },
    { "a.jsonl", "[]\n", "", FAILED, "a.jsonl:1: not an object" },
    { "a.jsonl", "{\"text\": [1], \"label\": 1}\n", "", FAILED,
      "a.jsonl:1: member 'text' (data.text) is no text" },
    { "a.jsonl", "{\"text\": \"a\", \"label\": \"\\u0000\"}\n", "", FAILED,
      "the label of row 1 holds a NUL" },
    { "a.jsonl", "{\"text\": \"a\", 9223372036854775808: 1}\n", "", FAILED, "a.jsonl:1: " },
    { "a.jsonl", "{\"text\": \"\\ud800\", \"label\": 00009223372036854775808}\n", "", FAILED,
      "a.jsonl:1: " },
    { "a.tsv", "label\ttext\nx\ta\nx\tb\tc\n", "", FAILED, "row 3 has 3 columns" },
};

static void set_options(DataOptions *options, const char *settings)
{
    const struct {
        const char *key;
        char *value;
    } keys[] = { { "text", options->text },       { "label", options->label },
                 { "test", options->split.test }, { "delimiter", options->delimiter },
                 { "quote", options->quote },     { "header", options->header } };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *found = strstr(settings, keys[i].key);
        if (found) sscanf(found + strlen(keys[i].key), "=%7s", keys[i].value);
    }
}

static void bad_input_is_refused(void)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        DataOptions options = options_for(write_text(bad[i].name, bad[i].content));
        Dataset *set = NULL;
        set_options(&options, bad[i].settings);
        status_clear();
        CHECK_EQ(dataset_prepare(&world, &set, &options, tokenizer, "tiny", folder_path("none")),
                 bad[i].status);
        CHECK_TRUE(set == NULL);
        if (!strstr(status_message(), bad[i].message)) CHECK_TEXT(status_message(), bad[i].message);
        comm_barrier(&world);
    }
}

static void label_only_in_test_is_refused(void)
{
    write_text("a.csv", "label,text\nx,a\ny,b\n");
    write_text("b.csv", "label,text\nx,a\nx,b\nxy,c\n");
    DataOptions options = options_for(folder_path("a.csv"));
    strcpy(options.split.test, folder_path("b.csv"));
    Dataset *set = NULL;
    CHECK_EQ(dataset_prepare(&world, &set, &options, tokenizer, "tiny", folder_path("none")),
             FAILED);
    CHECK_TRUE(strstr(status_message(), "b.csv: the label 'xy' of row 4 is not one of training"));
}

static void folders_are_checked(void)
{
    make_subfolder("mixed");
    DataOptions options = options_for(folder_path("mixed"));
    Dataset *set = NULL;
    CHECK_EQ(dataset_prepare(&world, &set, &options, tokenizer, "tiny", folder_path("none")),
             USAGE);
    CHECK_TRUE(strstr(status_message(), "holds no file"));
    write_text("mixed/a.csv", "label,text\nx,a\n");
    write_text("mixed/b.tsv", "label\ttext\ny\ta\n");
    CHECK_EQ(dataset_prepare(&world, &set, &options, tokenizer, "tiny", folder_path("none")),
             USAGE);
    CHECK_TRUE(strstr(status_message(), "two kinds, a.csv and b.tsv"));
    remove_tree(folder_path("mixed"));
    strcpy(options.path, "/nonexistent/a.csv");
    CHECK_EQ(dataset_prepare(&world, &set, &options, tokenizer, "tiny", folder_path("none")),
             USAGE);
    CHECK_TRUE(strstr(status_message(), "/nonexistent/a.csv"));
    snprintf(options.path, sizeof options.path, "%s",
             write_text("good.csv", "label,text\nx,a\ny,b\n"));
    CHECK_EQ(dataset_prepare(&world, &set, &options, tokenizer, "tiny", "/proc/none"), USAGE);
    CHECK_TRUE(strstr(status_message(), "/proc/none"));
}

static void frees_all_blocks(void)
{
    datasets_stop();
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "text messages", text_messages },
    { "quoted fields span ranks", quoted_fields_span_ranks },
    { "folders are read in order", folders_are_read_in_order },
    { "files make splits", files_make_splits },
    { "pairs have types", pairs_have_types },
    { "key follows what matters", key_follows_what_matters },
    { "damaged file is made again", damaged_file_is_made_again },
    { "large numbers and lone surrogates", large_numbers_and_lone_surrogates },
    { "jobs may prepare at once", jobs_may_prepare_at_once },
    { "rows to predict on", rows_to_predict_on },
    { "one text", one_text },
    { "bad input is refused", bad_input_is_refused },
    { "label only in test is refused", label_only_in_test_is_refused },
    { "folders are checked", folders_are_checked },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    datasets_start(TEST_FOLDER "/../golden/tiny-bert/tokenizer.json");
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return code;
}
