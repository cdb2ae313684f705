/* TEST labels=model timeout=60 */
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/model.h"
#include "store/safetensors.h"
#include "support/check.h"
#include "token/tokenizer.h"

#include <stdlib.h>
#include <unistd.h>

#define TINY TEST_FOLDER "/../golden/tiny-bert"

static char scratch[] = "/tmp/temper-model-XXXXXX";

/// A path in the scratch folder, valid until the fourth call from now.
static const char *path_in(const char *folder, const char *name)
{
    static char paths[4][300];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof *paths, "%s%s%s/%s", scratch, *folder ? "/" : "", folder, name);
    return path;
}

static void copy_file(const char *folder, const char *name)
{
    char *data = NULL, from[300];
    size_t bytes;
    snprintf(from, sizeof from, TINY "/%s", name);
    CHECK_EQ(text_read_file(&data, &bytes, from), OK);
    CHECK_EQ(text_write_file(path_in(folder, name), data, bytes), OK);
    mem_free(data);
}

static void copy_tiny(const char *folder)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s/%s && mkdir %s/%s", scratch, folder, scratch,
             folder);
    CHECK_EQ(system(command), 0);
    copy_file(folder, "config.json");
    copy_file(folder, "tokenizer.json");
    copy_file(folder, "model.safetensors");
}

static Json *tiny_config(void)
{
    Json *config = NULL;
    CHECK_EQ(json_parse_file(&config, TINY "/config.json"), OK);
    return config;
}

/// Tiny's weights again, each under the name that `rename` gives ("" leaves it out) and with the
/// shape that it leaves in the info.
typedef void (*Rename)(char name[120], SafetensorsInfo *info);

typedef struct {
    Safetensors *tiny;
    SafetensorsInfo infos[64];
    const SafetensorsInfo *sources[64];
    char names[64][120];
    int count;
} Rewrite;

static Status pull(float *out, const SafetensorsInfo *info, int64_t first, int64_t count,
                   void *context)
{
    Rewrite *rewrite = context;
    for (int i = 0; i < rewrite->count; i++)
        if (!strcmp(info->name, rewrite->names[i])) {
            if (rewrite->sources[i]->elements >= first + count)
                return safetensors_read(out, rewrite->tiny, rewrite->sources[i], first, count);
            for (int64_t k = 0; k < count; k++) out[k] = 0;
        }
    return OK;
}

static void rewrite_weights(const char *folder, Rename rename_tensor)
{
    Rewrite rewrite = { .tiny = NULL };
    CHECK_EQ(safetensors_open(&rewrite.tiny, TINY), OK);
    for (int i = 0; i < safetensors_count(rewrite.tiny); i++) {
        const SafetensorsInfo *info = safetensors_at(rewrite.tiny, i);
        char *name = rewrite.names[rewrite.count];
        snprintf(name, sizeof *rewrite.names, "%s", info->name);
        rewrite.infos[rewrite.count] = *info;
        rename_tensor(name, &rewrite.infos[rewrite.count]);
        if (!*name) continue;
        rewrite.infos[rewrite.count].name = name;
        rewrite.sources[rewrite.count++] = info;
    }
    CHECK_EQ(safetensors_write(path_in(folder, "model.safetensors"), rewrite.infos, rewrite.count,
                               pull, &rewrite),
             OK);
    safetensors_close(rewrite.tiny);
}

static Model *import_and_load(const char *folder)
{
    Comm self = comm_self();
    Model *model = NULL;
    Status status = model_import(path_in("", "model.h5"), folder);
    if (status == OK)
        status = model_load(&self, &model, path_in("", "model.h5"), "text_classification");
    if (status != OK) check_failed(__FILE__, __LINE__, "%s", status_message());
    return model;
}

