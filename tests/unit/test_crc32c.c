/* TEST labels=base timeout=60 */
#include "base/crc32c.h"
#include "base/mem.h"
#include "support/check.h"

enum { BYTES = 100000 };

static unsigned char *noise(void)
{
    unsigned char *data = MEM_NEW(unsigned char, BYTES);
    uint32_t x = 1;
    for (int i = 0; i < BYTES; i++) {
        x = x * 1664525u + 1013904223u;
        data[i] = (unsigned char)(x >> 24);
    }
    return data;
}

/// RFC 3720, appendix B.4.
static void gives_the_published_values(void)
{
    unsigned char data[32];
    CHECK_EQ(crc32c(0, "123456789", 9), 0xE3069283u);
    CHECK_EQ(crc32c(0, "", 0), 0);
    memset(data, 0, sizeof data);
    CHECK_EQ(crc32c(0, data, sizeof data), 0x8A9136AAu);
    memset(data, 0xFF, sizeof data);
    CHECK_EQ(crc32c(0, data, sizeof data), 0x62A8AB43u);
    for (int i = 0; i < 32; i++) data[i] = (unsigned char)i;
    CHECK_EQ(crc32c(0, data, sizeof data), 0x46DD794Eu);
    for (int i = 0; i < 32; i++) data[i] = (unsigned char)(31 - i);
    CHECK_EQ(crc32c(0, data, sizeof data), 0x113FDB5Cu);
}

static void both_forms_agree(void)
{
    unsigned char *data = noise();
    for (size_t bytes = 0; bytes < 300; bytes++)
        for (size_t start = 0; start < 9; start++)
            CHECK_EQ(crc32c(7, data + start, bytes), crc32c_portable(7, data + start, bytes));
    for (size_t bytes = 24500; bytes < BYTES; bytes += 7919)
        CHECK_EQ(crc32c(0, data + 3, bytes - 3), crc32c_portable(0, data + 3, bytes - 3));
    mem_free(data);
}

static void continues_and_joins(void)
{
    unsigned char *data = noise();
    uint32_t whole = crc32c(0, data, BYTES);
    for (size_t cut = 0; cut <= BYTES; cut += cut < 20 ? 1 : 9973) {
        uint32_t a = crc32c(0, data, cut), b = crc32c(0, data + cut, BYTES - cut);
        CHECK_EQ(crc32c(a, data + cut, BYTES - cut), whole);
        CHECK_EQ(crc32c_combine(a, b, BYTES - cut), whole);
        if (cut) CHECK_TRUE(crc32c_combine(b, a, BYTES - cut) != whole); // order counts
    }
    mem_free(data);
}

static const Case cases[] = {
    { "gives the published values", gives_the_published_values },
    { "both forms agree", both_forms_agree },
    { "continues and joins", continues_and_joins },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
