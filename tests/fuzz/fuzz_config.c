#include "base/mem.h"
#include "model/build.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/// A config.json, with or without factors, becomes a table of parameters or is refused.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char *const tasks[] = { NULL, "text_classification", "causal_lm", "masked_lm" };
    Json *config = NULL;
    if (json_parse(&config, (const char *)data, bytes, "fuzz") != OK) return 0;
    for (int i = 0; i < 4; i++) {
        Model *model = NULL;
        if (model_new(&model, config, tasks[i], 0, NULL, "fuzz") != OK) continue;
        CHECK(model->param_count > 0, "no parameters");
        for (int k = 0; k < model->param_count; k++)
            CHECK(model->params[k].rows > 0 && model->params[k].cols > 0, "%s is empty",
                  model->params[k].name);
        model_check_factors(model, "fuzz");
        model_free(model);
    }
    json_free(config);
    return 0;
}