static void test_table(void)
{
    Json *config = tiny_config();
    Model *model = NULL;
    json_set_int(config, "hidden_size", 20); // vectors that are no multiple of the alignment
    CHECK_EQ(model_new(&model, config, "text_classification", 7, NULL, "config.json"), OK);
    CHECK_EQ(model->param_count, 4 + 2 * 16 + 5);
    CHECK_EQ(model->spec.num_labels, 7);
    CHECK_EQ(model->elements % 16, 0);
    int64_t end = 0, sum = 0;
    bool tables = false;
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        bool joined = strstr(param->name, "self.key") || strstr(param->name, "self.value");
        CHECK_EQ(param->offset, joined ? end : (end + 15) / 16 * 16);
        if (param->table && !tables) CHECK_EQ(model->dense_elements, param->offset);
        CHECK_TRUE(param->table || !tables);
        CHECK_EQ(param->decays, param->rank == 2);
        CHECK_EQ(model_find_param(model, param->name), i);
        tables = param->table;
        end = param->offset + param->rows * param->cols;
        sum += param->rows * param->cols;
    }
    CHECK_TRUE(tables);
    CHECK_EQ(model->elements, (end + 15) / 16 * 16);
    int64_t layer = 4 * 20 * 20 + 2 * 20 * 64 + 64 + 9 * 20;
    CHECK_EQ(sum, 20 * (100 + 40 + 2 + 2) + 2 * layer + 20 * 20 + 20 + 7 * 20 + 7);
    CHECK_EQ(model_find_param(model, "bert.nothing"), -1);
    CHECK_NEAR(model->arch->forward_flops(&model->spec, 3), 3. * 2 * (8 * 20 * 20 + 4 * 20 * 64),
               0);
    CHECK_NEAR(model->arch->sequence_cost(&model->spec, 30), 30 + 30. * 30 / (6 * 20), 1e-12);
    model_free(model);
    json_free(config);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void test_config_errors(void)
{
    static const struct {
        const char *key, *value, *message; ///< value NULL: the key is absent
    } rows[] = {
        { "model_type", NULL, "config.json: model_type is missing (supported: bert" },
        { "model_type", "\"mamba\"", "model_type 'mamba' is not supported (supported: bert" },
        { "hidden_size", NULL, "config.json: hidden_size is missing" },
        { "hidden_size", "-3", "hidden_size must be a whole number from 1" },
        { "hidden_size", "30", "hidden_size 30 is no multiple of num_attention_heads 4" },
        { "hidden_size", "32.5", "hidden_size must be a whole number" },
        { "hidden_size", "\"32\"", "hidden_size must be a whole number" },
        { "vocab_size", "4294967296", "vocab_size must be a whole number from 1" },
        { "num_hidden_layers", "2147483649", "num_hidden_layers must be" },
        { "num_hidden_layers", "0", "num_hidden_layers must be" },
        { "num_attention_heads", "0", "num_attention_heads must be" },
        { "intermediate_size", NULL, "intermediate_size is missing" },
        { "max_position_embeddings", NULL, "max_position_embeddings is missing" },
        { "type_vocab_size", NULL, "type_vocab_size is missing" },
        { "layer_norm_eps", NULL, "layer_norm_eps is missing" },
        { "layer_norm_eps", "\"x\"", "layer_norm_eps must be a number" },
        { "hidden_dropout_prob", "1", "hidden_dropout_prob must be a number" },
        { "hidden_act", NULL, "hidden_act is missing" },
        { "hidden_act", "\"maxout\"", "hidden_act 'maxout' is not supported" },
        { "position_embedding_type", "\"relative_key\"",
          "position_embedding_type 'relative_key' is not supported, only absolute" },
        { "is_decoder", "true", "is_decoder is not supported" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Json *config = tiny_config(), *value = NULL;
        Model *model = NULL;
        json_remove(config, rows[i].key);
        if (rows[i].value) {
            CHECK_EQ(json_parse(&value, rows[i].value, strlen(rows[i].value), "value"), OK);
            json_set(config, rows[i].key, value);
        }
        CHECK_EQ(model_new(&model, config, "text_classification", 0, NULL, "config.json"), FAILED);
        CHECK_TRUE(!model);
        if (!strstr(status_message(), rows[i].message))
            check_failed(__FILE__, __LINE__, "%s: \"%s\"", rows[i].message, status_message());
        json_free(config);
    }
    CHECK_EQ(mem_live_blocks(), 0);
}

static void compare_with_file(const Model *model, const char *folder)
{
    Safetensors *file = NULL;
    CHECK_EQ(safetensors_open(&file, folder), OK);
    CHECK_EQ(safetensors_count(file), model->param_count);
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        const SafetensorsInfo *info = safetensors_find(file, param->name);
        CHECK_TRUE(info != NULL);
        if (!info) continue;
        CHECK_EQ(info->rank, param->rank);
        CHECK_EQ(info->elements, param->rows * param->cols);
        float *x = MEM_NEW(float, info->elements);
        CHECK_EQ(safetensors_read(x, file, info, 0, info->elements), OK);
        CHECK_EQ(memcmp(x, model->values + param->offset, (size_t)info->elements * 4), 0);
        mem_free(x);
    }
    safetensors_close(file);
}

