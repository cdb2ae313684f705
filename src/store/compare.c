#include "store/inspect.h"
#include "base/mem.h"
#include "store/schema.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { SLAB_ELEMENTS = 1 << 19 };

/// Parameters of equal role share one tolerance.
enum { VECTORS, MATRICES, ROLES };

typedef struct {
    Text *out;
    TensorFile *a, *b;
    double tolerance;
    bool models_only;    ///< the files are of two kinds
    int most_lines;      ///< of differences; 0: all
    int lines;           ///< so far
    int tensors, values; ///< that differ
    double largest[ROLES], largest_difference[ROLES];
    bool different;
} Comparison;

/// What two tensors of equal shape differ in.
typedef struct {
    int64_t elements;
    double largest, largest_difference; ///< infinite where one holds a NaN
} Difference;

static double number_at(ElementType type, const void *data, int64_t i)
{
    switch (type) {
    case ELEMENT_F32:
        return (double)((const float *)data)[i];
    case ELEMENT_F64:
        return ((const double *)data)[i];
    case ELEMENT_I32:
        return ((const int32_t *)data)[i];
    case ELEMENT_I64:
        return (double)((const int64_t *)data)[i];
    case ELEMENT_U8:
        return ((const uint8_t *)data)[i];
    }
    return 0;
}

static void measure(Difference *found, ElementType type, const char *a, const char *b,
                    int64_t count)
{
    size_t size = element_bytes(type);
    for (int64_t i = 0; i < count; i++) {
        double left = number_at(type, a, i);
        if (fabs(left) > found->largest && isfinite(left)) found->largest = fabs(left);
        if (!memcmp(a + (size_t)i * size, b + (size_t)i * size, size)) continue;
        double distance = fabs(left - number_at(type, b, i));
        found->elements++;
        if (isnan(distance)) distance = INFINITY;
        if (distance > found->largest_difference) found->largest_difference = distance;
    }
}

static Status compare_contents(Difference *found, const Comparison *c, const TensorInfo *a,
                               const TensorInfo *b)
{
    Status status = OK;
    char *left = MEM_NEW(char, SLAB_ELEMENTS * 8), *right = MEM_NEW(char, SLAB_ELEMENTS * 8);
    *found = (Difference){ 0 };
    for (int64_t first = 0; first < a->elements; first += SLAB_ELEMENTS) {
        int64_t count = a->elements - first;
        if (count > SLAB_ELEMENTS) count = SLAB_ELEMENTS;
        TRY(tensors_read(c->a, a, first, count, left));
        TRY(tensors_read(c->b, b, first, count, right));
        measure(found, a->type, left, right, count);
    }
done:
    mem_free(right);
    mem_free(left);
    return status;
}

static bool same_shape(const TensorInfo *a, const TensorInfo *b)
{
    return a->type == b->type && a->rank == b->rank &&
           !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims);
}

static bool is_model(const char *path)
{
    return !strncmp(path, "model/", 6);
}

static bool counts(const Comparison *c, const TensorFile *file, const char *name, bool is_tensor)
{
    if (c->models_only) return is_tensor && is_model(name);
    return schema_is_state(tensors_schema(file), name, is_tensor);
}

static void tell(Comparison *c, const char *name, const char *message)
{
    if (!c->most_lines || c->lines < c->most_lines) text_printf(c->out, "%s: %s\n", name, message);
    c->lines++;
}

/// A tensor that is not in both files with one shape.
static void report_unmatched(Comparison *c, const char *path, const char *message)
{
    tell(c, path, message);
    c->tensors++;
    if (c->tolerance < 0 || is_model(path)) c->different = true;
}

static Status compare_tensor(Comparison *c, const TensorInfo *a)
{
    Status status = OK;
    Difference found;
    Text message = { 0 };
    if (!counts(c, c->a, a->path, true)) goto done;
    const TensorInfo *b = tensors_find(c->b, a->path);
    if (!b || !same_shape(a, b)) {
        report_unmatched(c, a->path, b ? "has another shape or type" : "is only in the first");
        goto done;
    }
    TRY(compare_contents(&found, c, a, b));
    if (is_model(a->path)) {
        int role = a->rank >= 2 ? MATRICES : VECTORS;
        if (found.largest > c->largest[role]) c->largest[role] = found.largest;
        if (found.largest_difference > c->largest_difference[role])
            c->largest_difference[role] = found.largest_difference;
    }
    if (!found.elements) goto done;
    c->tensors++;
    if (c->tolerance < 0) c->different = true;
    text_printf(&message, "%" PRId64 " of %" PRId64 " elements differ, by up to %.3g",
                found.elements, a->elements, found.largest_difference);
    tell(c, a->path, message.data);
done:
    text_release(&message);
    return status;
}

