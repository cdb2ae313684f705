/// Special tokens around one text or two, and token types.
#pragma once
#include "base/status.h"
#include "store/json.h"

#include <stdbool.h>
#include <stdint.h>

/// The places of the texts; other ids are tokens.
enum { TEMPLATE_FIRST = -1, TEMPLATE_SECOND = -2 };

typedef struct {
    int32_t id, type;
} TemplateItem;

typedef struct {
    TemplateItem *items; ///< (count), owned
    int count, capacity;
    int specials; ///< items that are tokens
} Template;

typedef struct {
    Template single, pair;
    bool trims;        ///< white space at the ends of tokens is not part of their place
    bool prefix_stays; ///< save one before the first token
} Templates;

/// Local. From the `post_processor` of a tokenizer.json (null: the texts alone); FAILED for an
/// unknown type or an id that is not below `tokens`. `where` names the file.
Status templates_init(Templates *templates, const Json *spec, int64_t tokens, const char *where);
void templates_release(Templates *templates);
