#include "instrument/whole.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 3u /* frames f, f + 1, and one further ahead */
#define AHEAD 2u
#define MAX_NUMBER (UINT64_C(1) << 31)

/* Numbers that came. */
typedef struct seen {
    uint64_t *bits;
    uint64_t words;
} seen;

/* The counts of one row, as channels, one entry per count. */
typedef struct row {
    bool here;
    uint32_t *ends; /* [cols] entries up to and with each pixel */
    uint16_t *channels;
    size_t capacity;
} row;

typedef struct slot {
    bool used;
    uint64_t frame;
    uint32_t have;
    row *rows;
    edx_head head;
    double live_s, real_s;
    uint32_t n_images;
    char names[EDX_MAX_IMAGES][EDX_NAME_SIZE];
    edx_dtype dtypes[EDX_MAX_IMAGES];
    uint8_t *images[EDX_MAX_IMAGES]; /* [rows * cols] of 8 bytes at most */
} slot;

struct edx_whole {
    edx_begin begin;
    edx_whole_emit *emit;
    void *context;
    edx_events_buffer *buffer;
    slot slots[SLOTS];
    seen messages, frames;
    uint32_t *offsets;
    uint16_t *channels;
    size_t capacity;
    uint64_t emitted;
};

static edx_status no_memory(edx_error *err)
{
    return edx_fail(err, EDX_E_NOMEM, "no memory for whole frames");
}

/* ---- numbers that came ---- */

static bool has(const seen *set, uint64_t number)
{
    return number / 64 < set->words && (set->bits[number / 64] >> number % 64 & 1) != 0;
}

static edx_status put(seen *set, uint64_t number, const char *what, edx_error *err)
{
    if (number >= MAX_NUMBER)
        return edx_fail(err, EDX_E_RANGE, "%s: %llu, expected below %llu", what,
                        (unsigned long long)number, (unsigned long long)MAX_NUMBER);
    if (number / 64 >= set->words) {
        uint64_t words = number / 64 + number / 128 + 16;
        uint64_t *bits = realloc(set->bits, words * sizeof *bits);
        if (!bits)
            return no_memory(err);
        memset(bits + set->words, 0, (words - set->words) * sizeof *bits);
        set->bits = bits;
        set->words = words;
    }
    set->bits[number / 64] |= UINT64_C(1) << number % 64;
    return EDX_OK;
}

/* ---- life ---- */

static bool new_slot(const edx_begin *begin, slot *made)
{
    made->rows = calloc(begin->rows, sizeof *made->rows);
    for (uint32_t r = 0; made->rows && r < begin->rows; r++) {
        made->rows[r].ends = calloc(begin->cols, sizeof *made->rows[r].ends);
        if (!made->rows[r].ends)
            return false;
    }
    return made->rows != NULL;
}

edx_whole *edx_whole_new(const edx_begin *begin, edx_whole_emit *emit, void *context)
{
    edx_whole *whole = calloc(1, sizeof *whole);
    if (!whole)
        return NULL;
    whole->begin = *begin;
    whole->emit = emit;
    whole->context = context;
    whole->buffer = edx_events_buffer_new();
    whole->offsets = calloc((size_t)begin->rows * begin->cols + 1, sizeof *whole->offsets);
    bool ok = whole->buffer && whole->offsets;
    for (uint32_t s = 0; ok && s < SLOTS; s++)
        ok = new_slot(begin, &whole->slots[s]);
    if (!ok)
        edx_whole_free(&whole);
    return whole;
}

static void free_slot(slot *gone, uint32_t rows)
{
    for (uint32_t r = 0; gone->rows && r < rows; r++) {
        free(gone->rows[r].ends);
        free(gone->rows[r].channels);
    }
    free(gone->rows);
    for (uint32_t i = 0; i < EDX_MAX_IMAGES; i++)
        free(gone->images[i]);
}

void edx_whole_free(edx_whole **whole)
{
    edx_whole *w = *whole;
    if (!w)
        return;
    for (uint32_t s = 0; s < SLOTS; s++)
        free_slot(&w->slots[s], w->begin.rows);
    edx_events_buffer_free(&w->buffer);
    free(w->messages.bits);
    free(w->frames.bits);
    free(w->offsets);
    free(w->channels);
    free(w);
    *whole = NULL;
}

/* ---- out ---- */

static bool reserve(edx_whole *whole, size_t n)
{
    if (n > UINT32_MAX)
        return false;
    if (n <= whole->capacity && whole->channels)
        return true;
    size_t capacity = n + n / 4 + 1;
    uint16_t *channels = realloc(whole->channels, capacity * sizeof *channels);
    if (!channels)
        return false;
    whole->channels = channels;
    whole->capacity = capacity;
    return true;
}

