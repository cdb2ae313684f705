/* TEST labels=data ranks=1,2,3,4 timeout=240 */
#include "base/mem.h"
#include "base/text.h"
#include "data/prepared.h"
#include "support/check.h"
#include "support/datasets.h"

#include <stdio.h>
#include <sys/stat.h>

/// More rows than spools hold in memory, and blocks of checksums for every rank.
static const char *write_many_rows(void)
{
    Text text = { 0 };
    text_append(&text, "label,text\n");
    for (int i = 0; i < 150000; i++)
        text_printf(&text, "%d,the hotel %d was a b c d e f g %d\n", i % 11, i, i * 7);
    const char *path = write_bytes("many.csv", text.data, text.length_bytes);
    text_release(&text);
    return path;
}

static void shares_beyond_memory(void)
{
    DataOptions options = options_for(write_many_rows());
    strcpy(options.split.validation, "0.2");
    Dataset *set = prepare_both(&options);
    CHECK_EQ(set->rows, 150000);
    CHECK_TRUE(set->tokens * 4 / 4 > 2 * SPOOL_BUFFER_BYTES); // on every one of four ranks
    dataset_free(set);
}

static void flip(const char *path, int64_t at)
{
    FILE *stream = fopen(path, "r+b");
    fseek(stream, (long)at, SEEK_SET);
    int byte = fgetc(stream);
    fseek(stream, -1, SEEK_CUR);
    fputc(byte ^ 1, stream);
    fclose(stream);
}

/// One bit in any block, whichever rank verifies it.
static void damaged_blocks_are_made_again(void)
{
    DataOptions options = options_for(write_many_rows());
    Dataset *whole = prepare(&world, &options, folder_path("whole")), *set;
    dataset_free(prepare(&world, &options, folder_path("blocks")));
    char damaged[1024];
    snprintf(damaged, sizeof damaged, "%s%s", folder_path("blocks"), strrchr(whole->path, '/'));
    for (int64_t quarter = 0; quarter < 4; quarter++) {
        struct stat before, after;
        stat(damaged, &before);
        comm_barrier(&world);
        if (world.rank == 0) flip(damaged, before.st_size / 4 * quarter + 70000);
        comm_barrier(&world);
        CHECK_EQ(prepared_open(&world, &set, damaged, whole->content_key, INT32_MAX), FAILED);
        CHECK_TRUE(!set && strstr(status_message(), "is damaged in block"));
        set = prepare(&world, &options, folder_path("blocks"));
        stat(damaged, &after);
        CHECK_TRUE(before.st_ino != after.st_ino);
        check_same_sets(whole, set);
        dataset_free(set);
        comm_barrier(&world);
    }
    dataset_free(whole);
    remove_tree(folder_path("blocks"));
    remove_tree(folder_path("whole"));
}

/// Writes the file of the set anew with another first id and checksums that hold.
static void forge_first_id(const Dataset *set, const DataOptions *options, int32_t id)
{
    const Comm self = comm_self();
    Source source = { .options = options };
    Spool arrays[ARRAY_COUNT] = { 0 };
    for (Array array = 0; array < ARRAY_COUNT; array++) {
        const char *data = array_data(set, array);
        if (!data) continue; // one that not every data set has
        size_t bytes = (size_t)array_elements(set, array) * element_bytes(array_type(array));
        size_t forged = array == ARRAY_TOKENS ? sizeof id : 0;
        CHECK_EQ(spool_append(&arrays[array], &id, forged), OK);
        CHECK_EQ(spool_append(&arrays[array], data + forged, bytes - forged), OK);
        CHECK_EQ(spool_finish(&arrays[array]), OK);
    }
    CHECK_EQ(prepared_write(&self, set, arrays, &source, "tiny"), OK);
    for (Array array = 0; array < ARRAY_COUNT; array++) spool_release(&arrays[array]);
}

/// A file whose checksums hold, with ids of another tokenizer.
static void foreign_ids_are_made_again(void)
{
    write_text("foreign.csv", "label,text\nx,a\ny,b\n");
    DataOptions options = options_for(folder_path("foreign.csv"));
    Dataset *first = prepare(&world, &options, folder_path("foreign")), *again = NULL;
    const int64_t size = tokenizer_size(tokenizer);
    comm_barrier(&world);
    if (world.rank == 0) forge_first_id(first, &options, (int32_t)size);
    comm_barrier(&world);
    CHECK_EQ(prepared_open(&world, &again, first->path, first->content_key, size), FAILED);
    CHECK_TRUE(!again && strstr(status_message(), "contradict"));
    CHECK_EQ(prepared_open(&world, &again, first->path, "another", size + 1), FAILED);
    CHECK_EQ(prepared_open(&world, &again, first->path, first->content_key, size + 1), OK);
    CHECK_TRUE(again && again->ids[0] == size);
    dataset_free(again);
    again = prepare(&world, &options, folder_path("foreign"));
    check_same_sets(first, again);
    dataset_free(again);
    dataset_free(first);
    remove_tree(folder_path("foreign"));
}

static void frees_all_blocks(void)
{
    datasets_stop();
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "shares beyond memory", shares_beyond_memory },
    { "damaged blocks are made again", damaged_blocks_are_made_again },
    { "foreign ids are made again", foreign_ids_are_made_again },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    datasets_start(TEST_FOLDER "/../golden/tiny-bert/tokenizer.json");
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    comm_stop(&world);
    return code;
}
