/* What can go wrong, in one enum, and the one line that says where and what was expected. */
#ifndef EDX_PROTO_STATUS_H
#define EDX_PROTO_STATUS_H

#include <stddef.h>

/* 0 is success, negatives name the cause. Functions of every folder return it. */
typedef enum edx_status {
    EDX_OK = 0,
    EDX_E_NOMEM = -1,      /* no memory */
    EDX_E_DECODE = -2,     /* bytes that are not MessagePack, or are cut off */
    EDX_E_TYPE = -3,       /* a value of another type than the key asks for */
    EDX_E_MISSING = -4,    /* a key that must be there is not */
    EDX_E_RANGE = -5,      /* a value that cannot be */
    EDX_E_MISMATCH = -6,   /* contradicts the acquisition's begin */
    EDX_E_LIMIT = -7,      /* exceeds a configured limit */
    EDX_E_VERSION = -8,    /* protocol version other than 1 */
    EDX_E_TORN = -9,       /* a recording that ends inside a record */
    EDX_E_DAMAGED = -10,   /* a record whose checksum does not hold */
    EDX_E_END = -11,       /* nothing more to read */
    EDX_E_IO = -12,        /* the system refused; errno says why */
    EDX_E_UNKNOWN = -13,   /* a key, topic, line or command nobody knows */
    EDX_E_SYNTAX = -14,    /* text that cannot be parsed */
    EDX_E_STATE = -15,     /* not possible now */
    EDX_E_NUMERIC = -16,   /* no finite answer */
    EDX_E_DUPLICATE = -17, /* came before */
    EDX_E_DENIED = -18     /* for want of a key */
} edx_status;

/* The cause in a few words, for every value of the enum; never NULL. */
const char *edx_status_text(edx_status status);

#define EDX_ERROR_TEXT 256

/* An error on its way up: the code and one line "what is wrong, and what was expected". The
 * caller owns it; a NULL pointer is accepted wherever one is taken. */
typedef struct edx_error {
    edx_status code;
    char text[EDX_ERROR_TEXT];
} edx_error;

/* Sets code and text (printf style, cut to fit, no newline) and returns code. */
edx_status edx_fail(edx_error *err, edx_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__
/* The analyser sees no other file: this tells it that what is returned is code, and not EDX_OK. */
#define edx_fail(err, code, ...) ((void)edx_fail(err, code, __VA_ARGS__), (code))
#endif

/* Puts "where: " before the text of err. */
void edx_error_prefix(edx_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
