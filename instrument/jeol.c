#include "instrument/jeol.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instrument/gather.h"
#include "instrument/imported.h"
#include "instrument/jeol_header.h"
#include "proto/load.h"

#define BLOCK 131072u /* bytes read at once */
#define SEM_KV 30.0   /* up to here it is a scanning microscope's image */

/* What a word of the stream says, in its top four bits. */
enum { REAL_TICK = 0x6, LIVE_TICK = 0x7, X = 0x8, Y = 0x9, IMAGE = 0xa, COUNT = 0xb };

/* What is known of the sweep that is being read. */
typedef struct sweep {
    bool begun;        /* a word of it came */
    bool has_y, has_x; /* positions of it came */
    uint32_t y, x;     /* in pixels */
    uint32_t raw_y, raw_x;
    uint64_t images, live, real; /* words */
} sweep;

typedef struct jeol {
    edx_imported imported; /* first: what all have in common */
    edx_jeol_header header;
    int fd;
    uint64_t size, read; /* of the file; bytes taken into blocks so far */
    uint8_t block[BLOCK];
    size_t at, end; /* in the block */
    edx_gather *gather;
    uint16_t *image; /* [height * width] */
    sweep sweep;
    bool given; /* the sweep in gather has been handed out */
} jeol;

/* ---- the file ---- */

/* Up to n bytes from offset; IO. */
static edx_status read_at(jeol *j, void *out, size_t n, uint64_t offset, size_t *got,
                          edx_error *err)
{
    *got = 0;
    while (*got < n) {
        ssize_t more = pread(j->fd, (char *)out + *got, n - *got, (off_t)(offset + *got));
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return edx_fail(err, EDX_E_IO, "read: %s", strerror(errno));
        if (more == 0)
            break;
        *got += (size_t)more;
    }
    return EDX_OK;
}

