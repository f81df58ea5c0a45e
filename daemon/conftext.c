#include "daemon/conftext.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (1u << 20)
#define MAX_DEPTH 10
#define DIGITS "0123456789"
#define BLANKS " \t"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* From this line of the text on, lines of a file from line number at on. */
typedef struct span {
    unsigned first, at;
    char *file;
} span;

struct edx_conftext {
    char *data;
    size_t size, room;
    unsigned line; /* where the next byte goes */
    span *spans;
    size_t n_spans;
    edx_status status; /* NOMEM, RANGE: too long */
};

typedef struct source {
    const char *file; /* NULL: no file */
    const char *start, *at;
    unsigned line;
    int depth;
} source;

/* ---- writing ---- */

static bool grow(edx_conftext *text, size_t more)
{
    const size_t needed = text->size + more + 1;
    if (text->status != EDX_OK) {
        return false;
    }
    if (needed > MAX_BYTES) {
        text->status = EDX_E_RANGE;
        return false;
    }
    if (needed <= text->room) {
        return true;
    }
    char *data = realloc(text->data, 2 * needed);
    if (!data) {
        text->status = EDX_E_NOMEM;
        return false;
    }
    text->data = data;
    text->room = 2 * needed;
    return true;
}

static void put(edx_conftext *text, const char *bytes, size_t n)
{
    if (!grow(text, n) || !text->data) {
        return;
    }
    memcpy(text->data + text->size, bytes, n);
    text->size += n;
    text->data[text->size] = '\0';
    for (size_t i = 0; i < n; i++) {
        text->line += bytes[i] == '\n';
    }
}

static void skip(source *s, size_t n)
{
    for (const char *end = s->at + n; s->at < end; s->at++) {
        s->line += *s->at == '\n';
    }
}

static void take(edx_conftext *text, source *s, size_t n)
{
    put(text, s->at, n);
    skip(s, n);
}

/* What is written from here on comes from where s is. */
static void mark(edx_conftext *text, const source *s)
{
    span *spans = realloc(text->spans, (text->n_spans + 1) * sizeof *spans);
    if (!spans) {
        text->status = EDX_E_NOMEM;
        return;
    }
    text->spans = spans;
    char *file = s->file ? strdup(s->file) : NULL;
    if (s->file && !file) {
        text->status = EDX_E_NOMEM;
        return;
    }
    text->spans[text->n_spans++] = (span){.first = text->line, .at = s->line, .file = file};
}

/* ---- tokens: their length, 0 for none at at ---- */

static size_t comment_length(const char *at)
{
    if (at[0] == '#' || (at[0] == '/' && at[1] == '/')) {
        return strcspn(at, "\n");
    }
    if (at[0] != '/' || at[1] != '*') {
        return 0;
    }
    const char *end = strstr(at + 2, "*/");
    return end ? (size_t)(end - at) + 2 : strlen(at);
}

static size_t string_length(const char *at)
{
    size_t n = 1;
    if (at[0] != '"') {
        return 0;
    }
    while (at[n] && at[n] != '"') {
        n += at[n] == '\\' && at[n + 1] ? 2 : 1;
    }
    return n + (at[n] == '"');
}

static size_t name_length(const char *at)
{
    return *at && strchr(LETTERS "*", *at) ? strspn(at, LETTERS DIGITS "-_*") : 0;
}

static size_t number_length(const char *at)
{
    const bool hex = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
    size_t n = 0;
    if (!*at || !strchr(DIGITS ".", *at)) {
        return 0;
    }
    do {
        n += strspn(at + n, LETTERS DIGITS ".");
    } while (!hex && (at[n - 1] == 'e' || at[n - 1] == 'E') && (at[n] == '+' || at[n] == '-') &&
             n++);
    return n;
}

/* ---- numbers ---- */

/* libconfig wraps a whole number beyond 32 bits that has no L, and cuts one beyond 64. */
static void take_number(edx_conftext *text, source *s, size_t n)
{
    char *end = NULL;
    char real[64];
    const bool hex = s->at[0] == '0' && (s->at[1] == 'x' || s->at[1] == 'X');
    errno = 0;
    const long long value = strtoll(s->at, &end, hex ? 16 : 10);
    const size_t marks = strspn(end, "L");
    const bool whole = end > s->at && (size_t)(end - s->at) + marks == n;
    if (whole && errno == ERANGE) {
        snprintf(real, sizeof real, "%.17e", strtod(s->at, NULL));
        put(text, real, strlen(real));
        skip(s, n);
        return;
    }
    take(text, s, n);
    if (whole && marks == 0 && value > INT_MAX) {
        put(text, "L", 1);
    }
}

/* ---- files ---- */

static edx_status scan(edx_conftext *text, source *s, edx_error *err);

/* The bytes of a file with a 0 behind them. */
static edx_status read_all(const char *path, char **out, edx_error *err)
{
    FILE *file = fopen(path, "rb");
    char *data = malloc(MAX_BYTES + 1);
    const size_t n = file && data ? fread(data, 1, MAX_BYTES, file) : 0;
    const bool bad = !file || ferror(file);
    edx_status status = EDX_OK;
    if (!data) {
        status = edx_fail(err, EDX_E_NOMEM, "%s: no memory", path);
    } else if (bad) {
        status = edx_fail(err, EDX_E_IO, "%s: cannot be read, expected a configuration file", path);
    } else if (n == MAX_BYTES || memchr(data, '\0', n)) {
        status = edx_fail(err, EDX_E_SYNTAX,
                          "%s: no text, expected at most 1 MiB in libconfig "
                          "syntax",
                          path);
    } else {
        data[n] = '\0';
    }
    if (file) {
        fclose(file);
    }
    if (status) {
        free(data);
        data = NULL;
    }
    *out = data;
    return status;
}

