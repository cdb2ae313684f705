/// The commands of the program. A command is one file, cmd_<name>.c, that ends with its row; the
/// row serves the parser, --help, the man pages, completion and docs/OPTIONS.md. Adding one: write
/// the file, name its row below and in the table of commands.c.
#pragma once
#include "base/options.h"
#include "comm/comm.h"

typedef struct Command Command;

enum { ARGUMENTS_MAX = 3, WORDS_MAX = 16 };

/// One command line, read.
typedef struct {
    const Comm *world; ///< all ranks if the row needs MPI, else this process alone
    const Command *command;
    const char *arguments[WORDS_MAX]; ///< in the order of the row's; NULL: not given
    Settings overrides;               ///< the key=value words, where = "command line", owned
    void *flags;    ///< owned: the struct that the row's `flags` describe; NULL without flags
    Settings given; ///< the flags, as they were given, owned
    bool help;      ///< --help was given; nothing else is checked then
} Invocation;

enum { KEY_SECTIONS_MAX = 2 };
struct Command {
    const char *name;
    /// Collective if the row needs MPI, with the same status on all ranks; else local. Results go
    /// to stdout from rank 0; a failure without a message prints nothing (`compare`).
    Status (*run)(const Invocation *invocation);
    bool needs_mpi;
    const char *arguments[ARGUMENTS_MAX]; ///< "RECIPE"; "[FILE]" may be left out; "[RUN ...]", the
                                          ///< last, may come again
    const Option *flags;                  ///< rows over a struct of flags_bytes, or NULL
    size_t flags_bytes;
    const Option *keys; ///< rows that key=value words may set, or NULL: takes none
    const char *key_sections[KEY_SECTIONS_MAX]; ///< what begins the keys among them that it
                                                ///< takes; none: takes all
    const char *summary;                        ///< one line without a full stop
    const char *description;                    ///< paragraphs of lines of at most 90 columns
    const char *example;                        ///< one or more lines
};

extern const Command command_import, command_prepare, command_validate, command_plan, command_train,
    command_submit, command_verify, command_record, command_evaluate, command_predict,
    command_generate, command_compress, command_export, command_tokenize, command_inspect,
    command_report, command_compare, command_doctor, command_version, command_help;

/// In the order of --help; ended by NULL.
extern const Command *const commands[];

/// Local. The keys that a command takes, ended by a row without key; NULL: none. Valid until the
/// next call.
const Option *command_keys(const Command *command);
/// Local. By name; USAGE with the nearest name if there is none.
Status command_find(const Command **out, const char *name);
