/* TEST labels=train timeout=20 */
#include "support/check.h"
#include "support/document.h"
#include "train/run_fields.h"

static void document_is_up_to_date(void)
{
    Text text = { 0 };
    run_fields_markdown(&text);
    check_document("RECORD.md", &text, "src/train/run_fields.c");
    text_release(&text);
}

int main(int argc, char **argv)
{
    static const Case cases[] = { { "document_is_up_to_date", document_is_up_to_date } };
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