static const Value *find_value(const TensorFile *file, const char *name)
{
    for (int i = 0; i < tensors_value_count(file); i++)
        if (!strcmp(tensors_value_at(file, i)->name, name)) return tensors_value_at(file, i);
    return NULL;
}

static bool same_value(const Value *a, const Value *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == VALUE_TEXT) return !strcmp(a->text, b->text);
    if (a->kind == VALUE_INT) return a->integer == b->integer;
    return !memcmp(&a->real, &b->real, sizeof a->real);
}

/// With a tolerance values are part of the state: reported, not counted.
static void report_value(Comparison *c, const char *name, const char *message)
{
    tell(c, name, message);
    c->values++;
    if (c->tolerance < 0) c->different = true;
}

static void compare_values(Comparison *c)
{
    for (int i = 0; i < tensors_value_count(c->a); i++) {
        const Value *a = tensors_value_at(c->a, i), *b = find_value(c->b, a->name);
        if (!counts(c, c->a, a->name, false)) continue;
        if (!b) {
            report_value(c, a->name, "is only in the first");
        } else if (!same_value(a, b) && a->kind == VALUE_INT && b->kind == VALUE_INT) {
            Text message = { 0 };
            text_printf(&message, "%" PRId64 " against %" PRId64, a->integer, b->integer);
            report_value(c, a->name, message.data);
            text_release(&message);
        } else if (!same_value(a, b)) {
            report_value(c, a->name, "differs");
        }
    }
    for (int i = 0; i < tensors_value_count(c->b); i++) {
        const char *name = tensors_value_at(c->b, i)->name;
        if (!find_value(c->a, name) && counts(c, c->b, name, false))
            report_value(c, name, "is only in the second");
    }
}

static Status compare_tensors(Comparison *c)
{
    Status status = OK;
    for (int i = 0; i < tensors_count(c->a); i++) TRY(compare_tensor(c, tensors_at(c->a, i)));
    for (int i = 0; i < tensors_count(c->b); i++) {
        const char *path = tensors_at(c->b, i)->path;
        if (!tensors_find(c->a, path) && counts(c, c->b, path, true))
            report_unmatched(c, path, "is only in the second");
    }
done:
    return status;
}

static void judge_tolerance(Comparison *c)
{
    static const char *const names[ROLES] = { [VECTORS] = "vectors", [MATRICES] = "matrices" };
    for (int role = 0; role < ROLES; role++) {
        double limit = c->tolerance * c->largest[role];
        bool within = c->largest_difference[role] <= limit;
        text_printf(c->out, "%s: largest difference %.3g, allowed %.3g (largest value %.3g)%s\n",
                    names[role], c->largest_difference[role], limit, c->largest[role],
                    within ? "" : ": too large");
        if (!within) c->different = true;
    }
}

static bool holds_model(const TensorFile *file)
{
    for (int i = 0; i < tensors_count(file); i++)
        if (is_model(tensors_at(file, i)->path)) return true;
    return false;
}

/// Files of two kinds have the model in common, or nothing.
static void compare_kinds(Comparison *c)
{
    const char *a = tensors_schema(c->a), *b = tensors_schema(c->b);
    if (!strcmp(a, b)) return;
    bool models = holds_model(c->a) && holds_model(c->b);
    c->models_only = true;
    c->different = !models;
    text_printf(c->out, "a %s against a %s: %s\n", a, b,
                models ? "only the models are compared" : "nothing can be compared");
}

Status compare_files(Text *out, bool *different, const char *a, const char *b, double tolerance,
                     int most_lines)
{
    Status status = OK;
    Comparison c = { .out = out, .tolerance = tolerance, .most_lines = most_lines };
    *different = false;
    TRY(tensors_open_any(&c.a, a));
    TRY(tensors_open_any(&c.b, b));
    compare_kinds(&c);
    if (c.different) goto done;
    TRY(compare_tensors(&c));
    compare_values(&c);
    if (most_lines && c.lines > most_lines)
        text_printf(out, "and %d more (--all shows them)\n", c.lines - most_lines);
    if (tolerance >= 0) judge_tolerance(&c);
    if (c.tensors || c.values)
        text_printf(out, "%s: %d tensor%s and %d value%s differ\n",
                    c.different ? "different" : "equal within the tolerance", c.tensors,
                    c.tensors == 1 ? "" : "s", c.values, c.values == 1 ? "" : "s");
    else
        text_append(out, c.different ? "different\n" : "equal\n");
done:
    *different = c.different;
    tensors_close(c.b);
    tensors_close(c.a);
    return status;
}
