#include "daemon/spans.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void edx_spans_clear(edx_spans *spans)
{
    free(spans->span);
    *spans = (edx_spans){0};
}

/* Index of the first span whose hi is >= value: the one that holds value, or touches it from
 * below, or the next. The newest value is nearly always at the end. */
static size_t find(const edx_spans *spans, uint64_t value)
{
    size_t lo = 0;
    size_t hi = spans->n;
    if (hi > 0 && spans->span[hi - 1].lo <= value) {
        lo = spans->span[hi - 1].hi >= value ? hi - 1 : hi;
        return lo;
    }
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (spans->span[mid].hi < value) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

bool edx_spans_has(const edx_spans *spans, uint64_t value)
{
    size_t at = find(spans, value);
    if (at < spans->n && spans->span[at].hi == value) {
        at++; /* touches from below: value itself could only be in the next */
    }
    return at < spans->n && spans->span[at].lo <= value;
}

bool edx_spans_reserve(edx_spans *spans)
{
    if (spans->n < spans->capacity) {
        return true;
    }
    const size_t capacity = spans->capacity ? 2 * spans->capacity : 16;
    struct edx_span *span = realloc(spans->span, capacity * sizeof *span);
    if (!span) {
        return false;
    }
    spans->span = span;
    spans->capacity = capacity;
    return true;
}

static void insert(edx_spans *spans, size_t at, uint64_t value)
{
    assert(spans->n < spans->capacity);
    memmove(spans->span + at + 1, spans->span + at, (spans->n - at) * sizeof *spans->span);
    spans->span[at] = (struct edx_span){value, value + 1};
    spans->n++;
}

static void join_next(edx_spans *spans, size_t at)
{
    if (at + 1 < spans->n && spans->span[at + 1].lo == spans->span[at].hi) {
        spans->span[at].hi = spans->span[at + 1].hi;
        spans->n--;
        memmove(spans->span + at + 1, spans->span + at + 2,
                (spans->n - at - 1) * sizeof *spans->span);
    }
}

void edx_spans_add(edx_spans *spans, uint64_t value)
{
    if (edx_spans_has(spans, value)) {
        return;
    }
    const size_t at = find(spans, value);
    if (at < spans->n && spans->span[at].hi == value) {
        spans->span[at].hi++;
        join_next(spans, at);
    } else if (at < spans->n && spans->span[at].lo == value + 1) {
        spans->span[at].lo = value;
    } else {
        insert(spans, at, value);
    }
    spans->count++;
}

uint64_t edx_spans_end(const edx_spans *spans)
{
    return spans->n ? spans->span[spans->n - 1].hi : 0;
}

static int span_text(const struct edx_span *span, const char *before, char *text, size_t size)
{
    return span->hi - span->lo == 1
               ? snprintf(text, size, "%s%" PRIu64, before, span->lo)
               : snprintf(text, size, "%s%" PRIu64 "-%" PRIu64, before, span->lo, span->hi - 1);
}

void edx_spans_text(const edx_spans *spans, char *text, size_t size)
{
    const size_t rest = sizeof " and 18446744073709551615 more";
    uint64_t said = 0;
    size_t at = 0;
    snprintf(text, size, "%s", spans->n ? "" : "none");
    for (size_t i = 0; i < spans->n; i++) {
        char one[64];
        const int n = span_text(&spans->span[i], i ? ", " : "", one, sizeof one);
        if (n < 0 || at + (size_t)n + rest >= size) {
            snprintf(text + at, size - at, " and %" PRIu64 " more", spans->count - said);
            return;
        }
        memcpy(text + at, one, (size_t)n + 1);
        at += (size_t)n;
        said += spans->span[i].hi - spans->span[i].lo;
    }
}

bool edx_spans_part(const edx_spans *spans, size_t *next, char *text, size_t size)
{
    const size_t first = *next;
    size_t at = 0;
    for (; *next < spans->n; (*next)++) {
        char one[64];
        const int n = span_text(&spans->span[*next], at ? ", " : "", one, sizeof one);
        if (n < 0 || at + (size_t)n >= size) {
            break;
        }
        memcpy(text + at, one, (size_t)n + 1);
        at += (size_t)n;
    }
    return *next > first;
}

bool edx_spans_gaps(const edx_spans *spans, uint64_t end, edx_spans *out)
{
    uint64_t at = 0;
    *out = (edx_spans){0};
    out->span = malloc((spans->n + 1) * sizeof *out->span);
    if (!out->span) {
        return false;
    }
    out->capacity = spans->n + 1;
    for (size_t i = 0; i <= spans->n && at < end; i++) {
        const uint64_t lo = i < spans->n && spans->span[i].lo < end ? spans->span[i].lo : end;
        if (lo > at) {
            out->span[out->n++] = (struct edx_span){at, lo};
            out->count += lo - at;
        }
        at = i < spans->n ? spans->span[i].hi : end;
    }
    return true;
}
