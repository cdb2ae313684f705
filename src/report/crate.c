#include "report/crate.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RO_CRATE    "https://w3id.org/ro/crate/1.1"
#define PROFILE     "https://w3id.org/ro/wfrun/process/0.5"
#define TERMS       "https://w3id.org/ro/terms/workflow-run#"
#define DESCRIPTION "A training run of temper: its checkpoints, metrics and reports."

typedef struct {
    const CrateOptions *options;
    Json *graph;   ///< borrowed, as all below
    Json *parts;   ///< of the root: files
    Json *actions; ///< that the root mentions
} Crate;

static const struct {
    const char *ending, *format;
} formats[] = {
    { ".h5", "application/x-hdf5" },
    { ".json", "application/json" },
    { ".jsonl", "application/jsonl" },
    { ".yaml", "application/yaml" },
    { ".html", "text/html" },
    { ".svg", "image/svg+xml" },
    { ".log", "text/plain" },
    { ".txt", "text/plain" },
    { ".csv", "text/csv" },
    { ".tsv", "text/tab-separated-values" },
};

static Json *reference(const char *id)
{
    Json *out = json_new_object();
    json_set_text(out, "@id", id);
    return out;
}

static const char *agent_id(const CrateOptions *options)
{
    return *options->orcid ? options->orcid : "#agent";
}

/// Adds an entity, which the graph owns.
static Json *entity(Crate *crate, const char *id, const char *type, const char *name)
{
    Json *out = reference(id);
    json_set_text(out, "@type", type);
    if (name) json_set_text(out, "name", name);
    json_append(crate->graph, out);
    return out;
}

/// "2026-11-28T11:45:12Z" with its offset in digits, as the profile wants it.
static void set_time(Json *object, const char *key, const Json *time)
{
    const char *text = json_text(time, NULL);
    Text with_offset = { 0 };
    if (!text) return;
    text_printf(&with_offset, "%.*s+00:00", (int)strcspn(text, "Z"), text);
    json_set_text(object, key, with_offset.data);
    text_release(&with_offset);
}

/// The name of a file in the crate, else its file URI.
static void append_id(Text *out, const CrateOptions *options, const char *path)
{
    size_t length = strlen(options->folder);
    bool inside = !strncmp(path, options->folder, length) && path[length] == '/';
    if (!inside) text_append(out, "file://");
    for (const char *c = inside ? path + length + 1 : path; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~/", *c);
        text_printf(out, plain ? "%c" : "%%%02X", (unsigned char)*c);
    }
}

static bool has_entity(const Crate *crate, const char *id)
{
    for (int64_t i = 0; i < json_size(crate->graph); i++)
        if (!strcmp(json_text(json_get(json_at(crate->graph, i), "@id"), ""), id)) return true;
    return false;
}

static void describe_file(Crate *crate, const char *id, const Json *file, const char *what)
{
    const char *path = json_text(json_get(file, "path"), "");
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    Json *out = entity(crate, id, "File", slash ? slash + 1 : path);
    Text bytes = { 0 };
    json_set_text(out, "description", what);
    for (size_t i = 0; i < sizeof formats / sizeof *formats && dot; i++)
        if (!strcmp(dot, formats[i].ending))
            json_set_text(out, "encodingFormat", formats[i].format);
    text_printf(&bytes, "%" PRId64, json_int(json_get(file, "bytes"), 0));
    json_set_text(out, "contentSize", bytes.data);
    json_set_text(out, "sha256", json_text(json_get(file, "sha256"), ""));
    json_append(crate->parts, reference(id));
    text_release(&bytes);
}

/// Adds a file, once, and what refers to it to `list`.
static void add_file(Crate *crate, Json *list, const Json *file, const char *base, const char *what)
{
    const char *path = json_text(json_get(file, "path"), "");
    Text whole = { 0 }, id = { 0 };
    if (*path != '/') text_printf(&whole, "%s/", base);
    text_append(&whole, path);
    append_id(&id, crate->options, whole.data);
    if (!has_entity(crate, id.data)) {
        describe_file(crate, id.data, file, what);
        json_append(list, reference(id.data));
    }
    text_release(&id);
    text_release(&whole);
}

