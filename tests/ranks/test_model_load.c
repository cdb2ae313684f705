/* TEST ranks=1,2,3 labels=model timeout=60 */
#include "base/mem.h"
#include "comm/agree.h"
#include "model/model.h"
#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static Comm world;
static char *path;

/// A sum that depends on every byte and its place.
static int64_t digest(const void *data, size_t bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++) sum = sum * 31 + ((const unsigned char *)data)[i];
    return (int64_t)(sum >> 1);
}

static void check_same(int64_t value)
{
    int64_t extremes[] = { value, -value };
    comm_max_int64(&world, extremes, 2);
    CHECK_EQ(extremes[0], -extremes[1]);
}

static void test_same_everywhere(void)
{
    Model *model = NULL;
    CHECK_EQ(model_load(&world, &model, path, "text_classification"), OK);
    if (!model) return;
    CHECK_EQ(model->spec.num_labels, 3);
    CHECK_TEXT(model->label_names[2], "neutral");
    check_same(digest(model->values, (size_t)model->elements * sizeof(float)));
    check_same(digest(model->tokenizer_json, strlen(model->tokenizer_json)));
    check_same(digest(model->source_sha256, strlen(model->source_sha256)));
    double sum = 0;
    for (int64_t i = 0; i < model->elements; i++) sum += fabs((double)model->values[i]);
    CHECK_TRUE(sum > 1);
    model_free(model);
}

static void test_message_everywhere(void)
{
    Model *model = NULL;
    CHECK_EQ(model_load(&world, &model, "/nonexistent/model.h5", "text_classification"), FAILED);
    CHECK_TRUE(strstr(status_message(), "/nonexistent/model.h5") != NULL);
    CHECK_TRUE(!model);
}

static const Case cases[] = {
    { "same everywhere", test_same_everywhere },
    { "message everywhere", test_message_everywhere },
};

static Status make_model(void)
{
    char name[] = "/tmp/temper-load-XXXXXX";
    int file = mkstemp(name);
    if (file >= 0) close(file);
    path = mem_copy_text(name);
    return model_import(path, TEST_FOLDER "/../golden/tiny-bert");
}

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    Status made = agree(&world, world.rank ? OK : make_model());
    if (made == OK) comm_broadcast_text(&world, &path, 0);
    int code =
        made == OK ? check_main(argc, argv, cases, sizeof cases / sizeof *cases) : EXIT_FAILURE;
    if (made != OK) fprintf(stderr, "%s\n", status_message());
    if (!world.rank && path) unlink(path);
    mem_free(path);
    if (mem_live_blocks()) code = EXIT_FAILURE;
    comm_stop(&world);
    return code;
}