/* All rows one after the other into offsets and channels; *total is how many counts. */
static bool gather(edx_whole *whole, const slot *from, size_t *total)
{
    uint32_t rows = whole->begin.rows, cols = whole->begin.cols;
    size_t filled = 0;
    *total = 0;
    for (uint32_t r = 0; r < rows; r++)
        *total += from->rows[r].here ? from->rows[r].ends[cols - 1] : 0;
    if (!reserve(whole, *total))
        return false;
    for (uint32_t r = 0; r < rows; r++) {
        const row *source = &from->rows[r];
        uint32_t *ends = whole->offsets + (size_t)r * cols + 1;
        for (uint32_t c = 0; c < cols; c++)
            ends[c] = (uint32_t)filled + (source->here ? source->ends[c] : 0);
        if (ends[cols - 1] > filled)
            memcpy(whole->channels + filled, source->channels,
                   source->ends[cols - 1] * sizeof *source->channels);
        filled = ends[cols - 1];
    }
    return true;
}

static void empty_slot(const edx_whole *whole, slot *emptied)
{
    for (uint32_t r = 0; r < whole->begin.rows; r++)
        emptied->rows[r].here = false;
    emptied->used = false;
    emptied->have = 0;
    emptied->n_images = 0;
}

/* The gathered counts and the slot's images as one frame. */
static void describe(edx_whole *whole, const slot *from, size_t n, edx_frame *out)
{
    uint32_t rows = whole->begin.rows, cols = whole->begin.cols;
    memset(out, 0, sizeof *out);
    out->head = from->head;
    out->seq = whole->emitted++;
    out->frame = from->frame;
    out->rows = rows;
    out->live_s = from->live_s;
    out->real_s = from->real_s;
    out->counts.events = true;
    out->counts.total = n;
    out->counts.offsets = edx_array_1(EDX_U4, whole->offsets, (uint64_t)rows * cols + 1);
    out->counts.channels = edx_array_1(EDX_U2, whole->channels, n);
    out->n_images = from->n_images;
    memcpy(out->image_names, from->names, sizeof out->image_names);
    for (uint32_t i = 0; i < from->n_images; i++)
        out->images[i] = edx_array_2(from->dtypes[i], from->images[i], rows, cols);
}

static edx_status leave(edx_whole *whole, slot *from, edx_error *err)
{
    size_t n = 0;
    edx_frame frame;
    edx_status status = put(&whole->frames, from->frame, "frame", err);
    if (status != EDX_OK)
        return status;
    if (!gather(whole, from, &n))
        return no_memory(err);
    describe(whole, from, n, &frame);
    uint32_t missing = whole->begin.rows - from->have;
    empty_slot(whole, from);
    return whole->emit(whole->context, &frame, missing, err);
}

/* Frames too far behind newest leave, oldest first; with all, every one. */
static edx_status leave_behind(edx_whole *whole, uint64_t newest, bool all, edx_error *err)
{
    for (;;) {
        slot *oldest = NULL;
        for (uint32_t s = 0; s < SLOTS; s++) {
            slot *one = &whole->slots[s];
            if (one->used && (all || (newest >= AHEAD && one->frame <= newest - AHEAD)) &&
                (!oldest || one->frame < oldest->frame))
                oldest = one;
        }
        if (!oldest)
            return EDX_OK;
        edx_status status = leave(whole, oldest, err);
        if (status != EDX_OK)
            return status;
    }
}

/* ---- in ---- */

static slot *slot_of(edx_whole *whole, uint64_t frame)
{
    slot *empty = NULL;
    for (uint32_t s = 0; s < SLOTS; s++) {
        if (whole->slots[s].used && whole->slots[s].frame == frame)
            return &whole->slots[s];
        if (!whole->slots[s].used)
            empty = &whole->slots[s];
    }
    return empty;
}

static bool add_row(row *to, const edx_events *events, uint32_t first, uint32_t cols)
{
    size_t n = 0;
    uint32_t from = events->offsets[first], end = events->offsets[first + cols];
    for (uint32_t i = from; i < end; i++)
        n += events->weights ? events->weights[i] : 1;
    if (n > UINT32_MAX)
        return false;
    if (n > to->capacity) {
        uint16_t *channels = realloc(to->channels, n * sizeof *channels);
        if (!channels)
            return false;
        to->channels = channels;
        to->capacity = n;
    }
    size_t filled = 0;
    for (uint32_t c = 0; c < cols; c++) {
        for (uint32_t i = events->offsets[first + c]; i < events->offsets[first + c + 1]; i++)
            for (uint32_t w = events->weights ? events->weights[i] : 1; w > 0; w--)
                to->channels[filled++] = events->channels[i];
        to->ends[c] = (uint32_t)filled;
    }
    to->here = true;
    return true;
}

