/* TEST labels=train timeout=60 */
#include "train/prepare.h"
#include "base/mem.h"
#include "base/text.h"
#include "support/check.h"

static void tokenizers_of_other_models_are_refused(void)
{
    char *json = NULL;
    Tokenizer *tokenizer = NULL;
    CHECK_EQ(text_read_file(&json, NULL, TEST_FOLDER "/../golden/tiny-bert/tokenizer.json"), OK);
    CHECK_EQ(prepare_tokenizer(&tokenizer, json, 99, "model.h5"), FAILED);
    CHECK_TRUE(!tokenizer);
    CHECK_TEXT(status_message(),
               "model.h5: 100 tokens but the model has 99: the tokenizer of another model");
    for (int64_t vocabulary = 0; vocabulary <= 200; vocabulary += 100) {
        CHECK_EQ(prepare_tokenizer(&tokenizer, json, vocabulary, "model.h5"), OK);
        tokenizer_free(tokenizer);
    }
    mem_free(json);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = { { "tokenizers of other models are refused",
                                tokenizers_of_other_models_are_refused } };

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
