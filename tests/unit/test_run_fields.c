/* TEST labels=train timeout=20 */
#include "base/mem.h"
#include "support/check.h"
#include "train/run_fields.h"

#include <stdlib.h>

static void document_is_up_to_date(void)
{
    const char *source = getenv("TEMPER_SOURCE");
    Text text = { 0 }, path = { 0 };
    char *committed = NULL;
    run_fields_markdown(&text);
    text_printf(&path, "%s/docs/RECORD.md", source ? source : ".");
    if (getenv("TEMPER_WRITE_DOCS"))
        CHECK_EQ(text_write_file(path.data, text.data, text.length_bytes), OK);
    if (text_read_file(&committed, NULL, path.data) != OK || strcmp(committed, text.data))
        check_failed(__FILE__, __LINE__,
                     "%s is not what src/train/run_fields.c says: run this test once with "
                     "TEMPER_WRITE_DOCS=1",
                     path.data);
    mem_free(committed);
    text_release(&path);
    text_release(&text);
}

int main(int argc, char **argv)
{
    static const Case cases[] = { { "document_is_up_to_date", document_is_up_to_date } };
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
