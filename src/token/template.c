#include "token/template.h"
#include "base/mem.h"

#include <string.h>

static void add_item(Template *made, int32_t id, int32_t type)
{
    if (made->count == made->capacity) {
        made->capacity = made->capacity ? 2 * made->capacity : 8;
        made->items = mem_resize(made->items, (size_t)made->capacity, sizeof *made->items);
    }
    made->items[made->count++] = (TemplateItem){ id, type };
    made->specials += id >= 0;
}

static Status add_token(Template *made, const Json *id, int64_t type, int64_t tokens,
                        const char *where)
{
    int64_t value = json_int(id, -1);
    if (value < 0 || value >= tokens)
        return status_fail(FAILED,
                           "%s: post_processor: a special token has id %lld outside the vocabulary "
                           "of %lld tokens",
                           where, (long long)value, (long long)tokens);
    add_item(made, (int32_t)value, (int32_t)type);
    return OK;
}

/// {"SpecialToken": {"id": name, "type_id": n}} or {"Sequence": {"id": "A" or "B", "type_id": n}}.
static Status read_item(Template *made, const Json *item, const Json *specials, int64_t tokens,
                        const char *where)
{
    Status status = OK;
    const Json *sequence = json_get(item, "Sequence"), *special = json_get(item, "SpecialToken");
    const Json *body = sequence ? sequence : special;
    const char *id = json_text(json_get(body, "id"), "");
    int64_t type = json_int(json_get(body, "type_id"), -1);
    const Json *ids = json_get(json_get(specials, id), "ids");
    if (type < 0 || type > INT32_MAX)
        FAIL(FAILED, "%s: post_processor: an item of the template has no type_id", where);
    if (sequence && (strlen(id) != 1 || !strchr("AB", *id)))
        FAIL(FAILED, "%s: post_processor: sequence '%s' must be A or B", where, id);
    if (sequence) add_item(made, *id == 'A' ? TEMPLATE_FIRST : TEMPLATE_SECOND, (int32_t)type);
    if (special && !json_size(ids))
        FAIL(FAILED, "%s: post_processor: '%s' is not among its special_tokens", where, id);
    for (int64_t i = 0; special && i < json_size(ids); i++)
        TRY(add_token(made, json_at(ids, i), type, tokens, where));
done:
    return status;
}

static int count_items(const Template *made, int32_t id)
{
    int count = 0;
    for (int i = 0; i < made->count; i++) count += made->items[i].id == id;
    return count;
}

static Status read_template(Template *made, const Json *spec, const char *name, int seconds,
                            int64_t tokens, const char *where)
{
    Status status = OK;
    const Json *items = json_get(spec, name);
    for (int64_t i = 0; i < json_size(items); i++)
        TRY(read_item(made, json_at(items, i), json_get(spec, "special_tokens"), tokens, where));
    if (count_items(made, TEMPLATE_FIRST) != 1 || count_items(made, TEMPLATE_SECOND) != seconds)
        FAIL(FAILED, "%s: post_processor.%s must name each of its texts once", where, name);
done:
    return status;
}

static Status read_templates(Templates *templates, const Json *spec, int64_t tokens,
                             const char *where)
{
    Status status = OK;
    TRY(read_template(&templates->single, spec, "single", 0, tokens, where));
    TRY(read_template(&templates->pair, spec, "pair", 1, tokens, where));
done:
    return status;
}

static Status read_bert(Templates *templates, const Json *spec, int64_t tokens, const char *where)
{
    Status status = OK;
    const Json *cls = json_at(json_get(spec, "cls"), 1), *sep = json_at(json_get(spec, "sep"), 1);
    Template *const both[] = { &templates->single, &templates->pair };
    for (int i = 0; i < 2; i++) {
        TRY(add_token(both[i], cls, 0, tokens, where));
        add_item(both[i], TEMPLATE_FIRST, 0);
        TRY(add_token(both[i], sep, 0, tokens, where));
    }
    add_item(&templates->pair, TEMPLATE_SECOND, 1);
    TRY(add_token(&templates->pair, sep, 1, tokens, where));
done:
    return status;
}

static Status read_trim(Templates *templates, const Json *spec, const char *where)
{
    if (!json_bool(json_get(spec, "trim_offsets"), true)) return OK;
    if (templates->trims)
        return status_fail(FAILED, "%s: post_processor: trim_offsets in two places", where);
    templates->trims = true;
    templates->prefix_stays = json_bool(json_get(spec, "add_prefix_space"), true);
    return OK;
}

static Status read_roberta(Templates *templates, const Json *spec, int64_t tokens,
                           const char *where)
{
    Status status = OK;
    const Json *cls = json_at(json_get(spec, "cls"), 1), *sep = json_at(json_get(spec, "sep"), 1);
    Template *const both[] = { &templates->single, &templates->pair };
    for (int i = 0; i < 2; i++) {
        TRY(add_token(both[i], cls, 0, tokens, where));
        add_item(both[i], TEMPLATE_FIRST, 0);
        TRY(add_token(both[i], sep, 0, tokens, where));
    }
    TRY(add_token(&templates->pair, sep, 0, tokens, where));
    add_item(&templates->pair, TEMPLATE_SECOND, 0);
    TRY(add_token(&templates->pair, sep, 0, tokens, where));
    TRY(read_trim(templates, spec, where));
done:
    return status;
}

static Status read_bytes(Templates *templates, const Json *spec, int64_t tokens, const char *where)
{
    (void)tokens;
    return read_trim(templates, spec, where);
}

static Status read_sequence(Templates *templates, const Json *spec, int64_t tokens,
                            const char *where);

static const struct {
    const char *type;
    Status (*read)(Templates *templates, const Json *spec, int64_t tokens, const char *where);
} types[] = {
    { "TemplateProcessing", read_templates },
    { "BertProcessing", read_bert },
    { "RobertaProcessing", read_roberta },
    { "ByteLevel", read_bytes },
    { "Sequence", read_sequence },
};

static Status read_type(Templates *templates, const Json *spec, int64_t tokens, const char *where)
{
    const char *type = json_text(json_get(spec, "type"), "(none)");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(type, types[i].type)) continue;
        bool adds = types[i].read != read_bytes && types[i].read != read_sequence;
        if (adds && templates->single.count)
            return status_fail(FAILED, "%s: post_processor: %s after another is not supported",
                               where, type);
        return types[i].read(templates, spec, tokens, where);
    }
    return status_fail(FAILED,
                       "%s: post_processor type %s is not supported (only TemplateProcessing, "
                       "BertProcessing, RobertaProcessing, ByteLevel and Sequence)",
                       where, type);
}

static Status read_sequence(Templates *templates, const Json *spec, int64_t tokens,
                            const char *where)
{
    Status status = OK;
    const Json *parts = json_get(spec, "processors");
    for (int64_t i = 0; i < json_size(parts); i++)
        TRY(read_type(templates, json_at(parts, i), tokens, where));
done:
    return status;
}

Status templates_init(Templates *templates, const Json *spec, int64_t tokens, const char *where)
{
    Status status = OK;
    *templates = (Templates){ 0 };
    if (!json_is_null(spec)) TRY(read_type(templates, spec, tokens, where));
    if (templates->single.count) return OK;
    add_item(&templates->single, TEMPLATE_FIRST, 0);
    add_item(&templates->pair, TEMPLATE_FIRST, 0);
    add_item(&templates->pair, TEMPLATE_SECOND, 1);
done:
    return status;
}

void templates_release(Templates *templates)
{
    mem_free(templates->pair.items);
    mem_free(templates->single.items);
    *templates = (Templates){ 0 };
}
