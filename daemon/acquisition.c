#include "daemon/acquisition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/spans.h"

/* A scan frame of which some rows came. */
typedef struct partial {
    uint64_t frame;
    uint32_t rows; /* that came */
    bool placed;   /* already summed as it was */
    uint8_t *came; /* [scan rows] */
} partial;

struct edx_acquisition {
    edx_begin begin;
    void *bytes;
    size_t n_bytes;
    edx_spans seen;     /* seq of messages that count */
    edx_spans complete; /* scan frames with every row */
    partial *partials;
    size_t n_partials, partials_capacity;
    uint64_t newest; /* one above the newest frame begun */
    uint64_t voxel_bound;
    uint64_t counts, duplicate;
    uint64_t messages;             /* edx.end's count; 0 unknown */
    bool ended, stopped, finished; /* edx.end came; stopped from here; either, or all came */
};

edx_acquisition *edx_acquisition_new(const edx_begin *begin, const void *bytes, size_t n)
{
    edx_acquisition *acquisition = calloc(1, sizeof *acquisition);
    void *copy = malloc(n ? n : 1);
    if (!acquisition || !copy) {
        free(acquisition);
        free(copy);
        return NULL;
    }
    memcpy(copy, bytes, n);
    acquisition->begin = *begin;
    acquisition->bytes = copy;
    acquisition->n_bytes = n;
    return acquisition;
}

void edx_acquisition_free(edx_acquisition **acquisition)
{
    edx_acquisition *a = *acquisition;
    if (!a) {
        return;
    }
    for (size_t i = 0; i < a->n_partials; i++) {
        free(a->partials[i].came);
    }
    free(a->partials);
    edx_spans_clear(&a->seen);
    edx_spans_clear(&a->complete);
    free(a->bytes);
    free(a);
    *acquisition = NULL;
}

const edx_begin *edx_acquisition_begin(const edx_acquisition *acquisition)
{
    return &acquisition->begin;
}

bool edx_acquisition_is_repeat(const edx_acquisition *acquisition, const void *bytes, size_t n)
{
    return n == acquisition->n_bytes && memcmp(bytes, acquisition->bytes, n) == 0;
}

const void *edx_acquisition_bytes(const edx_acquisition *acquisition, size_t *n)
{
    *n = acquisition->n_bytes;
    return acquisition->bytes;
}

/* ---- rows of frames ---- */