static edx_status open_file(jeol *j, const char *path, edx_error *err)
{
    struct stat st;
    /* O_NONBLOCK: a FIFO of that name must not hang us. */
    j->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (j->fd < 0 || fstat(j->fd, &st) != 0)
        return edx_fail(err, EDX_E_IO, "open: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return edx_fail(err, EDX_E_DECODE, "not a regular file, expected a JEOL map");
    j->size = (uint64_t)st.st_size;
    return EDX_OK;
}

static edx_status read_tags(jeol *j, edx_error *err)
{
    size_t got = 0, size = j->header.head_size;
    if (size > j->size)
        return edx_fail(err, EDX_E_DECODE,
                        "the file ends at byte %llu inside the head, expected %zu bytes of it",
                        (unsigned long long)j->size, size);
    uint8_t *head = malloc(size);
    if (!head)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a head of %zu bytes", size);
    edx_status status = read_at(j, head, size, 0, &got, err);
    if (status == EDX_OK && got < size)
        status = edx_fail(err, EDX_E_DECODE, "the file ends inside the head, expected all of it");
    if (status == EDX_OK)
        status = edx_jeol_tags(head, &j->header, err);
    free(head);
    return status;
}

static edx_status read_header(jeol *j, edx_error *err)
{
    uint8_t fixed[EDX_JEOL_FIXED];
    size_t got = 0;
    edx_status status = read_at(j, fixed, sizeof fixed, 0, &got, err);
    if (status != EDX_OK)
        return status;
    if (got < sizeof fixed)
        return edx_fail(err, EDX_E_DECODE, "%zu bytes, expected a JEOL map of at least %u", got,
                        EDX_JEOL_FIXED);
    status = edx_jeol_fixed(fixed, &j->header, err);
    if (status == EDX_OK)
        status = read_tags(j, err);
    j->read = j->header.data_pos;
    if (status == EDX_OK && !j->imported.growing && j->read >= j->size)
        status = edx_fail(err, EDX_E_DECODE,
                          "the file ends at byte %llu, expected events from byte %u on",
                          (unsigned long long)j->size, j->header.data_pos);
    return status;
}

/* ---- begin ---- */

static void describe(jeol *j, const char *path)
{
    edx_begin *begin = &j->imported.begin;
    const edx_jeol_header *h = &j->header;
    edx_imported_start(&j->imported, path);
    if (h->t > 0.0)
        begin->head.t = h->t;
    snprintf(begin->title, sizeof begin->title, "%s", h->title);
    begin->rows = h->height;
    begin->cols = h->width;
    begin->step_nm[0] = begin->step_nm[1] = h->step_nm;
    begin->dwell_s = h->dwell_s;
    begin->channels = EDX_JEOL_CHANNELS;
    begin->offset_eV = h->offset_eV;
    begin->scale_eV = h->scale_eV;
    begin->beam_keV = h->beam_keV;
    begin->has_detector = true;
    snprintf(begin->detector, sizeof begin->detector, "%s", h->detector);
    begin->resolution_eV = h->resolution_eV;
    begin->elevation_deg = h->elevation_deg;
}

static edx_status start(jeol *j, const char *path, edx_error *err)
{
    size_t pixels = (size_t)j->header.width * j->header.height;
    describe(j, path);
    edx_status status = edx_imported_check(&j->imported.begin, err);
    if (status != EDX_OK)
        return status;
    j->gather = edx_gather_new((uint32_t)pixels);
    j->image = calloc(pixels, sizeof *j->image);
    if (!j->gather || !j->image)
        return edx_fail(err, EDX_E_NOMEM, "no memory for sweeps of %zu pixels", pixels);
    return EDX_OK;
}

static void close_jeol(void *self)
{
    jeol *j = self;
    if (j->fd >= 0)
        close(j->fd);
    edx_gather_free(&j->gather);
    free(j->image);
    free(j);
}

static edx_status open_jeol(const char *path, const edx_source_options *options, void **self,
                            edx_error *err)
{
    *self = NULL;
    jeol *j = calloc(1, sizeof *j);
    if (!j)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    j->imported.growing = options->growing;
    edx_status status = open_file(j, path, err);
    if (status == EDX_OK)
        status = read_header(j, err);
    if (status == EDX_OK)
        status = start(j, path, err);
    if (status == EDX_OK)
        *self = j;
    else
        close_jeol(j);
    return status;
}

/* ---- the stream ---- */

/* More words into the empty block; END when there are none. A byte that may be half a word stays in
 * the file. */
static edx_status fill(jeol *j, edx_error *err)
{
    size_t got = 0;
    edx_status status = read_at(j, j->block, sizeof j->block, j->read, &got, err);
    if (status != EDX_OK)
        return status;
    j->at = 0;
    j->end = got & ~(size_t)1;
    j->read += j->end;
    if (j->read > j->size)
        j->size = j->read;
    return j->end > 0 ? EDX_OK : edx_fail(err, EDX_E_END, "nothing more to read");
}

/* A map's sweep begins where y goes back, a line scan's where x does. */
static bool is_next_sweep(const jeol *j, unsigned kind, uint32_t value)
{
    const sweep *s = &j->sweep;
    if (j->header.line)
        return kind == X && s->has_x && value < s->raw_x;
    return kind == Y && s->has_y && value < s->raw_y;
}

static uint32_t place(const jeol *j)
{
    return j->sweep.y * j->header.width + j->sweep.x;
}

static edx_status take_word(jeol *j, unsigned kind, uint32_t value, edx_error *err)
{
    sweep *s = &j->sweep;
    s->begun = true;
    switch (kind) {
    case X:
        s->has_x = true;
        s->raw_x = value;
        s->x = value * j->header.width / EDX_JEOL_SCALE;
        break;
    case Y:
        s->has_y = true;
        s->raw_y = value;
        s->y = value * j->header.height / EDX_JEOL_SCALE;
        break;
    case IMAGE:
        s->images++;
        j->image[place(j)] = (uint16_t)value;
        break;
    case COUNT:
        return edx_gather_add(j->gather, place(j), (uint16_t)value, err);
    case LIVE_TICK:
        s->live++;
        break;
    case REAL_TICK:
        s->real++;
        break;
    default: /* nobody knows more */
        break;
    }
    return EDX_OK;
}

/* Reads on until a word that belongs to the next sweep, which stays where it is (OK), or END. */
static edx_status read_words(jeol *j, edx_error *err)
{
    for (;;) {
        edx_status status = j->at < j->end ? EDX_OK : fill(j, err);
        for (; status == EDX_OK && j->at < j->end; j->at += 2) {
            unsigned word = edx_load_u16(j->block + j->at, 0);
            if (is_next_sweep(j, word >> 12, word & 0xfff))
                return EDX_OK;
            status = take_word(j, word >> 12, word & 0xfff, err);
        }
        if (status != EDX_OK)
            return status;
    }
}

/* ---- sweeps ---- */

/* Was the last sweep of the file read to its end? As HyperSpy judges: the last line began, and with
 * images, which leave no pixel out, the last pixel as well. */
static bool is_whole(const jeol *j)
{
    const sweep *s = &j->sweep;
    return s->has_y && s->y == j->header.height - 1 &&
           (s->images == 0 || (s->has_x && s->x == j->header.width - 1));
}

static void drop(jeol *j)
{
    const edx_jeol_header *h = &j->header;
    const sweep *s = &j->sweep;
    unsigned long long sweeps = (unsigned long long)j->imported.frames,
                       counts = (unsigned long long)edx_gather_total(j->gather);
    j->imported.broken_off = true;
    if (h->line)
        edx_imported_note(&j->imported,
                          "sweep %llu was broken off at pixel %u: its %llu counts are left out, "
                          "expected %u pixels",
                          sweeps + 1, s->x + 1, counts, h->width);
    else
        edx_imported_note(&j->imported,
                          "sweep %llu was broken off in line %u: its %llu counts are left out, "
                          "expected %u lines of %u pixels",
                          sweeps + 1, s->y + 1, counts, h->height, h->width);
}

static edx_status hand_out(jeol *j, edx_frame *frame, edx_error *err)
{
    edx_begin *begin = &j->imported.begin;
    const sweep *s = &j->sweep;
    edx_status status = edx_gather_counts(j->gather, &frame->counts, err);
    if (status != EDX_OK)
        return status;
    if (!j->imported.begun && s->images > 0) {
        begin->n_images = 1;
        snprintf(begin->images[0], EDX_NAME_SIZE, "%s", begin->beam_keV > SEM_KV ? "STEM" : "SEM");
    }
    frame->n_images = begin->n_images;
    memcpy(frame->image_names, begin->images, sizeof frame->image_names);
    frame->images[0] = edx_array_2(EDX_U2, j->image, begin->rows, begin->cols);
    if (s->live > 0)
        frame->live_s = (double)s->live * EDX_JEOL_TICK_S;
    if (s->real > 0)
        frame->real_s = (double)s->real * EDX_JEOL_TICK_S;
    j->given = true;
    return EDX_OK;
}

static void start_sweep(jeol *j)
{
    if (j->sweep.images > 0)
        memset(j->image, 0, (size_t)j->header.width * j->header.height * sizeof *j->image);
    edx_gather_clear(j->gather);
    j->sweep = (sweep){0};
    /* A line scan tells y once, for all its sweeps. */
    j->sweep.has_y = j->header.line;
    j->given = false;
}

static edx_status read_sweep(void *self, edx_frame *frame, edx_error *err)
{
    jeol *j = self;
    if (j->given || !j->sweep.begun)
        start_sweep(j);
    edx_status status = read_words(j, err);
    if (status == EDX_OK)
        return hand_out(j, frame, err);
    if (status != EDX_E_END || j->imported.growing || !j->sweep.begun)
        return status;
    if (is_whole(j))
        return hand_out(j, frame, err);
    drop(j);
    start_sweep(j);
    return edx_fail(err, EDX_E_END, "nothing more to read");
}

static edx_status next_jeol(void *self, edx_source_message *out, edx_error *err)
{
    jeol *j = self;
    return edx_imported_next(&j->imported, read_sweep, j, out, err);
}

static void settle_jeol(void *self)
{
    ((jeol *)self)->imported.growing = false;
}

static uint64_t position_jeol(const void *self)
{
    const jeol *j = self;
    return j->read - (j->end - j->at);
}

static uint64_t size_jeol(const void *self)
{
    return ((const jeol *)self)->size;
}

const edx_source edx_jeol_source = {
    .ending = ".pts",
    .grows = true,
    .open = open_jeol,
    .next = next_jeol,
    .settle = settle_jeol,
    .position = position_jeol,
    .size = size_jeol,
    .close = close_jeol,
};
