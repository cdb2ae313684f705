/* TEST labels=base timeout=60 */
#include "base/mem.h"
#include "base/options.h"
#include "base/rng.h"
#include "support/check.h"

static void real_in_fewest_digits(void)
{
    static const struct {
        double value;
        const char *text;
    } reals[] = {
        { 0.1, "0.1" },
        { 5e-5, "5e-05" },
        { 1, "1" },
        { -2.5, "-2.5" },
        { 1e-12, "1e-12" },
        { 0, "0" },
        { 1.0 / 3, "0.3333333333333333" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1e22, "1e+22" },
        { 5e-324, "4.94065645841247e-324" }, // 15 digits are the fewest that are tried
        { 1.7976931348623157e308, "1.7976931348623157e+308" },
    };
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        Text out = { 0 };
        text_real(&out, reals[i].value);
        CHECK_TEXT(text_chars(&out), reals[i].text);
        text_release(&out);
    }
}

static void real_is_read_back_exactly(void)
{
    Text out = { 0 };
    text_real(&out, -NAN); // a sign would mean nothing
    CHECK_TEXT(text_chars(&out), "nan");
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t bits = rng_bits(1, RNG_INIT, 0, i);
        double value, again = 0;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        text_clear(&out);
        text_real(&out, value);
        CHECK_TRUE(text_to_double(&again, text_chars(&out)) && again == value);
    }
    text_release(&out);
}

static void durations_in_two_units(void)
{
    static const struct {
        double seconds;
        const char *text;
    } durations[] = {
        { 0, "0.0 s" },          { 12.34, "12.3 s" },     { 60, "1 min 0 s" },
        { 3599, "59 min 59 s" }, { 3599.6, "1 h 0 min" }, { 90061, "25 h 1 min" },
    };
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        Text out = { 0 };
        text_duration(&out, durations[i].seconds);
        CHECK_TEXT(text_chars(&out), durations[i].text);
        text_release(&out);
    }
}

typedef struct {
    double rate;
    int64_t count;
    bool on;
    char name[16];
} Config;

static void options_print_as_given(void)
{
    static const Option rows[] = { { FIELD(Config, rate), .def = "5e-5", .help = "a number" },
                                   { FIELD(Config, count), .def = "1e4", .help = "a count" },
                                   { FIELD(Config, on), .def = "yes", .help = "a switch" },
                                   { FIELD(Config, name), .def = "ham", .help = "a name" },
                                   { 0 } };
    Config config = { 0 };
    Settings settings = { 0 };
    Text out = { 0 };
    settings_add(&settings, "rate", "0.1", "here");
    CHECK_EQ(options_read(&config, rows, &settings), OK);
    for (const Option *row = rows; row->key; row++) {
        options_value(&out, &config, row);
        text_append(&out, ";");
    }
    CHECK_TEXT(text_chars(&out), "0.1;10000;true;ham;");
    text_release(&out);
    settings_release(&settings);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "real in fewest digits", real_in_fewest_digits },
    { "real is read back exactly", real_is_read_back_exactly },
    { "durations in two units", durations_in_two_units },
    { "options print as given", options_print_as_given },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