/* Index of the first partial whose frame is not below frame; the newest stand at the end. */
static size_t partial_at(const edx_acquisition *a, uint64_t frame)
{
    size_t lo = 0;
    size_t hi = a->n_partials;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (a->partials[mid].frame < frame) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static partial *partial_find(const edx_acquisition *a, uint64_t frame)
{
    const size_t at = partial_at(a, frame);
    return at < a->n_partials && a->partials[at].frame == frame ? &a->partials[at] : NULL;
}

static partial *partial_new(edx_acquisition *a, uint64_t frame)
{
    if (a->n_partials == a->partials_capacity) {
        const size_t capacity = a->partials_capacity ? 2 * a->partials_capacity : 8;
        partial *grown = realloc(a->partials, capacity * sizeof *grown);
        if (!grown) {
            return NULL;
        }
        a->partials = grown;
        a->partials_capacity = capacity;
    }
    uint8_t *came = calloc(a->begin.rows, 1);
    if (!came) {
        return NULL;
    }
    const size_t at = partial_at(a, frame);
    memmove(a->partials + at + 1, a->partials + at, (a->n_partials - at) * sizeof *a->partials);
    a->partials[at] = (partial){.frame = frame, .came = came};
    a->n_partials++;
    return &a->partials[at];
}

static void partial_drop(edx_acquisition *a, partial *p)
{
    free(p->came);
    const size_t at = (size_t)(p - a->partials);
    a->n_partials--;
    memmove(p, p + 1, (a->n_partials - at) * sizeof *p);
}

static edx_status check_rows(const edx_acquisition *a, const edx_frame *f, edx_error *err)
{
    if (edx_spans_has(&a->complete, f->frame)) {
        return edx_fail(err, EDX_E_MISMATCH,
                        "frame %" PRIu64 ": every row came before in another message, expected "
                        "each row once",
                        f->frame);
    }
    const partial *p = partial_find(a, f->frame);
    for (uint32_t row = f->row; p && row < f->row + f->rows; row++) {
        if (p->came[row]) {
            return edx_fail(err, EDX_E_MISMATCH,
                            "frame %" PRIu64 " row %u: came before in another message, expected "
                            "each row once",
                            f->frame, row);
        }
    }
    return EDX_OK;
}

edx_status edx_acquisition_judge(const edx_acquisition *acquisition, const edx_frame *frame,
                                 edx_error *err)
{
    const edx_acquisition *a = acquisition;
    const uint64_t next = edx_spans_end(&a->seen);
    if (edx_spans_has(&a->seen, frame->seq)) {
        return edx_fail(err, EDX_E_DUPLICATE, "seq %" PRIu64 " came before", frame->seq);
    }
    if (frame->seq >= next && frame->seq - next >= EDX_SEQ_AHEAD) {
        return edx_fail(err, EDX_E_RANGE, "seq: %" PRIu64 ", expected at most %u ahead of %" PRIu64,
                        frame->seq, EDX_SEQ_AHEAD, next);
    }
    if (a->voxel_bound + frame->counts.peak > UINT32_MAX) {
        return edx_fail(err, EDX_E_LIMIT,
                        "counts: a voxel could exceed 2^32 - 1, expected fewer counts a pixel "
                        "(start a new acquisition)");
    }
    return check_rows(a, frame, err);
}

void edx_acquisition_repeat(edx_acquisition *acquisition)
{
    acquisition->duplicate++;
}

/* Sums what waits and is older than frame limit as it is. Frames that wait are the newest two, so
 * they stand among the last three partials. */
static void place_older(edx_acquisition *a, uint64_t limit, edx_placement *out)
{
    const size_t first =
        a->n_partials > EDX_WAITING_FRAMES + 1u ? a->n_partials - (EDX_WAITING_FRAMES + 1u) : 0;
    for (size_t i = first; i < a->n_partials; i++) {
        partial *p = &a->partials[i];
        if (!p->placed && p->frame < limit) {
            p->placed = true;
            out->incomplete[out->n_incomplete++] = p->frame;
        }
    }
}

/* Frames older than the one before the newest do not wait any more. */
static uint64_t stale_limit(const edx_acquisition *a)
{
    return a->newest > EDX_WAITING_FRAMES ? a->newest - EDX_WAITING_FRAMES : 0;
}

static void begin_frame(edx_acquisition *a, uint64_t frame, edx_placement *out)
{
    if (frame + 1 > a->newest) {
        a->newest = frame + 1;
        place_older(a, stale_limit(a), out);
    }
}

static edx_status take_partial(edx_acquisition *a, const edx_frame *f, edx_placement *out,
                               edx_error *err)
{
    partial *p = partial_find(a, f->frame);
    if (!p) {
        p = partial_new(a, f->frame);
    }
    if (!p) {
        return edx_fail(err, EDX_E_NOMEM, "frame %" PRIu64 ": no memory for its rows", f->frame);
    }
    memset(p->came + f->row, 1, f->rows);
    p->rows += f->rows;
    begin_frame(a, f->frame, out);
    p = partial_find(a, f->frame);
    out->complete = p->rows == a->begin.rows;
    if (out->complete) {
        partial_drop(a, p);
        edx_spans_add(&a->complete, f->frame);
    } else if (a->finished || f->frame < stale_limit(a)) {
        p->placed = true;
    }
    out->place = out->complete || p->placed;
    return EDX_OK;
}

static void take_whole(edx_acquisition *a, const edx_frame *f, edx_placement *out)
{
    begin_frame(a, f->frame, out);
    edx_spans_add(&a->complete, f->frame);
    out->place = out->complete = true;
}

edx_status edx_acquisition_frame(edx_acquisition *acquisition, const edx_frame *frame,
                                 edx_placement *out, edx_error *err)
{
    edx_acquisition *a = acquisition;
    *out = (edx_placement){0};
    if (!edx_spans_reserve(&a->seen) || !edx_spans_reserve(&a->complete)) {
        return edx_fail(err, EDX_E_NOMEM, "seq %" PRIu64 ": no memory", frame->seq);
    }
    if (frame->rows == a->begin.rows) {
        take_whole(a, frame, out);
    } else {
        const edx_status status = take_partial(a, frame, out, err);
        if (status) {
            return status;
        }
    }
    edx_spans_add(&a->seen, frame->seq);
    a->voxel_bound += frame->counts.peak;
    a->counts += frame->counts.total;
    if (!a->finished && a->begin.frames && out->complete && frame->frame == a->begin.frames - 1) {
        a->finished = out->finish = true;
        place_older(a, UINT64_MAX, out);
    }
    return EDX_OK;
}

edx_status edx_acquisition_end(edx_acquisition *acquisition, const edx_end *end, edx_placement *out,
                               edx_error *err)
{
    *out = (edx_placement){0};
    if (acquisition->ended || (!end && acquisition->stopped)) {
        return edx_fail(err, EDX_E_DUPLICATE, "the end came before");
    }
    out->finish = !acquisition->stopped;
    acquisition->finished = acquisition->stopped = true;
    if (end) {
        acquisition->ended = true;
        acquisition->messages = end->messages;
    }
    place_older(acquisition, UINT64_MAX, out);
    return EDX_OK;
}

bool edx_acquisition_finished(const edx_acquisition *acquisition)
{
    return acquisition->finished;
}

bool edx_acquisition_ended(const edx_acquisition *acquisition)
{
    return acquisition->ended;
}

static uint64_t sent(const edx_acquisition *a)
{
    const uint64_t seen = edx_spans_end(&a->seen);
    return a->messages > seen ? a->messages : seen;
}

edx_tally edx_acquisition_tally(const edx_acquisition *acquisition)
{
    const edx_acquisition *a = acquisition;
    return (edx_tally){
        .received = a->seen.count,
        .lost = sent(a) - a->seen.count,
        .duplicate = a->duplicate,
        .counts = a->counts,
        .frame = a->newest ? a->newest - 1 : 0,
        .frames = a->complete.count,
    };
}

static void gaps_text(const edx_spans *spans, uint64_t end, char *text, size_t size)
{
    edx_spans gaps = {0};
    if (edx_spans_gaps(spans, end, &gaps)) {
        edx_spans_text(&gaps, text, size);
    } else {
        snprintf(text, size, "?");
    }
    edx_spans_clear(&gaps);
}

bool edx_acquisition_lost(const edx_acquisition *acquisition, size_t *next, char *text, size_t size)
{
    const edx_acquisition *a = acquisition;
    edx_spans gaps = {0};
    char seq[EDX_LOST_TEXT / 2];
    char frames[EDX_LOST_TEXT / 4];
    const bool first = *next == 0;
    const bool known = edx_spans_gaps(&a->seen, sent(a), &gaps);
    const bool some = known && edx_spans_part(&gaps, next, seq, sizeof seq);
    if (some && first) {
        gaps_text(&a->complete, a->newest, frames, sizeof frames);
        snprintf(text, size, "seq %s (frames that are not whole: %s)", seq, frames);
    } else if (some) {
        snprintf(text, size, "seq %s (more of them)", seq);
    } else if (!known && first) {
        *next = SIZE_MAX;
        snprintf(text, size, "%" PRIu64 ", no memory to say which", sent(a) - a->seen.count);
    }
    edx_spans_clear(&gaps);
    return some || (!known && first);
}
