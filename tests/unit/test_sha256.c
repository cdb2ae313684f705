/* TEST labels=base timeout=60 */
#include "base/mem.h"
#include "base/sha256.h"
#include "base/text.h"
#include "support/check.h"
#include "support/folder.h"

/// FIPS 180-4 examples, and lengths around the padding's limits (values of Python's hashlib).
static const struct {
    int repeat;
    const char *text, *hex;
} vectors[] = {
    { 1, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { 1, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { 1, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    { 1,
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmno"
      "p"
      "qrsmnopqrstnopqrstu",
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
    { 55, "a", "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318" },
    { 56, "a", "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a" },
    { 64, "a", "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb" },
    { 1000000, "a", "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};

static void gives_the_published_values(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        Sha256 sha;
        char hex[65];
        sha256_init(&sha);
        for (int k = 0; k < vectors[i].repeat; k++)
            sha256_add(&sha, vectors[i].text, strlen(vectors[i].text));
        sha256_finish(hex, &sha);
        CHECK_TEXT(hex, vectors[i].hex);
    }
}

static void pieces_do_not_matter(void)
{
    char data[300], whole[65], parts[65];
    for (int i = 0; i < 300; i++) data[i] = (char)(i * 7);
    for (size_t piece = 1; piece < 150; piece++) {
        Sha256 a, b;
        sha256_init(&a);
        sha256_init(&b);
        sha256_add(&a, data, sizeof data);
        for (size_t at = 0; at < sizeof data; at += piece)
            sha256_add(&b, data + at, sizeof data - at < piece ? sizeof data - at : piece);
        sha256_finish(whole, &a);
        sha256_finish(parts, &b);
        CHECK_TEXT(parts, whole);
    }
}

static void both_forms_agree(void)
{
    enum { BLOCKS = 40 };
    unsigned char data[64 * BLOCKS + 1];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * i + i / 7);
    for (size_t blocks = 0; blocks <= BLOCKS; blocks++) {
        Sha256 sha;
        uint32_t state[8];
        sha256_init(&sha);
        memcpy(state, sha.state, sizeof state);
        sha256_blocks(sha.state, data + blocks % 2, blocks);
        sha256_blocks_portable(state, data + blocks % 2, blocks);
        CHECK_TRUE(!memcmp(state, sha.state, sizeof state));
    }
}

static void reads_files(void)
{
    Comm self = comm_self();
    char hex[65];
    folder_make(&self);
    CHECK_EQ(text_write_file(folder_path("abc"), "abc", 3), OK);
    CHECK_EQ(sha256_file(hex, folder_path("abc")), OK);
    CHECK_TEXT(hex, vectors[1].hex);
    CHECK_EQ(sha256_file(hex, folder_path("absent")), FAILED);
    CHECK_TRUE(strstr(status_message(), "absent: No such file"));
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "gives the published values", gives_the_published_values },
    { "pieces do not matter", pieces_do_not_matter },
    { "both forms agree", both_forms_agree },
    { "reads files", reads_files },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
