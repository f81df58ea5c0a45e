/* What both handles of libedx share: outcomes, and structs of which the program knows a shorter
 * one. */
#ifndef EDX_LIB_INSIDE_H
#define EDX_LIB_INSIDE_H

#include "lib/edx.h"
#include "proto/status.h"

/* Sets problem (NULL: not) and returns outcome. */
int edx_lib_fail(edx_problem *problem, edx_outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__
/* The analyser sees no other file: this tells it that what is returned is outcome, and not 0. */
#define edx_lib_fail(problem, outcome, ...)                                                        \
    ((void)edx_lib_fail(problem, outcome, __VA_ARGS__), (int)(outcome))
#endif

/* The outcome of a status in what the program has given, and its problem. */
int edx_lib_pass(edx_problem *problem, edx_status status, const edx_error *err);

/* Copies a struct that begins with its size over defaults of known bytes; given NULL: nothing. What
 * the program does not know keeps its default. USAGE names what when its size cannot be. */
int edx_lib_take(void *defaults, size_t known, const void *given, const char *what,
                 edx_problem *problem);

/* The way back, for the _init functions: size bytes of defaults, and size itself. */
void edx_lib_give(void *out, size_t size, const void *defaults, size_t known);

#endif
