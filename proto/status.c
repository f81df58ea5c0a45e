#include "proto/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *edx_status_text(edx_status status)
{
    switch (status) {
    case EDX_OK:
        return "success";
    case EDX_E_NOMEM:
        return "out of memory";
    case EDX_E_DECODE:
        return "cannot be decoded";
    case EDX_E_TYPE:
        return "wrong type";
    case EDX_E_MISSING:
        return "missing key";
    case EDX_E_RANGE:
        return "impossible value";
    case EDX_E_MISMATCH:
        return "contradicts the begin";
    case EDX_E_LIMIT:
        return "exceeds a limit";
    case EDX_E_VERSION:
        return "unknown protocol version";
    case EDX_E_TORN:
        return "ends inside a record";
    case EDX_E_DAMAGED:
        return "damaged record";
    case EDX_E_END:
        return "nothing more to read";
    case EDX_E_IO:
        return "refused by the system";
    case EDX_E_UNKNOWN:
        return "unknown name";
    case EDX_E_SYNTAX:
        return "cannot be parsed";
    case EDX_E_STATE:
        return "not possible now";
    case EDX_E_NUMERIC:
        return "no finite answer";
    case EDX_E_DUPLICATE:
        return "came before";
    case EDX_E_DENIED:
        return "no key that is allowed";
    }
    return "unknown status";
}

/* Names and texts from outside may hold anything; an error is one line, and valid UTF-8 where its
 * parts are: a character that the end of the buffer cut through goes as a whole. */
static void tidy(char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            text[i] = '?';
    }
    if (n + 1 < EDX_ERROR_TEXT)
        return;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
        n--;
    else
        n = strlen(text);
    text[n] = '\0';
}

#undef edx_fail
edx_status edx_fail(edx_error *err, edx_status code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (n < 0)
        err->text[0] = '\0';
    err->code = code;
    tidy(err->text);
    return code;
}

void edx_error_prefix(edx_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    char where[EDX_ERROR_TEXT];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(where, sizeof where - 2, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    size_t head = strlen(where);
    where[head++] = ':';
    where[head++] = ' ';
    size_t room = sizeof err->text - 1 - head;
    size_t tail = strlen(err->text);
    if (tail > room)
        tail = room;
    memmove(err->text + head, err->text, tail);
    memcpy(err->text, where, head);
    err->text[head + tail] = '\0';
    tidy(err->text);
}
