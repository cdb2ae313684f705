#include "model/config.h"

#include <math.h>

static Status read_size(ModelSpec *out, const Json *config, const ConfigSize *size,
                        const char *where)
{
    const Json *value = json_get(config, size->key);
    int64_t *to = (int64_t *)((char *)out + size->place);
    if (json_is_null(value) && size->fallback < 0)
        return status_fail(FAILED, "%s: %s is missing", where, size->key);
    *to = size->fallback;
    if (json_is_null(value)) return OK;
    *to = json_int(value, -1);
    if (json_is_int(value) && *to >= 1 && *to <= size->most) return OK;
    return status_fail(FAILED, "%s: %s must be a whole number from 1 to %lld", where, size->key,
                       (long long)size->most);
}

Status config_sizes(ModelSpec *out, const Json *config, const ConfigSize *rows, int count,
                    const char *where)
{
    Status status = OK;
    for (int i = 0; i < count; i++) TRY(read_size(out, config, &rows[i], where));
done:
    return status;
}

Status config_rate(double *out, const Json *config, const char *key, double fallback,
                   const char *where)
{
    const Json *value = json_get(config, key);
    if (json_is_null(value) && fallback < 0)
        return status_fail(FAILED, "%s: %s is missing", where, key);
    *out = json_is_null(value) ? fallback : json_number(value, -1);
    if (*out >= 0 && *out < 1) return OK;
    return status_fail(FAILED, "%s: %s must be a number from 0 to below 1", where, key);
}

Status config_activation(ActivationKind *out, const Json *config, const char *key,
                         const char *where)
{
    const char *name = json_text(json_get(config, key), NULL);
    if (!name) return status_fail(FAILED, "%s: %s is missing", where, key);
    if (activation_by_name(out, name)) return OK;
    return status_fail(FAILED, "%s: %s '%.40s' is not supported", where, key, name);
}

Status config_refuse(const Json *config, const char *const *keys, int count, const char *where)
{
    for (int i = 0; i < count; i++)
        if (json_bool(json_get(config, keys[i]), false))
            return status_fail(FAILED, "%s: %s is not supported", where, keys[i]);
    return OK;
}

Status config_heads(ModelSpec *out, const char *where)
{
    int64_t heads = out->num_attention_heads;
    if (!out->head_dim && out->hidden_size % heads)
        return status_fail(FAILED,
                           "%s: hidden_size %lld is no multiple of num_attention_heads %lld", where,
                           (long long)out->hidden_size, (long long)heads);
    if (!out->head_dim) out->head_dim = out->hidden_size / heads;
    if (!out->num_key_value_heads) out->num_key_value_heads = heads;
    if (heads % out->num_key_value_heads)
        return status_fail(
            FAILED, "%s: num_attention_heads %lld is no multiple of num_key_value_heads %lld",
            where, (long long)heads, (long long)out->num_key_value_heads);
    out->query_size = heads * out->head_dim;
    out->key_size = out->num_key_value_heads * out->head_dim;
    out->qkv_size = out->query_size + 2 * out->key_size;
    return OK;
}
