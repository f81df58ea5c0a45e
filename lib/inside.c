#include "lib/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef edx_lib_fail
int edx_lib_fail(edx_problem *problem, edx_outcome outcome, const char *fmt, ...)
{
    va_list arguments;
    if (!problem)
        return (int)outcome;
    problem->outcome = (int)outcome;
    va_start(arguments, fmt);
    vsnprintf(problem->text, sizeof problem->text, fmt, arguments);
    va_end(arguments);
    return (int)outcome;
}

static edx_outcome outcome_of(edx_status status)
{
    switch (status) {
    case EDX_OK:
        return EDX_DONE;
    case EDX_E_NOMEM:
        return EDX_MEMORY;
    case EDX_E_END:
        return EDX_NOTHING;
    case EDX_E_DENIED:
        return EDX_REFUSED;
    case EDX_E_IO:
        return EDX_SYSTEM;
    default:
        return EDX_USAGE;
    }
}

int edx_lib_pass(edx_problem *problem, edx_status status, const edx_error *err)
{
    return status ? edx_lib_fail(problem, outcome_of(status), "%s", err->text) : EDX_DONE;
}

int edx_lib_take(void *defaults, size_t known, const void *given, const char *what,
                 edx_problem *problem)
{
    size_t size = 0;
    if (!given)
        return EDX_DONE;
    memcpy(&size, given, sizeof size);
    if (size <= sizeof size || size > known)
        return edx_lib_fail(problem, EDX_USAGE,
                            "%s: size %zu, expected at most %zu, as %s_init sets it", what, size,
                            known, what);
    memcpy(defaults, given, size);
    return EDX_DONE;
}

void edx_lib_give(void *out, size_t size, const void *defaults, size_t known)
{
    memset(out, 0, size);
    memcpy(out, defaults, size < known ? size : known);
    if (size >= sizeof size)
        memcpy(out, &size, sizeof size);
}
