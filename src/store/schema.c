#include "store/schema.h"
#include "embedded_schemas.h"
#include "store/json.h"

#include <string.h>

static const char *const dtype_names[] = { [ELEMENT_F32] = "F32",
                                           [ELEMENT_F64] = "F64",
                                           [ELEMENT_I32] = "I32",
                                           [ELEMENT_I64] = "I64",
                                           [ELEMENT_U8] = "U8" };
static const char *const value_types[] = {
    [VALUE_TEXT] = "text", [VALUE_INT] = "int", [VALUE_REAL] = "real"
};
enum { SCHEMAS = sizeof embedded_schemas / sizeof *embedded_schemas };

/// The findings of one check.
typedef struct {
    Text *text;
    int *errors;
    const TensorFile *file;
} Findings;

static void find(Findings *findings, const char *rule, const char *severity, const char *path,
                 const char *message)
{
    text_printf(findings->text, "%s %s %s %s\n", rule, severity, path, message);
    if (!strcmp(severity, "error")) (*findings->errors)++;
}

static Status open_schema(Json **out, const char *name)
{
    *out = NULL;
    for (int i = 0; i < SCHEMAS; i++)
        if (!strcmp(embedded_schemas[i].name, name))
            return json_parse(out, (const char *)embedded_schemas[i].text,
                              embedded_schemas[i].bytes, name);
    return OK;
}

/// The text that stands for the one {hole} of the pattern; NULL if `path` does not match. Without a
/// hole: "" where they are equal.
static const char *match(const char *pattern, const char *path)
{
    const char *hole = strchr(pattern, '{');
    if (!hole) return strcmp(pattern, path) ? NULL : "";
    size_t prefix = (size_t)(hole - pattern);
    if (strncmp(pattern, path, prefix)) return NULL;
    const char *rest = path + prefix;
    return *rest && !strchr(rest, '/') ? rest : NULL;
}

static const char *text_of(const Json *object, const char *key)
{
    return json_text(json_get(object, key), "");
}

/// The object of the schema that describes a tensor or a value; NULL if none does.
static const Json *find_object(const Json *schema, const char *kind, const char *path)
{
    const Json *objects = json_get(schema, "objects");
    for (int64_t i = 0; i < json_size(objects); i++) {
        const Json *object = json_at(objects, i);
        if (!strcmp(text_of(object, "kind"), kind) && match(text_of(object, "path"), path))
            return object;
    }
    return NULL;
}

static bool lists_text(const Json *list, const char *text)
{
    for (int64_t i = 0; i < json_size(list); i++)
        if (!strcmp(json_text(json_at(list, i), ""), text)) return true;
    return false;
}

static bool lists_int(const Json *list, int64_t number)
{
    for (int64_t i = 0; i < json_size(list); i++)
        if (json_int(json_at(list, i), -1) == number) return true;
    return false;
}

/// The tensor whose shape this one must have has the same name in another place.
static void check_shape(Findings *findings, const Json *object, const TensorInfo *info)
{
    const char *pattern = text_of(object, "same_shape_as");
    if (!*pattern) return;
    Text path = { 0 };
    text_append_bytes(&path, pattern, (size_t)(strchr(pattern, '{') - pattern));
    text_append(&path, match(text_of(object, "path"), info->path));
    const TensorInfo *other = tensors_find(findings->file, path.data);
    if (!other || other->rank != info->rank ||
        memcmp(other->dims, info->dims, (size_t)info->rank * sizeof *info->dims)) {
        Text message = { 0 };
        text_printf(&message, "has not the shape of %s", path.data);
        find(findings, "SHAPE", "error", info->path, message.data);
        text_release(&message);
    }
    text_release(&path);
}

static void check_tensor(Findings *findings, const Json *schema, const TensorInfo *info)
{
    const Json *object = find_object(schema, "tensor", info->path);
    if (!object) {
        find(findings, "UNKNOWN", "warning", info->path, "is no tensor of this schema");
        return;
    }
    if (!lists_text(json_get(object, "dtype"), dtype_names[info->type]))
        find(findings, "TYPE", "error", info->path, "has the wrong element type");
    if (!lists_int(json_get(object, "rank"), info->rank))
        find(findings, "RANK", "error", info->path, "has a wrong number of dimensions");
    check_shape(findings, object, info);
}

static void check_value(Findings *findings, const Json *schema, const Value *value)
{
    const Json *object = find_object(schema, "value", value->name);
    if (!object)
        find(findings, "UNKNOWN", "warning", value->name, "is no value of this schema");
    else if (strcmp(text_of(object, "type"), value_types[value->kind]))
        find(findings, "TYPE", "error", value->name, "has the wrong type");
}