/// The program of a part, with what it was built of.
static void add_program(Crate *crate, Json *action, const Json *part, int64_t number)
{
    const Json *program = json_get(part, "program");
    void *at = NULL;
    const char *key;
    Json *value;
    Text id = { 0 }, all = { 0 }, version = { 0 };
    text_printf(&id, "#program-%" PRId64, number);
    Json *out = entity(crate, id.data, "SoftwareApplication", "temper");
    text_printf(&version, "%s, commit %s", json_text(json_get(program, "version"), ""),
                json_text(json_get(program, "commit"), "unknown"));
    json_set_text(out, "softwareVersion", version.data);
    while (json_next(program, &at, &key, &value))
        text_printf(&all, "%s%s: %s", all.length_bytes ? "; " : "", key, json_text(value, ""));
    json_set_text(out, "description", text_chars(&all));
    json_set(action, "instrument", reference(id.data));
    text_release(&version);
    text_release(&all);
    text_release(&id);
}

static void add_property(Crate *crate, Json *list, const char *id, const char *name,
                         const char *value, const char *unit)
{
    Json *out = entity(crate, id, "PropertyValue", name);
    json_set_text(out, "value", value);
    if (unit) json_set_text(out, "unitText", unit);
    json_append(list, reference(id));
}

static void add_properties(Crate *crate, Json *action, const Json *part, int64_t number)
{
    Json *environment = json_new_array(), *usage = json_new_array(), *value;
    const Json *energy_j = json_get(part, "energy_j");
    void *at = NULL;
    const char *key;
    Text id = { 0 }, number_text = { 0 };
    while (json_next(json_get(part, "environment"), &at, &key, &value)) {
        text_clear(&id);
        text_printf(&id, "#environment-%" PRId64 "-%s", number, key);
        add_property(crate, environment, id.data, key, json_text(value, ""), NULL);
    }
    if (energy_j) {
        text_clear(&id);
        text_printf(&id, "#energy-%" PRId64, number);
        text_real(&number_text, json_number(energy_j, 0));
        add_property(crate, usage, id.data, "energy of the processors", number_text.data, "J");
    }
    json_set(action, "environment", environment);
    if (json_size(usage))
        json_set(action, "resourceUsage", usage);
    else
        json_free(usage);
    text_release(&number_text);
    text_release(&id);
}

static void add_exports(Crate *crate, Json *list, const Json *exports)
{
    for (int64_t i = 0; i < json_size(exports); i++) {
        const Json *export = json_at(exports, i), *files = json_get(export, "files");
        for (int64_t k = 0; k < json_size(files); k++)
            add_file(crate, list, json_at(files, k), json_text(json_get(export, "folder"), ""),
                     "exported from the run");
    }
}

static void add_files(Crate *crate, Json *action, const Json *part, const Json *exports)
{
    Json *object = json_new_array(), *result = json_new_array();
    const char *base = json_text(json_get(part, "folder"), "");
    const Json *data = json_get(part, "data"), *outputs = json_get(part, "outputs");
    for (int64_t i = 0; i < json_size(data); i++)
        add_file(crate, object, json_at(data, i), base, "data of the run");
    add_file(crate, object, json_get(part, "model"), base, "model that the run began with");
    for (int64_t i = 0; i < json_size(outputs); i++) {
        const Json *file = json_at(outputs, i);
        bool is_recipe = !strcmp(json_text(json_get(file, "path"), ""), "recipe.yaml");
        add_file(crate, is_recipe ? object : result, file, crate->options->run,
                 is_recipe ? "recipe in effect" : "written by the run");
    }
    add_exports(crate, result, exports);
    json_set(action, "object", object);
    json_set(action, "result", result);
}