static edx_status scan_file(edx_conftext *text, const char *path, int depth, edx_error *err)
{
    char *data = NULL;
    edx_status status = read_all(path, &data, err);
    if (status == EDX_OK) {
        source s = {.file = path, .start = data, .at = data, .line = 1, .depth = depth};
        mark(text, &s);
        status = scan(text, &s, err);
    }
    free(data);
    return status;
}

/* The string of "@include STRING" that begins a line, at at; NULL: none. */
static const char *included(const source *s)
{
    const char *before = s->at;
    const size_t word = strlen("@include");
    while (before > s->start && strchr(BLANKS, before[-1])) {
        before--;
    }
    if (!s->file || (before > s->start && before[-1] != '\n') ||
        strncmp(s->at, "@include", word) != 0) {
        return NULL;
    }
    const size_t gap = strspn(s->at + word, BLANKS);
    return gap > 0 && s->at[word + gap] == '"' ? s->at + word + gap : NULL;
}

/* The path that a string with its quotes names from within file. */
static char *path_of(const char *file, const char *string, size_t n)
{
    const char *slash = strrchr(file, '/');
    const size_t dir = slash && string[1] != '/' ? (size_t)(slash - file) + 1 : 0;
    char *path = malloc(dir + n + 1);
    size_t length = dir;
    if (!path) {
        return NULL;
    }
    memcpy(path, file, dir);
    for (size_t i = 1; i + 1 < n; i++) {
        i += string[i] == '\\' && i + 2 < n;
        path[length++] = string[i];
    }
    path[length] = '\0';
    return path;
}

static edx_status take_include(edx_conftext *text, source *s, const char *string, edx_error *err)
{
    const size_t n = string_length(string);
    char *path = path_of(s->file, string, n);
    edx_status status = EDX_OK;
    if (!path) {
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    }
    if (s->depth == MAX_DEPTH) {
        status = edx_fail(err, EDX_E_SYNTAX, "%s: included more than %d deep", path, MAX_DEPTH);
    } else {
        status = scan_file(text, path, s->depth + 1, err);
    }
    free(path);
    if (status) {
        if (s->depth == 0) {
            edx_error_prefix(err, "%s:%u: @include", s->file, s->line);
        }
        return status;
    }
    skip(s, (size_t)(string - s->at) + n);
    put(text, "\n", 1);
    mark(text, s);
    return EDX_OK;
}

/* ---- the text ---- */

static size_t verbatim_length(const char *at)
{
    const size_t n = comment_length(at) + string_length(at) + name_length(at);
    return n > 0 ? n : strspn(at, BLANKS "\n");
}

static edx_status scan(edx_conftext *text, source *s, edx_error *err)
{
    edx_status status = EDX_OK;
    while (status == EDX_OK && *s->at) {
        const size_t verbatim = verbatim_length(s->at), number = number_length(s->at);
        const char *string = *s->at == '@' ? included(s) : NULL;
        if (verbatim > 0) {
            take(text, s, verbatim);
        } else if (number > 0) {
            take_number(text, s, number);
        } else if (string) {
            status = take_include(text, s, string, err);
        } else {
            put(text, *s->at == '[' ? "(" : *s->at == ']' ? ")" : s->at, 1);
            skip(s, 1);
        }
        if (status == EDX_OK && text->status != EDX_OK) {
            status = edx_fail(err, text->status, "%s: %s, expected at most 1 MiB",
                              s->file ? s->file : "text", edx_status_text(text->status));
        }
    }
    return status;
}

static edx_status finish(edx_conftext *text, edx_status status, edx_conftext **out, edx_error *err)
{
    if (status == EDX_OK) {
        put(text, "", 0);
        status = text->status ? edx_fail(err, text->status, "no memory") : EDX_OK;
    }
    if (status) {
        edx_conftext_free(&text);
    }
    *out = text;
    return status;
}

static edx_conftext *begin(void)
{
    edx_conftext *text = calloc(1, sizeof *text);
    if (text) {
        text->line = 1;
    }
    return text;
}

edx_status edx_conftext_file(const char *path, edx_conftext **out, edx_error *err)
{
    edx_conftext *text = begin();
    *out = NULL;
    return text ? finish(text, scan_file(text, path, 0, err), out, err)
                : edx_fail(err, EDX_E_NOMEM, "no memory");
}

edx_status edx_conftext_text(const char *bytes, edx_conftext **out, edx_error *err)
{
    edx_conftext *text = begin();
    source s = {.start = bytes, .at = bytes, .line = 1};
    *out = NULL;
    return text ? finish(text, scan(text, &s, err), out, err)
                : edx_fail(err, EDX_E_NOMEM, "no memory");
}

void edx_conftext_free(edx_conftext **text)
{
    if (*text) {
        for (size_t i = 0; i < (*text)->n_spans; i++) {
            free((*text)->spans[i].file);
        }
        free((*text)->spans);
        free((*text)->data);
        free(*text);
        *text = NULL;
    }
}

const char *edx_conftext_get(const edx_conftext *text)
{
    return text->data;
}

static const span *span_of(const edx_conftext *text, unsigned line)
{
    const span *from = NULL;
    for (size_t i = 0; i < text->n_spans && text->spans[i].first <= line; i++) {
        from = &text->spans[i];
    }
    return from;
}

const char *edx_conftext_source(const edx_conftext *text, unsigned line)
{
    const span *from = span_of(text, line);
    return from ? from->file : NULL;
}

void edx_conftext_at(const edx_conftext *text, unsigned line, edx_error *err)
{
    const span *from = span_of(text, line);
    if (from && from->file) {
        edx_error_prefix(err, "%s:%u", from->file, from->at + line - from->first);
    }
}