/* The slot's image of that name, made (zeros) when it is new; NULL when there is none to fill. */
static uint8_t *image_of(const edx_whole *whole, slot *to, const char *name, edx_dtype dtype)
{
    size_t bytes = (size_t)whole->begin.rows * whole->begin.cols * sizeof(uint64_t);
    for (uint32_t i = 0; i < to->n_images; i++)
        if (strcmp(to->names[i], name) == 0)
            return to->dtypes[i] == dtype ? to->images[i] : NULL;
    if (to->n_images == EDX_MAX_IMAGES)
        return NULL;
    uint8_t **image = &to->images[to->n_images];
    if (!*image)
        *image = malloc(bytes);
    if (!*image)
        return NULL;
    memset(*image, 0, bytes);
    memcpy(to->names[to->n_images], name, EDX_NAME_SIZE);
    to->dtypes[to->n_images++] = dtype;
    return *image;
}

static void add_images(const edx_whole *whole, slot *to, const edx_frame *frame)
{
    size_t cols = whole->begin.cols;
    for (uint32_t i = 0; i < frame->n_images; i++) {
        edx_dtype dtype = frame->images[i].dtype;
        uint8_t *image = image_of(whole, to, frame->image_names[i], dtype);
        size_t size = edx_dtype_size(dtype);
        if (image)
            memcpy(image + frame->row * cols * size, frame->images[i].data,
                   frame->rows * cols * size);
    }
}

static edx_status check_new(const edx_whole *whole, const slot *to, const edx_frame *frame,
                            edx_error *err)
{
    if (has(&whole->messages, frame->seq))
        return edx_fail(err, EDX_E_DUPLICATE, "seq %llu of %s came before",
                        (unsigned long long)frame->seq, frame->head.acq);
    bool twice = has(&whole->frames, frame->frame);
    for (uint32_t r = 0; !twice && to && to->used && r < frame->rows; r++)
        twice = to->rows[frame->row + r].here;
    if (twice)
        return edx_fail(err, EDX_E_DUPLICATE, "rows of frame %llu of %s came before",
                        (unsigned long long)frame->frame, frame->head.acq);
    return EDX_OK;
}

static void start_slot(slot *to, const edx_frame *frame)
{
    to->used = true;
    to->frame = frame->frame;
    to->live_s = to->real_s = 0.0;
}

static edx_status fill(edx_whole *whole, slot *to, const edx_frame *frame, edx_error *err)
{
    edx_events events;
    edx_status status = edx_events_from_frame(whole->buffer, frame, &events, err);
    if (status != EDX_OK)
        return status;
    for (uint32_t r = 0; r < frame->rows; r++)
        if (!add_row(&to->rows[frame->row + r], &events, r * whole->begin.cols, whole->begin.cols))
            return no_memory(err);
    add_images(whole, to, frame);
    to->head = frame->head;
    to->have += frame->rows;
    to->live_s +=
        frame->live_s; /* NaN stays: what one block did not say, the whole does not know */
    to->real_s += frame->real_s;
    return EDX_OK;
}

edx_status edx_whole_add(edx_whole *whole, const edx_frame *frame, edx_error *err)
{
    edx_status status = check_new(whole, slot_of(whole, frame->frame), frame, err);
    if (status == EDX_OK)
        status = put(&whole->messages, frame->seq, "seq", err);
    if (status == EDX_OK)
        status = leave_behind(whole, frame->frame, false, err);
    if (status != EDX_OK)
        return status;
    slot *to = slot_of(whole, frame->frame);
    if (!to) { /* frames that come far too late hold all slots */
        status = leave_behind(whole, 0, true, err);
        to = slot_of(whole, frame->frame);
    }
    if (status != EDX_OK || !to)
        return status;
    if (!to->used)
        start_slot(to, frame);
    status = fill(whole, to, frame, err);
    if (status == EDX_OK && to->have == whole->begin.rows)
        status = leave(whole, to, err);
    return status;
}

edx_status edx_whole_flush(edx_whole *whole, edx_error *err)
{
    return leave_behind(whole, 0, true, err);
}

uint64_t edx_whole_frames(const edx_whole *whole)
{
    return whole->emitted;
}