static void append_command(Text *out, const Json *words)
{
    for (int64_t i = 0; i < json_size(words); i++)
        text_printf(out, "%s%s", i ? " " : "", json_text(json_at(words, i), ""));
}

/// The last part has the files, with the exports.
static void add_action(Crate *crate, const Json *part, int64_t number, const Json *exports)
{
    Text id = { 0 }, name = { 0 }, command = { 0 };
    const char *state = json_text(json_get(part, "state"), "");
    text_printf(&id, "#part-%" PRId64, number);
    text_printf(&name, "training from step %" PRId64, json_int(json_get(part, "from_step"), 0));
    append_command(&command, json_get(part, "command"));
    Json *action = entity(crate, id.data, "CreateAction", name.data);
    json_set_text(action, "description", text_chars(&command));
    set_time(action, "startTime", json_get(part, "started_utc"));
    set_time(action, "endTime", json_get(part, "ended_utc"));
    json_set_text(action, "actionStatus",
                  strcmp(state, "failed") ? "http://schema.org/CompletedActionStatus"
                                          : "http://schema.org/FailedActionStatus");
    if (*crate->options->agent) json_set(action, "agent", reference(agent_id(crate->options)));
    add_program(crate, action, part, number);
    add_properties(crate, action, part, number);
    if (exports) add_files(crate, action, part, exports);
    json_append(crate->actions, reference(id.data));
    text_release(&command);
    text_release(&name);
    text_release(&id);
}

static void add_root(Crate *crate, const Json *last)
{
    const char *slash = strrchr(crate->options->run, '/'), *license = crate->options->license;
    Json *descriptor = entity(crate, "ro-crate-metadata.json", "CreativeWork", NULL);
    Json *root = entity(crate, "./", "Dataset", slash ? slash + 1 : crate->options->run);
    Json *profile = entity(crate, PROFILE, "CreativeWork", "Process Run Crate");
    json_set(descriptor, "conformsTo", reference(RO_CRATE));
    json_set(descriptor, "about", reference("./"));
    json_set_text(profile, "version", "0.5");
    json_set_text(root, "description", DESCRIPTION);
    set_time(root, "datePublished", json_get(last, "ended_utc"));
    json_set(root, "license", reference(*license ? license : "#license"));
    entity(crate, *license ? license : "#license", "CreativeWork",
           *license ? license : "not stated");
    json_set(root, "conformsTo", reference(PROFILE));
    if (*crate->options->agent) json_set(root, "author", reference(agent_id(crate->options)));
    crate->parts = json_new_array();
    crate->actions = json_new_array();
    json_set(root, "hasPart", crate->parts);
    json_set(root, "mentions", crate->actions);
}

static Json *context(void)
{
    static const char *const terms[] = { "sha256", "environment", "resourceUsage" };
    Json *out = json_new_array(), *own = json_new_object();
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        Text term = { 0 };
        text_printf(&term, TERMS "%s", terms[i]);
        json_set_text(own, terms[i], term.data);
        text_release(&term);
    }
    json_append(out, json_new_text(RO_CRATE "/context"));
    json_append(out, own);
    return out;
}

Json *crate_json(const Json *record, const CrateOptions *options)
{
    const Json *parts = json_get(record, "parts");
    int64_t count = json_size(parts);
    Json *out = json_new_object();
    Crate crate = { .options = options, .graph = json_new_array() };
    json_set(out, "@context", context());
    json_set(out, "@graph", crate.graph);
    add_root(&crate, json_at(parts, count - 1));
    if (*options->agent) entity(&crate, agent_id(options), "Person", options->agent);
    Json *none = json_new_array();
    const Json *exports = json_get(record, "exports");
    for (int64_t i = 0; i < count; i++)
        add_action(&crate, json_at(parts, i), i + 1,
                   i + 1 < count ? NULL
                   : exports     ? exports
                                 : none);
    json_free(none);
    return out;
}
