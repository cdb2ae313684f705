#include "support/document.h"
#include "base/mem.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

void check_document(const char *name, const Text *expected, const char *source)
{
    const char *root = getenv("TEMPER_SOURCE");
    Text path = { 0 };
    char *committed = NULL;
    text_printf(&path, "%s/docs/%s", root ? root : ".", name);
    if (getenv("TEMPER_WRITE_DOCS"))
        CHECK_EQ(text_write_file(path.data, expected->data, expected->length_bytes), OK);
    if (text_read_file(&committed, NULL, path.data) != OK || strcmp(committed, expected->data))
        check_failed(__FILE__, __LINE__,
                     "%s is not what %s says: run this test once with TEMPER_WRITE_DOCS=1",
                     path.data, source);
    mem_free(committed);
    text_release(&path);
}
