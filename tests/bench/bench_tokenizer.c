/* Tokens per second of one thread: bench_tokenizer TOKENIZER.json LINES.txt [SECONDS].
   tests/bench/bench_tokenizer.py is the same measurement of Hugging Face `tokenizers`. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "token/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Tokens of all lines, special ones included.
static int64_t encode_lines(const Tokenizer *tokenizer, Encoding *encoding, const char *text,
                            size_t bytes)
{
    int64_t tokens = 0;
    for (const char *line = text, *end = text + bytes; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        tokenizer_encode(tokenizer, encoding, line, (size_t)(stop - line), NULL, 0, 0);
        tokens += encoding->count;
        line = stop + 1;
    }
    return tokens;
}

static Status run(const char *model, const char *lines, double seconds)
{
    Status status = OK;
    char *json = NULL, *text = NULL;
    size_t json_bytes, bytes;
    Tokenizer *tokenizer = NULL;
    Encoding encoding = { 0 };
    double best = 0, begin, made;
    TRY(text_read_file(&json, &json_bytes, model));
    TRY(text_read_file(&text, &bytes, lines));
    begin = clock_now_s();
    TRY(tokenizer_new(&tokenizer, json, json_bytes, model));
    made = clock_now_s();
    int64_t tokens = encode_lines(tokenizer, &encoding, text, bytes);
    while (clock_now_s() - made < seconds) {
        double start = clock_now_s();
        encode_lines(tokenizer, &encoding, text, bytes);
        double rate = (double)tokens / (clock_now_s() - start);
        if (rate > best) best = rate;
    }
    printf("temper     %8.3f Mtok/s  %8.1f MB/s  (%lld tokens; made in %.0f ms)\n", best / 1e6,
           best / (double)tokens * (double)bytes / 1e6, (long long)tokens, (made - begin) * 1e3);
done:
    encoding_release(&encoding);
    tokenizer_free(tokenizer);
    mem_free(text);
    mem_free(json);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tokenizer TOKENIZER.json LINES.txt [SECONDS]\n");
        return 2;
    }
    Status status = run(argv[1], argv[2], argc > 3 ? atof(argv[3]) : 3);
    if (status != OK) fprintf(stderr, "%s\n", status_message());
    return (int)status;
}
