#include "cli/job.h"
#include "base/findings.h"
#include "base/mem.h"
#include "build_info.h"
#include "embedded_job.h"

#include <inttypes.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/// What may stand in a line for sbatch: to the shell it is a comment, but it ends with the line,
/// and sbatch has quotes and patterns of its own.
typedef struct {
    const char *characters, *meaning;
} Plain;

static const Plain times = { DIGITS ":-", "digits, : and -" };
static const Plain names = { LETTERS DIGITS "_.,@-", "letters, digits and _.,@-" };
static const Plain tasks = { DIGITS ",:%-", "digits and ,:%-" };
static const Plain folders = { LETTERS DIGITS "/._+=,@:-", "letters, digits and /._+=,@:-" };

static Status check_value(const char *key, const char *value, Plain plain)
{
    if (strspn(value, plain.characters) == strlen(value) && *value != '-') return OK;
    return status_fail(USAGE, "%s: '%s' must be of %s, and not begin with -", key, value,
                       plain.meaning);
}

/// Options that make sbatch run a command or write to any file: they set the environment of the
/// script (BASH_ENV), what it is, its folder and its log. sbatch also takes their names cut short.
static const char *const refused[] = { "chdir",        "error",  "export", "export-file",
                                       "get-user-env", "output", "wrap" };

static bool is_refused(const char *word)
{
    if (*word != '-') return false;
    const char *letter = word + 1 + strspn(word + 1, "HIOQVWhksv"); // behind those without a value
    if (word[1] != '-') return *letter && strchr("Deo", *letter);
    size_t length = strcspn(word + 2, "=");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (!strncmp(refused[i], word + 2, length)) return true;
    return false;
}

/// A line of options, cut into words as sbatch does it, and at more places.
static Status check_options(const char *line, size_t length)
{
    Status status = OK;
    Text word = { 0 };
    for (size_t i = 0; i <= length; i++)
        if (i < length && !strchr(" \"'\\", line[i])) {
            text_append_bytes(&word, line + i, 1);
        } else if (i == length || line[i] == ' ') {
            if (is_refused(text_chars(&word)))
                FAIL(USAGE,
                     "slurm.extra: '%.*s': the environment, folder and log of a job are not the "
                     "recipe's to choose",
                     (int)length, line);
            text_clear(&word);
        }
done:
    text_release(&word);
    return status;
}

/// Lines of options.
static Status check_extra(const char *lines)
{
    Status status = OK;
    for (const char *at = lines; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t length = strcspn(at, "\n");
        if (length && *at != '-')
            return status_fail(USAGE,
                               "slurm.extra: '%.*s' is no option of sbatch: each line begins "
                               "with -",
                               (int)length, at);
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)at[i] < ' ' || at[i] == 0x7f)
                return status_fail(USAGE, "slurm.extra: a control character in line '%.*s'", (int)i,
                                   at);
        TRY(check_options(at, length));
    }
done:
    return status;
}

Status job_check(const SlurmOptions *s)
{
    Findings errors = { 0 };
    findings_add(&errors, check_value("slurm.time", s->time, times));
    findings_add(&errors, check_value("slurm.partition", s->partition, names));
    findings_add(&errors, check_value("slurm.account", s->account, names));
    findings_add(&errors, check_value("slurm.array", s->array, tasks));
    findings_add(&errors, check_extra(s->extra));
    return findings_end(&errors);
}

void job_quote(Text *out, const char *text)
{
    text_append(out, "'");
    for (const char *at = text; *at; at++)
        if (*at == '\'')
            text_append(out, "'\\''");
        else
            text_append_bytes(out, at, 1);
    text_append(out, "'");
}

static void add_option(Text *out, const char *name, const char *value)
{
    if (*value) text_printf(out, "#SBATCH --%s=%s\n", name, value);
}

/// By an option that excludes others: not --mem-bind.
static bool asks_for_memory(const char *lines)
{
    for (const char *at = lines; (at = strstr(at, "--mem")); at++)
        if (strncmp(at, "--mem-bind", 10)) return true;
    return false;
}

static void add_options(Text *out, const SlurmOptions *s, const char *folder)
{
    const char *name = strrchr(folder, '/');
    add_option(out, "job-name", name && name[1] ? name + 1 : "temper");
    text_printf(out, "#SBATCH --output=%s/slurm-%s.log\n", folder, *s->array ? "%A_%a" : "%j");
    text_printf(out, "#SBATCH --nodes=%" PRId64 "\n#SBATCH --exclusive\n", s->nodes);
    if (!asks_for_memory(s->extra)) text_append(out, "#SBATCH --mem=0\n"); // all of a node's
    add_option(out, "time", s->time);
    add_option(out, "partition", s->partition);
    add_option(out, "account", s->account);
    add_option(out, "array", s->array);
    if (s->signal_seconds)
        text_printf(out, "#SBATCH --signal=B:USR1@%" PRId64 "\n", s->signal_seconds);
    text_append(out, "#SBATCH --requeue\n#SBATCH --open-mode=append\n");
    for (const char *at = s->extra; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (*at != '\n') text_printf(out, "#SBATCH %.*s\n", (int)strcspn(at, "\n"), at);
}

/// The words of `train`. Tasks of an array are runs of their own, of other seeds.
static void add_words(Text *out, const Recipe *recipe, const char *recipe_path,
                      const Settings *overrides)
{
    Text word = { 0 };
    text_append(out, "set -- ");
    job_quote(out, recipe_path);
    for (int i = 0; i < overrides->count; i++) {
        text_clear(&word);
        text_printf(&word, "%s=%s", overrides->items[i].key, overrides->items[i].value);
        text_append(out, " \\\n    ");
        job_quote(out, word.data);
    }
    text_append(out, "\n");
    if (*recipe->slurm.array) {
        text_append(out, "set -- \"$@\" output.folder=");
        job_quote(out, recipe->output.folder);
        text_append(out, "/\"$SLURM_ARRAY_TASK_ID\" train.seed=\"$SLURM_ARRAY_TASK_ID\"\n");
    }
    text_release(&word);
}

Status job_script(Text *out, const Recipe *recipe, const char *recipe_path,
                  const Settings *overrides, const char *program)
{
    Status status = OK;
    static const char mark[] = "\n# What follows is the end of every job.sbatch, too.\n";
    const char *body = strstr((const char *)embedded_job, mark);
    const char *folder = recipe->output.folder;
    CHECK(body, "slurm/train.sbatch has no line '%s'", mark);
    TRY(job_check(&recipe->slurm));
    TRY(check_value("output.folder", folder, folders));
    text_append(out, "#!/bin/bash\n# Written by temper submit " TEMPER_VERSION ".\n");
    add_options(out, &recipe->slurm, folder);
    text_append(out, "set -u\n\n");
    add_words(out, recipe, recipe_path, overrides);
    text_append(out, "recipe=$1\ntemper=");
    job_quote(out, program);
    text_printf(out, "\nmost_per_node=%" PRId64 "\n\n", recipe->slurm.ranks_per_node);
    text_append(out, body + sizeof mark - 1);
done:
    return status;
}
