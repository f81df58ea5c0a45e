/* A set of whole numbers kept as ranges: which sequence numbers came, which frames are complete. */
#ifndef EDX_DAEMON_SPANS_H
#define EDX_DAEMON_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty. Memory grows with the number of gaps, not of members. */
typedef struct edx_spans {
    struct edx_span {
        uint64_t lo, hi; /* [lo, hi) */
    } * span;
    size_t n, capacity;
    uint64_t count; /* members */
} edx_spans;

void edx_spans_clear(edx_spans *spans);
bool edx_spans_has(const edx_spans *spans, uint64_t value);
/* Makes room so that the next add cannot fail; false without memory. */
bool edx_spans_reserve(edx_spans *spans);
/* Adds value (below 2^64 - 1); needs a reserve before. */
void edx_spans_add(edx_spans *spans, uint64_t value);
/* One above the largest member; 0 when empty. */
uint64_t edx_spans_end(const edx_spans *spans);
/* What is not in spans, of [0, end); false without memory. */
bool edx_spans_gaps(const edx_spans *spans, uint64_t end, edx_spans *out);
/* "12-15, 20"; "none" when empty. What does not fit is counted: "12-15, 20 and 3 more". */
void edx_spans_text(const edx_spans *spans, char *text, size_t size);
/* The same in parts: as many as fit, at least one, from the span number *next on, which is moved
 * on; false when there are none left. size: 64 at least. */
bool edx_spans_part(const edx_spans *spans, size_t *next, char *text, size_t size);

#endif
