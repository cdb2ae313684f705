/// Rows of documents: tokens that follow one another, for language models.
#pragma once
#include "data/rows.h"

/// Local. What the options say of ends and separators. USAGE for an end token that there is not.
Status documents_init(Rows *rows, const Source *source, const Tokenizer *tokenizer);
/// Local. Tokenises one more record: a text, which becomes one row or, if it is long, several; or
/// a prompt and its completion, or messages, whose row is cut at max_length. Joined texts are rows
/// of their own until `documents_cut`. `where` names the record.
Status documents_add(Rows *rows, Encoding *encoding, const Tokenizer *tokenizer,
                     const Record *record, const DataOptions *options, const char *where);
/// Collective. Cuts the tokens of joined documents, laid end to end, into rows of max_length; a
/// file's last row may be shorter. Makes their offsets, but for the end.
COLLECTIVE
Status documents_cut(const Comm *comm, Rows *rows, const Source *source);
