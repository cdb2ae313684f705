#include "cli/trained.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"
#include "train/layout.h"
#include "train/prepare.h"

#include <string.h>

/// What a run was trained with stays; its data may be others.
static Status check_keys(const Settings *overrides)
{
    for (int i = 0; i < overrides->count; i++)
        if (strncmp(overrides->items[i].key, "data.", 5) &&
            strncmp(overrides->items[i].key, "grid.", 5))
            return status_fail(USAGE,
                               "%s: %s: a run that is trained takes data.* and grid.* keys alone",
                               overrides->items[i].where, overrides->items[i].key);
    return OK;
}

/// Local (rank 0). The checkpoint's recipe with the overrides over it.
static Status read_recipe(Recipe *recipe, char **path, const char *run, const char *checkpoint,
                          const Settings *overrides, int ranks)
{
    Status status = OK;
    TRY(checkpoint_of_run(path, *checkpoint ? checkpoint : run, false));
    TRY(checkpoint_recipe(recipe, *path));
    TRY(options_override(recipe, recipe_options, overrides));
    TRY(check_keys(overrides));
    layout_keep(&recipe->grid, ranks, overrides);
done:
    return status;
}

Status trained_load(Trained *out, const Comm *comm, const char *run, const char *checkpoint,
                    const Settings *overrides)
{
    Status status = OK;
    *out = (Trained){ .recipe = MEM_NEW(Recipe, 1) };
    TRY_ROOT(comm, read_recipe(out->recipe, &out->path, run, checkpoint, overrides, comm->size));
    comm_broadcast(comm, out->recipe, sizeof *out->recipe, 0);
    comm_broadcast_text(comm, &out->path, 0);
    TRY(layout_check_grid(comm, &out->recipe->grid, NULL, out->path));
    TRY(recipe_grid(&out->comm, &out->grid, comm, &out->recipe->grid));
    TRY(model_load(&out->comm, &out->model, out->path, out->recipe->model.task));
    TRY_ALL(comm, prepare_check_model(out->recipe, out->model));
    TRY_ALL(comm, prepare_tokenizer(&out->tokenizer, out->model->tokenizer_json,
                                    out->model->spec.vocab_size, out->path));
done:
    return status;
}

/// The grid.* keys alone.
static Status read_grid(GridOptions *out, const Settings *overrides)
{
    Recipe *recipe = MEM_NEW(Recipe, 1);
    recipe->grid = *out;
    Status status = options_override(recipe, recipe_options, overrides);
    if (status == OK) status = check_keys(overrides);
    *out = recipe->grid;
    mem_free(recipe);
    return status;
}

Status trained_path(char **path, int64_t *is_model, const char *run)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(checkpoint_of_run(path, run, false));
    TRY(tensors_open_any(&file, *path));
    *is_model = !strcmp(tensors_schema(file), "model");
done:
    tensors_close(file);
    return status;
}

Status trained_load_model(Trained *out, const Comm *comm, const char *path, const char *task,
                          const Settings *overrides)
{
    Status status = OK;
    GridOptions options = { .rows = 1, .cols = 1 };
    *out = (Trained){ .path = mem_copy_text(path) };
    TRY_ALL(comm, read_grid(&options, overrides));
    TRY(layout_check_grid(comm, &options, NULL, path));
    TRY(recipe_grid(&out->comm, &out->grid, comm, &options));
    TRY(model_load(&out->comm, &out->model, path, task));
    TRY_ALL(comm, model_check_whole(out->model, path));
    TRY_ALL(comm, prepare_tokenizer(&out->tokenizer, out->model->tokenizer_json,
                                    out->model->spec.vocab_size, path));
done:
    return status;
}

void trained_release(Trained *trained)
{
    tokenizer_free(trained->tokenizer);
    model_free(trained->model);
    recipe_grid_stop(&trained->grid);
    mem_free(trained->recipe);
    mem_free(trained->path);
    *trained = (Trained){ 0 };
}
