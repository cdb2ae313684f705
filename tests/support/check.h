/// Checks that count and never leave the function, so that no rank abandons a collective case.
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;
    void (*run)(void);
} Case;

/// Local. Counts a failure and prints place and text on this rank.
void check_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/// Local. Declares the rest of the program skipped, with the reason (exit 77 if nothing failed).
void check_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Collective if MPI was started by the cases. Runs the cases whose name contains argv[1] (all
/// without it) and returns the exit code.
int check_main(int argc, char **argv, const Case *cases, int count);

#define CHECK_TRUE(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) check_failed(__FILE__, __LINE__, "%s is false", #condition);             \
    } while (0)
#define CHECK_EQ(a, b)                                                                             \
    do {                                                                                           \
        int64_t left_ = (int64_t)(a), right_ = (int64_t)(b);                                       \
        if (left_ != right_)                                                                       \
            check_failed(__FILE__, __LINE__, "%s is %lld, expected %s = %lld", #a,                 \
                         (long long)left_, #b, (long long)right_);                                 \
    } while (0)
#define CHECK_NEAR(a, b, tolerance)                                                                \
    do {                                                                                           \
        double left_ = (a), right_ = (b);                                                          \
        if (!(fabs(left_ - right_) <= (tolerance)))                                                \
            check_failed(__FILE__, __LINE__, "%s is %.17g, expected %.17g within %g", #a, left_,   \
                         right_, (double)(tolerance));                                             \
    } while (0)
#define CHECK_TEXT(a, b)                                                                           \
    do {                                                                                           \
        const char *left_ = (a), *right_ = (b);                                                    \
        if (strcmp(left_, right_))                                                                 \
            check_failed(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #a, left_, right_);  \
    } while (0)
