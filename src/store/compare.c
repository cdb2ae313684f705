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

/// A tensor that is not in both files with one shape.
static void report_unmatched(Comparison *c, const char *path, const char *message)
{
    text_printf(c->out, "%s: %s\n", path, message);
    c->tensors++;
    if (c->tolerance < 0 || is_model(path)) c->different = true;
}

static Status compare_tensor(Comparison *c, const TensorInfo *a)
{
    Status status = OK;
    Difference found;
    if (!schema_is_state(tensors_schema(c->a), a->path, true)) goto done;
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
    text_printf(c->out, "%s: %" PRId64 " of %" PRId64 " elements differ, by up to %.3g\n", a->path,
                found.elements, a->elements, found.largest_difference);
done:
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
    text_printf(c->out, "%s: %s\n", name, message);
    c->values++;
    if (c->tolerance < 0) c->different = true;
}

static void compare_values(Comparison *c)
{
    for (int i = 0; i < tensors_value_count(c->a); i++) {
        const Value *a = tensors_value_at(c->a, i), *b = find_value(c->b, a->name);
        if (!schema_is_state(tensors_schema(c->a), a->name, false)) continue;
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
        if (!find_value(c->a, name) && schema_is_state(tensors_schema(c->b), name, false))
            report_value(c, name, "is only in the second");
    }
}

static Status compare_tensors(Comparison *c)
{
    Status status = OK;
    for (int i = 0; i < tensors_count(c->a); i++) TRY(compare_tensor(c, tensors_at(c->a, i)));
    for (int i = 0; i < tensors_count(c->b); i++) {
        const char *path = tensors_at(c->b, i)->path;
        if (!tensors_find(c->a, path) && schema_is_state(tensors_schema(c->b), path, true))
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

Status compare_files(Text *out, bool *different, const char *a, const char *b, double tolerance)
{
    Status status = OK;
    Comparison c = { .out = out, .tolerance = tolerance };
    *different = false;
    TRY(tensors_open_any(&c.a, a));
    TRY(tensors_open_any(&c.b, b));
    if (strcmp(tensors_schema(c.a), tensors_schema(c.b))) {
        text_printf(out, "a %s file against a %s file\n", tensors_schema(c.a), tensors_schema(c.b));
        if (tolerance < 0) c.different = true;
    }
    TRY(compare_tensors(&c));
    compare_values(&c);
    if (tolerance >= 0) judge_tolerance(&c);
    *different = c.different;
    if (c.tensors || c.values)
        text_printf(out, "%s: %d tensors and %d values differ\n",
                    c.different ? "different" : "equal within the tolerance", c.tensors, c.values);
    else
        text_append(out, c.different ? "different\n" : "equal\n");
done:
    tensors_close(c.b);
    tensors_close(c.a);
    return status;
}