static bool is_present(const TensorFile *file, const Json *object)
{
    const char *path = text_of(object, "path");
    if (!strcmp(text_of(object, "kind"), "tensor")) {
        for (int i = 0; i < tensors_count(file); i++)
            if (match(path, tensors_at(file, i)->path)) return true;
    } else {
        for (int i = 0; i < tensors_value_count(file); i++)
            if (match(path, tensors_value_at(file, i)->name)) return true;
    }
    return false;
}

static void check_required(Findings *findings, const Json *schema)
{
    const Json *objects = json_get(schema, "objects");
    for (int64_t i = 0; i < json_size(objects); i++) {
        const Json *object = json_at(objects, i);
        if (json_bool(json_get(object, "required"), false) && !is_present(findings->file, object))
            find(findings, "MISSING", "error", text_of(object, "path"), "is required");
    }
}

Status schema_check(Text *findings, int *errors, const TensorFile *file)
{
    Status status = OK;
    Json *schema = NULL;
    Findings all = { findings, errors, file };
    *errors = 0;
    TRY(open_schema(&schema, tensors_schema(file)));
    if (!schema) {
        find(&all, "UNKNOWN", "error", "schema", "has a value without a schema");
        goto done;
    }
    check_required(&all, schema);
    for (int i = 0; i < tensors_count(file); i++) check_tensor(&all, schema, tensors_at(file, i));
    for (int i = 0; i < tensors_value_count(file); i++)
        check_value(&all, schema, tensors_value_at(file, i));
done:
    json_free(schema);
    return status;
}

bool schema_is_state(const char *schema, const char *name, bool is_tensor)
{
    Json *text = NULL;
    bool state = is_tensor;
    if (open_schema(&text, schema) == OK && text) {
        const Json *object = find_object(text, is_tensor ? "tensor" : "value", name);
        if (object) state = json_bool(json_get(object, "state"), is_tensor);
    }
    json_free(text);
    return state;
}

static void print_list(Text *out, const Json *list)
{
    for (int64_t i = 0; i < json_size(list); i++) {
        const Json *item = json_at(list, i);
        if (i) text_append(out, ", ");
        if (json_is_text(item))
            text_append(out, json_text(item, ""));
        else
            text_printf(out, "%d", (int)json_int(item, 0));
    }
}

static void print_object(Text *out, const Json *object)
{
    bool tensor = !strcmp(text_of(object, "kind"), "tensor");
    text_printf(out, "| `%s` | ", text_of(object, "path"));
    if (tensor) {
        text_append(out, "tensor ");
        print_list(out, json_get(object, "dtype"));
        text_append(out, ", rank ");
        print_list(out, json_get(object, "rank"));
    } else {
        text_append(out, text_of(object, "type"));
    }
    text_printf(out, " | %s | %s | %s | %s", text_of(object, "unit"),
                json_bool(json_get(object, "required"), false) ? "yes" : "",
                json_bool(json_get(object, "state"), false) ? "yes" : "",
                text_of(object, "meaning"));
    if (*text_of(object, "same_shape_as"))
        text_printf(out, "; shape of `%s`", text_of(object, "same_shape_as"));
    text_append(out, " |\n");
}

void schema_markdown(Text *out)
{
    text_append(
        out, "# Files\n\n"
             "Generated from `hdf5_schemas/`. Every file is HDF5 with whole, row-major,\n"
             "little-endian tensors, whatever the number of ranks that wrote it. `/integrity`\n"
             "holds a CRC-32C per 4 MiB block of every data set, `/commit` the size of the file\n"
             "and the checksum of that table. A file appears under its name when it is\n"
             "complete; names with `.partial` are not files yet. Short texts, integers and\n"
             "reals are attributes of the root group, long texts are scalar data sets.\n"
             "`temper inspect FILE --validate` checks a file against its schema and every\n"
             "checksum; \"state\" marks what `temper compare` compares.\n");
    for (int i = 0; i < SCHEMAS; i++) {
        Json *schema;
        CHECK(open_schema(&schema, embedded_schemas[i].name) == OK, "%s", status_message());
        const Json *objects = json_get(schema, "objects");
        text_printf(out, "\n## %s (%s)\n\n%s\n\n", embedded_schemas[i].name,
                    text_of(schema, "version"), text_of(schema, "meaning"));
        text_append(out, "| name | type | unit | required | state | meaning |\n"
                         "|---|---|---|---|---|---|\n");
        for (int64_t k = 0; k < json_size(objects); k++) print_object(out, json_at(objects, k));
        json_free(schema);
    }
}