static void test_round_trip(void)
{
    Model *model = import_and_load(TINY);
    if (!model) return;
    CHECK_TEXT(model->arch->model_type, "bert");
    CHECK_EQ(model->spec.num_labels, 3);
    CHECK_TEXT(model->label_names[0], "bad");
    CHECK_TEXT(model->label_names[2], "neutral");
    CHECK_TRUE(strstr(model->source, "tiny-bert") != NULL);
    CHECK_TRUE(strstr(model->source_sha256, "  model.safetensors\n") != NULL);
    CHECK_TRUE(strstr(model->source_sha256, "  tokenizer.json\n") != NULL);
    compare_with_file(model, TINY);

    CHECK_EQ(model_export(model, path_in("", "exported")), OK);
    CHECK_EQ(model_export(model, path_in("", "exported")), OK); // again, over itself
    compare_with_file(model, path_in("", "exported"));
    Model *again = import_and_load(path_in("", "exported"));
    CHECK_EQ(again->elements, model->elements);
    CHECK_EQ(memcmp(again->values, model->values, (size_t)model->elements * 4), 0);
    CHECK_TEXT(again->tokenizer_json, model->tokenizer_json);
    model_free(again);

    Json *config = NULL;
    CHECK_EQ(json_parse_file(&config, path_in("exported", "config.json")), OK);
    CHECK_TEXT(json_text(json_at(json_get(config, "architectures"), 0), ""),
               "BertForSequenceClassification");
    CHECK_TEXT(json_text(json_get(json_get(config, "id2label"), "1"), ""), "good");
    CHECK_EQ(json_int(json_get(json_get(config, "label2id"), "neutral"), -1), 2);
    CHECK_TEXT(json_text(json_get(config, "dtype"), ""), "float32");
    json_free(config);
    CHECK_EQ(json_parse_file(&config, path_in("exported", "tokenizer_config.json")), OK);
    CHECK_TEXT(json_text(json_get(config, "tokenizer_class"), ""), "BertTokenizer");
    CHECK_EQ(json_int(json_get(config, "model_max_length"), 0), 40);
    CHECK_EQ(json_bool(json_get(config, "do_lower_case"), false), true);
    json_free(config);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// As old files of an encoder alone: no prefix, gamma and beta, a buffer and another head.
static void make_old(char name[120], SafetensorsInfo *info)
{
    (void)info;
    char *norm = strstr(name, "LayerNorm.");
    if (norm) strcpy(norm + strlen("LayerNorm."), strstr(norm, ".weight") ? "gamma" : "beta");
    if (!strcmp(name, "classifier.weight")) strcpy(name, "cls.seq_relationship.bias");
    if (!strcmp(name, "classifier.bias")) strcpy(name, "embeddings.position_ids");
    if (!strncmp(name, "bert.pooler", 11)) *name = '\0';
    if (!strncmp(name, "bert.", 5)) memmove(name, name + 5, strlen(name) - 4);
}

static void test_old_names(void)
{
    static char *const names[] = { "a", "b", "c", "d" };
    copy_tiny("old");
    rewrite_weights("old", make_old);
    Model *tiny = import_and_load(TINY), *model = import_and_load(path_in("", "old"));
    if (!tiny || !model) return;
    CHECK_TRUE(!model->label_names);
    int classifier = model_find_param(model, "classifier.weight");
    CHECK_TRUE(model->params[classifier].absent);
    CHECK_TRUE(model->params[model_find_param(model, "bert.pooler.dense.weight")].absent);
    CHECK_EQ(model_export(model, path_in("", "headless")), OK);

    model_set_labels(model, names, 4, 1);
    CHECK_EQ(model->spec.num_labels, 4);
    CHECK_TEXT(model->label_names[3], "d");
    double square = 0;
    for (int i = 0; i < model->param_count; i++) {
        const Param *mine = &model->params[i], *other = &tiny->params[i];
        const float *value = model->values + mine->offset;
        CHECK_TRUE(!mine->absent);
        if (!mine->head)
            CHECK_EQ(
                memcmp(value, tiny->values + other->offset, (size_t)(mine->rows * mine->cols) * 4),
                0);
        else if (mine->rank == 1)
            for (int64_t k = 0; k < mine->cols; k++) CHECK_NEAR(value[k], 0, 0);
    }
    for (int64_t k = 0; k < 4 * 32; k++) {
        double x = model->values[model->params[classifier].offset + k];
        square += x * x / (4 * 32);
    }
    CHECK_NEAR(sqrt(square), 0.02, 0.005);
    float first = model->values[model->params[classifier].offset];
    model_set_labels(model, names, 4, 2); // nothing is absent: the head stays
    CHECK_NEAR(model->values[model->params[classifier].offset], first, 0);
    model_free(model);
    model_free(tiny);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const float *label_row(const Model *model, const char *name, int64_t label)
{
    const Param *param = &model->params[model_find_param(model, name)];
    return model->values + param->offset + label * (param->rank == 2 ? param->cols : 1);
}

/// The rows of the head after `model_set_labels`: label i has the old row rows[i], -1 for a new
/// one.
static void expect_head(char *const *names, const int *rows, int64_t count)
{
    Model *tiny = import_and_load(TINY), *model = import_and_load(TINY);
    if (!tiny || !model) return;
    model_set_labels(model, names, count, 1);
    CHECK_EQ(model->spec.num_labels, count);
    for (int64_t i = 0; i < count; i++) {
        const float *weight = label_row(model, "classifier.weight", i);
        const float *bias = label_row(model, "classifier.bias", i);
        CHECK_TEXT(model->label_names[i], names[i]);
        for (int old = 0; old < 3; old++) {
            bool same = !memcmp(weight, label_row(tiny, "classifier.weight", old), 32 * 4) &&
                        *bias == *label_row(tiny, "classifier.bias", old);
            CHECK_EQ(same, rows[i] == old);
        }
        if (rows[i] < 0) CHECK_TRUE(*bias == 0 && weight[0] != weight[1]);
    }
    CHECK_EQ(memcmp(label_row(model, "bert.pooler.dense.weight", 0),
                    label_row(tiny, "bert.pooler.dense.weight", 0), 32 * 32 * 4),
             0);
    model_free(model);
    model_free(tiny);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void test_labels(void) // tiny's are bad, good, neutral
{
    expect_head((char *[]){ "bad", "good", "neutral" }, (int[]){ 0, 1, 2 }, 3);
    expect_head((char *[]){ "neutral", "bad", "good" }, (int[]){ 2, 0, 1 }, 3);
    expect_head((char *[]){ "fine", "good", "bad" }, (int[]){ -1, 1, 0 }, 3);
    expect_head((char *[]){ "ham", "spam", "eggs" }, (int[]){ -1, -1, -1 }, 3);
    expect_head((char *[]){ "good", "worse", "bad", "best" }, (int[]){ 1, -1, 0, -1 }, 4);
    expect_head((char *[]){ "neutral", "good" }, (int[]){ 2, 1 }, 2);
    expect_head((char *[]){ "ham", "spam" }, (int[]){ -1, -1 }, 2);
}

/// LABEL_0, LABEL_1 ... name nothing: the rows stay.
static void test_numbered_labels(void)
{
    Model *model = import_and_load(TINY);
    if (!model) return;
    model_set_labels(model, (char *[]){ "LABEL_0", "LABEL_1", "LABEL_2" }, 3, 1);
    float row[32];
    memcpy(row, label_row(model, "classifier.weight", 1), sizeof row);
    model_set_labels(model, (char *[]){ "ham", "maybe", "spam" }, 3, 2);
    CHECK_EQ(memcmp(label_row(model, "classifier.weight", 1), row, sizeof row), 0);
    CHECK_TEXT(model->label_names[2], "spam");
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void drop_bias(char name[120], SafetensorsInfo *info)
{
    (void)info;
    if (!strcmp(name, "bert.encoder.layer.1.output.dense.bias")) *name = '\0';
}

static void reshape(char name[120], SafetensorsInfo *info)
{
    if (strcmp(name, "bert.encoder.layer.0.intermediate.dense.weight")) return;
    info->dims[0] = 32;
    info->dims[1] = 64;
}

static void drop_shape(char name[120], SafetensorsInfo *info)
{
    if (strcmp(name, "classifier.bias")) return;
    info->dims[0] = info->elements = 5;
}

static void expect_import_error(const char *message)
{
    CHECK_EQ(model_import(path_in("", "bad.h5"), path_in("", "bad")), FAILED);
    if (!strstr(status_message(), message))
        check_failed(__FILE__, __LINE__, "%s: \"%s\"", message, status_message());
    CHECK_TRUE(access(path_in("", "bad.h5"), F_OK) != 0);
}

static void test_import_errors(void)
{
    copy_tiny("bad");
    rewrite_weights("bad", drop_bias);
    expect_import_error("bad: the weights lack bert.encoder.layer.1.output.dense.bias");
    rewrite_weights("bad", reshape);
    expect_import_error("bad: bert.encoder.layer.0.intermediate.dense.weight has the shape (32, "
                        "64), config.json wants (64, 32)");
    rewrite_weights("bad", drop_shape);
    expect_import_error("classifier.bias has the shape (5), config.json wants (3)");

    copy_tiny("bad");
    CHECK_EQ(truncate(path_in("bad", "model.safetensors"), 100000), 0);
    expect_import_error("bad/model.safetensors");
    unlink(path_in("bad", "model.safetensors"));
    expect_import_error("bad");
    CHECK_EQ(text_write_file(path_in("bad", "pytorch_model.bin"), "x", 1), OK);
    expect_import_error("bad/pytorch_model.bin: only pickled weights");

    copy_tiny("bad");
    unlink(path_in("bad", "tokenizer.json"));
    expect_import_error("bad: no tokenizer.json, vocab.txt, or vocab.json");
    unlink(path_in("bad", "config.json"));
    expect_import_error("bad: no config.json");
    CHECK_EQ(text_write_file(path_in("bad", "config.json"), "{\"model_type\": ", 15), OK);
    expect_import_error("bad/config.json: column ");
    CHECK_EQ(mem_live_blocks(), 0);
}

static void test_tokenizers(void)
{
    copy_tiny("vocab");
    unlink(path_in("vocab", "tokenizer.json"));
    copy_file("vocab", "vocab.txt");
    Model *model = import_and_load(path_in("", "vocab"));
    if (model) {
        Tokenizer *tokenizer = NULL;
        CHECK_EQ(tokenizer_new(&tokenizer, model->tokenizer_json, strlen(model->tokenizer_json),
                               "tokenizer"),
                 OK);
        CHECK_EQ(tokenizer_size(tokenizer), 100);
        CHECK_TRUE(strstr(model->source_sha256, "  vocab.txt\n") != NULL);
        tokenizer_free(tokenizer);
    }
    model_free(model);

    // one token more than the model has
    char *vocab = NULL;
    copy_tiny("bad");
    unlink(path_in("bad", "tokenizer.json"));
    CHECK_EQ(text_read_file(&vocab, NULL, TINY "/vocab.txt"), OK);
    Text more = { 0 };
    text_printf(&more, "%sextra\n", vocab);
    CHECK_EQ(text_write_file(path_in("bad", "vocab.txt"), more.data, more.length_bytes), OK);
    expect_import_error("101 tokens but the model has 100: the tokenizer of another model");
    text_release(&more);
    mem_free(vocab);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void test_foreign_files(void)
{
    Comm self = comm_self();
    Model *model = NULL;
    CHECK_EQ(model_load(&self, &model, path_in("", "nothing.h5"), "text_classification"), FAILED);
    CHECK_EQ(model_load(&self, &model, TINY "/config.json", "text_classification"), FAILED);
    Value values[] = { { .name = "x", .kind = VALUE_INT, .integer = 1 } };
    CHECK_EQ(tensors_write(&self, path_in("", "data.h5"), "dataset", values, 1, NULL, 0), OK);
    CHECK_EQ(model_load(&self, &model, path_in("", "data.h5"), "text_classification"), FAILED);
    CHECK_TRUE(strstr(status_message(), "a dataset file holds no model") != NULL);
    CHECK_EQ(tensors_write(&self, path_in("", "data.h5"), "model", values, 1, NULL, 0), OK);
    CHECK_EQ(model_load(&self, &model, path_in("", "data.h5"), "text_classification"), FAILED);
    CHECK_TRUE(strstr(status_message(), "the value 'config' is missing") != NULL);
    CHECK_TRUE(!model);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// A model file whose tensors do not fit its configuration.
static void test_misfit(void)
{
    Comm self = comm_self();
    Model *model = import_and_load(TINY), *other = NULL;
    if (!model) return;
    Text storage = { 0 };
    Value values[MODEL_VALUES];
    int count = model_values(values, &storage, model);
    CHECK_TRUE(count <= MODEL_VALUES);
    TensorPart part = { .path = "model/bert.embeddings.position_embeddings.weight",
                        .type = ELEMENT_F32,
                        .rank = 2,
                        .dims = { 32, 40 },
                        .count = 32 * 40,
                        .data = model->values };
    CHECK_EQ(tensors_write(&self, path_in("", "misfit.h5"), "model", values, count, &part, 1), OK);
    CHECK_EQ(model_load(&self, &other, path_in("", "misfit.h5"), "text_classification"), FAILED);
    CHECK_TRUE(strstr(status_message(), "bert.embeddings.position_embeddings.weight must have the "
                                        "shape (40, 32)") != NULL);
    part.dims[0] = 40, part.dims[1] = 32;
    CHECK_EQ(tensors_write(&self, path_in("", "misfit.h5"), "model", values, count, &part, 1), OK);
    CHECK_EQ(model_load(&self, &other, path_in("", "misfit.h5"), "text_classification"), FAILED);
    CHECK_TRUE(strstr(status_message(), "the tensor bert.embeddings.LayerNorm.weight is missing") !=
               NULL);
    text_release(&storage);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void test_unwritable(void)
{
    Model *model = import_and_load(TINY);
    if (!model) return;
    CHECK_EQ(text_write_file(path_in("", "file"), "x", 1), OK);
    CHECK_EQ(model_export(model, path_in("", "file")), USAGE);
    CHECK_EQ(model_export(model, path_in("file/such", "folder")), USAGE);
    CHECK_TRUE(strstr(status_message(), "file/such/folder: cannot be made") != NULL);
    CHECK_EQ(model_import(path_in("no/such", "model.h5"), TINY), FAILED);
    model_free(model);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "table", test_table },
    { "config errors", test_config_errors },
    { "round trip", test_round_trip },
    { "old names", test_old_names },
    { "labels", test_labels },
    { "numbered labels", test_numbered_labels },
    { "import errors", test_import_errors },
    { "tokenizers", test_tokenizers },
    { "foreign files", test_foreign_files },
    { "misfit", test_misfit },
    { "unwritable", test_unwritable },
};

int main(int argc, char **argv)
{
    char command[100];
    log_start(0);
    if (!mkdtemp(scratch)) return EXIT_FAILURE;
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command) ? EXIT_FAILURE : code;
}
