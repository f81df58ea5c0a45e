#include "analysis/trend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/quant.h"
#include "analysis/tape.h"

#define NOTHING 0u   /* a segment: within the energies, of no line */
#define OUTSIDE 255u /* not within the energies */
#define MAX_SEGMENTS 254u
#define PIXEL_BITS 24u
#define REGIONS (EDX_TREND_REGIONS + 1) /* the last: all others */
#define SIDE 16u                        /* of the field, in tiles: their numbers fit a byte */
#define TILES (SIDE * SIDE)
#define RUN 64u /* pixels that are taken together */
#define RUN_COUNTS 1024u
#define SHORT 64u /* pixels: a way that is not worth leaving out */
#define ENOUGH 4u /* one tile in so many beside the regions */

/* Counts of a message that are kept, one by one: so many for each of its entries, and these. Memory
 * follows what came, not what a single number says. */
#define KEPT_PER_ENTRY ((size_t)64)
#define KEPT_BESIDE ((size_t)1 << 20)

typedef enum kind { OF_NO_LINE, OF_LINES, OF_CARBON, KINDS } kind; /* of counts in a tile */
#define KIND_BITS 16u /* so many count up to RUN_COUNTS of each kind in 64 bits */

/* Channels in which every functional and band is the same. */
typedef struct segment {
    double v[EDX_MAX_LINES];
    bool band[EDX_MAX_LINES];
    bool apart;
} segment;

typedef struct frame_sums {
    uint64_t frame;
    uint64_t rest, apart; /* counts of the tiles that measure the beam: carbon's, and others */
    uint64_t measured;    /* which choice of tiles those are of; 0: none */
    uint32_t *counts;     /* [REGIONS, segments], then [TILES, KINDS] */
} frame_sums;

/* Counts, sorted, RUN_COUNTS at most. */
typedef struct sorted {
    uint8_t kept[RUN_COUNTS + EDX_TAPE_SLACK]; /* segments of those that lie in one */
    uint32_t n;
    uint64_t kinds; /* KIND_BITS each, the last: outside */
} sorted;

struct edx_trend {
    uint32_t pixels, cols, channels, n, segments;
    uint8_t *table;             /* [channels] segment of a scan channel */
    uint8_t kinds[OUTSIDE + 1]; /* of the segments, times KIND_BITS */
    segment *segment;
    uint8_t *label;    /* [pixels] 0 none, to REGIONS */
    uint8_t *before;   /* [pixels] the labels before these */
    uint8_t *tile;     /* [pixels] */
    bool there[TILES]; /* has pixels */
    bool taken[TILES]; /* a region is there */
    bool covered[TILES], chosen[TILES];
    bool beside;                   /* the chosen ones are all beside the regions */
    bool cut_off[REGIONS];         /* not every frame covers it all */
    uint64_t choice;               /* counts the choices of tiles */
    sorted run;                    /* counts that are taken together */
    uint32_t kept[RUN_COUNTS + 1]; /* of those before each */
    edx_tape *tape;                /* segments of all messages' counts */
    frame_sums *frames;            /* ascending */
    size_t n_frames, frames_room;
    uint32_t regions;
    uint64_t *running;           /* [segments] all regions, the frames up to done */
    size_t done;                 /* frames whose composition is known */
    double *composition, *sigma; /* [n, f] */
    double *by_frame;            /* [f, 2, n] what composition and sigma are made of */
    double *a, *total;           /* [f] of one test */
    uint64_t *used;              /* [f] */
    size_t results_room;
    const edx_pool *pool;
    uint32_t *all; /* [f, REGIONS * segments + TILES * KINDS] of all processes */
};

/* ---- segments ---- */

static void describe(const edx_trend_shape *s, uint32_t c, bool bands, segment *out)
{
    uint32_t channels = s->channels / s->bin_energy;

    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < s->n; i++) {
        out->v[i] = s->rows_v[(size_t)i * channels + c];
        out->band[i] = bands ? s->band[(size_t)i * channels + c] != 0 : out->v[i] > 0;
    }
    out->apart = s->apart[c] != 0;
}

static bool same(const segment *a, const segment *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (a->v[i] < b->v[i] || a->v[i] > b->v[i] || a->band[i] != b->band[i])
            return false;
    return a->apart == b->apart;
}

/* The segment like wanted, made where there is none; MAX_SEGMENTS when there is no room. */
static uint32_t find_segment(edx_trend *t, const segment *wanted)
{
    uint32_t i = 0;

    while (i < t->segments && !same(&t->segment[i], wanted, t->n))
        i++;
    if (i == t->segments && i < MAX_SEGMENTS)
        t->segment[t->segments++] = *wanted;
    return i;
}

static bool cut(edx_trend *t, const edx_trend_shape *s, bool bands)
{
    segment one;

    memset(&t->segment[0], 0, sizeof t->segment[0]);
    t->segments = 1; /* NOTHING */
    for (uint32_t c = 0; c < t->channels; c++) {
        uint32_t to = c / s->bin_energy, found = OUTSIDE;
        if (c >= s->lo && c < s->hi && to < s->channels / s->bin_energy) {
            describe(s, to, bands, &one);
            found = find_segment(t, &one);
            if (found == MAX_SEGMENTS)
                return false;
        }
        t->table[c] = (uint8_t)found;
    }
    t->kinds[OUTSIDE] = KINDS * KIND_BITS;
    for (uint32_t i = 0; i < t->segments; i++) {
        kind k = i == NOTHING ? OF_NO_LINE : t->segment[i].apart ? OF_CARBON : OF_LINES;
        t->kinds[i] = (uint8_t)(k * KIND_BITS);
    }
    return true;
}

/* ---- life ---- */

static edx_status allocate(edx_trend *t, edx_error *err)
{
    t->table = malloc(t->channels);
    t->segment = malloc(MAX_SEGMENTS * sizeof *t->segment);
    t->label = malloc(t->pixels);
    t->before = malloc(t->pixels);
    t->tile = malloc(t->pixels);
    t->running = calloc(MAX_SEGMENTS, sizeof *t->running);
    if (t->table == NULL || t->segment == NULL || t->label == NULL || t->before == NULL ||
        t->tile == NULL || t->running == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the trend of %u pixels", t->pixels);
    memset(t->label, 1, t->pixels);
    return EDX_OK;
}

static void lay_tiles(edx_trend *t, uint32_t rows)
{
    for (uint32_t p = 0; p < t->pixels; p++)
        t->tile[p] = (uint8_t)(p / t->cols * SIDE / rows * SIDE + p % t->cols * SIDE / t->cols);
    for (uint32_t p = 0; p < t->pixels; p++)
        t->there[t->tile[p]] = true;
    memcpy(t->taken, t->there, sizeof t->taken);
    memcpy(t->covered, t->there, sizeof t->covered);
    memcpy(t->chosen, t->there, sizeof t->chosen);
    t->choice = 1;
}

edx_status edx_trend_new(const edx_trend_shape *shape, edx_trend **out, edx_error *err)
{
    uint64_t pixels = (uint64_t)shape->rows * shape->cols;
    edx_trend *t;

    *out = NULL;
    if (pixels > 1u << PIXEL_BITS)
        return edx_fail(err, EDX_E_RANGE, "%u x %u pixels, expected at most %u", shape->rows,
                        shape->cols, 1u << PIXEL_BITS);
    t = *out = calloc(1, sizeof *t);
    if (t == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the trend");
    t->pixels = (uint32_t)pixels;
    t->cols = shape->cols;
    t->channels = shape->channels;
    t->n = shape->n;
    t->regions = 1;
    edx_status status = allocate(t, err);
    if (status == EDX_OK)
        status = edx_tape_new(&t->tape, err);
    if (status == EDX_OK)
        lay_tiles(t, shape->rows);
    if (status == EDX_OK && !cut(t, shape, true))
        (void)cut(t, shape, false); /* windows alone have fewer edges than there may be segments */
    if (status != EDX_OK)
        edx_trend_free(out);
    return status;
}

void edx_trend_free(edx_trend **trend)
{
    edx_trend *t = *trend;

    *trend = NULL;
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->frames_room; i++)
        free(t->frames[i].counts);
    free(t->table);
    free(t->segment);
    free(t->label);
    free(t->before);
    free(t->tile);
    edx_tape_free(&t->tape);
    free(t->frames);
    free(t->running);
    free(t->composition);
    free(t->sigma);
    free(t->by_frame);
    free(t->a);
    free(t->total);
    free(t->used);
    free(t->all);
    free(t);
}

void edx_trend_set_pool(edx_trend *trend, const edx_pool *pool)
{
    trend->pool = pool;
}

/* Composition is computed again from the first frame on. */
static void restart(edx_trend *t)
{
    t->done = 0;
    memset(t->running, 0, MAX_SEGMENTS * sizeof *t->running);
}

void edx_trend_clear(edx_trend *trend)
{
    edx_tape_clear(trend->tape);
    trend->n_frames = 0;
    restart(trend);
}

static bool alike(const edx_trend *a, const edx_trend *b)
{
    if (a->n != b->n || a->pixels != b->pixels || a->channels != b->channels ||
        a->segments != b->segments || memcmp(a->table, b->table, a->channels) != 0)
        return false;
    for (uint32_t i = 0; i < a->segments; i++)
        if (!same(&a->segment[i], &b->segment[i], a->n))
            return false;
    return true;
}

bool edx_trend_follow(edx_trend *trend, edx_trend *before)
{
    if (!alike(trend, before))
        return false;
    edx_trend taken = *before;
    *before = *trend;
    *trend = taken;
    return true;
}

/* ---- frames ---- */

static bool grow(void **at, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return true;
    size_t wanted = 2 * needed;
    unsigned char *grown = realloc(*at, wanted * size);
    if (grown == NULL)
        return false;
    memset(grown + *room * size, 0, (wanted - *room) * size);
    *at = grown;
    *room = wanted;
    return true;
}

/* Place of a frame among those that are known, or where it would stand. */
static size_t place_of(const edx_trend *t, uint64_t frame)
{
    size_t lo = 0, hi = t->n_frames;

    if (hi > 0 && t->frames[hi - 1].frame < frame)
        return hi;
    while (lo < hi) {
        size_t middle = (lo + hi) / 2;
        if (t->frames[middle].frame < frame)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static size_t counters(const edx_trend *t)
{
    return (size_t)REGIONS * t->segments;
}

/* Makes a place for a frame; the memory of a place that was used before is used again. */
static bool insert(edx_trend *t, size_t at, uint64_t frame)
{
    if (!grow((void **)&t->frames, &t->frames_room, t->n_frames + 1, sizeof *t->frames))
        return false;
    size_t n = counters(t) + (size_t)TILES * KINDS;
    uint32_t *counts = t->frames[t->n_frames].counts;
    if (counts == NULL)
        counts = malloc(n * sizeof *counts);
    t->frames[t->n_frames].counts = counts;
    if (counts == NULL)
        return false;
    memset(counts, 0, n * sizeof *counts);
    memmove(&t->frames[at + 1], &t->frames[at], (t->n_frames - at) * sizeof *t->frames);
    t->frames[at] = (frame_sums){.frame = frame, .counts = counts};
    t->n_frames++;
    return true;
}

static frame_sums *frame_of(edx_trend *t, uint64_t frame)
{
    size_t at = place_of(t, frame);

    if ((at == t->n_frames || t->frames[at].frame != frame) && !insert(t, at, frame))
        return NULL;
    if (at < t->done)
        restart(t);
    t->frames[at].measured = 0;
    return &t->frames[at];
}

/* 1 for what lies in a segment: neither NOTHING nor OUTSIDE. */
static uint32_t is_kept(uint8_t of)
{
    return (uint8_t)(of - 1) < OUTSIDE - 1;
}

/* Of n counts, RUN_COUNTS at most; without a branch, which chance would mislead. Into
 * run, and kept [n + 1]: how many of those before one. */
static void sort(edx_trend *t, const uint16_t *channels, uint32_t n)
{
    sorted *out = &t->run;

    out->kinds = 0;
    out->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t s = t->table[channels[i]];
        t->kept[i] = out->n;
        out->kinds += (uint64_t)1 << t->kinds[s];
        out->kept[out->n] = s;
        out->n += is_kept(s);
    }
    t->kept[n] = out->n;
}

static void add_kinds(const edx_trend *t, frame_sums *f, uint32_t pixel, uint64_t kinds,
                      uint32_t times)
{
    uint32_t *tile = f->counts + counters(t) + (size_t)t->tile[pixel] * KINDS;

    for (uint32_t k = 0; k < KINDS; k++)
        tile[k] += (uint32_t)(kinds >> (k * KIND_BITS) & ((1U << KIND_BITS) - 1)) * times;
}

/* Kept counts first .. end - 1 of a pixel. */
static void add_kept(const edx_trend *t, frame_sums *f, uint32_t pixel, uint32_t first,
                     uint32_t end, uint32_t times)
{
    uint32_t label = t->label[pixel];

    for (uint32_t i = first; label > 0 && i < end; i++)
        f->counts[(size_t)(label - 1) * t->segments + t->run.kept[i]] += times;
}

/* What lies in a segment is kept once for every count. */
static void take(edx_trend *t, frame_sums *f, uint32_t pixel, const edx_events *events, uint32_t at,
                 uint32_t end)
{
    uint32_t most = events->weights != NULL ? 1 : RUN_COUNTS, n;

    for (; at < end; at += n) {
        n = end - at < most ? end - at : most;
        uint32_t times = events->weights != NULL ? events->weights[at] : 1;
        sort(t, events->channels + at, n);
        add_kinds(t, f, pixel, t->run.kinds, times);
        add_kept(t, f, pixel, 0, t->run.n, times);
        for (uint32_t i = 0; t->run.n > 0 && i < times; i++)
            edx_tape_put_all(t->tape, pixel, t->run.kept, t->run.n);
    }
}

/* Pixels p .. end - 1 of the events, in one tile, of RUN_COUNTS counts at most and no weights. */
static void take_run(edx_trend *t, frame_sums *f, uint32_t first, const edx_events *events,
                     uint32_t p, uint32_t end)
{
    const uint32_t at = events->offsets[p];
    uint32_t ends[RUN];

    sort(t, events->channels + at, events->offsets[end] - at);
    add_kinds(t, f, first + p, t->run.kinds, 1);
    for (uint32_t i = p; i < end; i++) {
        ends[i - p] = t->kept[events->offsets[i + 1] - at];
        add_kept(t, f, first + i, t->kept[events->offsets[i] - at], ends[i - p], 1);
    }
    edx_tape_put_run(t->tape, first + p, end - p, t->run.kept, ends);
}

/* End of the run that begins at pixel p; p where its counts alone are too many. */
static uint32_t end_of_run(const edx_trend *t, uint32_t first, const edx_events *events, uint32_t p)
{
    uint32_t end = p, most = events->pixels - p < RUN ? events->pixels : p + RUN;

    while (end < most && t->tile[first + end] == t->tile[first + p] &&
           events->offsets[end + 1] - events->offsets[p] <= RUN_COUNTS)
        end++;
    return end;
}

/* Weighted counts, and those that leave most pixels empty, go pixel by pixel. */
static void take_all(edx_trend *t, frame_sums *f, uint32_t first, const edx_events *events)
{
    const uint32_t *offsets = events->offsets;
    bool one_by_one =
        events->weights != NULL || offsets[events->pixels] - offsets[0] < events->pixels;

    for (uint32_t p = 0, end; p < events->pixels; p = end) {
        end = one_by_one ? p : end_of_run(t, first, events, p);
        if (end > p) {
            take_run(t, f, first, events, p, end);
        } else {
            take(t, f, first + p, events, offsets[p], offsets[p + 1]);
            end = p + 1;
        }
    }
}

/* How many are kept at most. */
static size_t entries_of(const edx_trend *t, const edx_events *events)
{
    size_t sum = 0;

    if (events->weights == NULL)
        return events->offsets[events->pixels] - events->offsets[0];
    for (uint32_t i = events->offsets[0]; i < events->offsets[events->pixels]; i++)
        sum += (size_t)is_kept(t->table[events->channels[i]]) * events->weights[i];
    return sum;
}

edx_status edx_trend_add(edx_trend *trend, uint64_t frame, uint32_t row, const edx_events *events,
                         edx_error *err)
{
    edx_trend *t = trend;
    const size_t kept = entries_of(t, events);

    if (kept >
        KEPT_BESIDE + KEPT_PER_ENTRY * (events->offsets[events->pixels] - events->offsets[0]))
        return edx_fail(err, EDX_E_LIMIT, "frame %llu has more counts than its trend can keep",
                        (unsigned long long)frame);
    frame_sums *f = frame_of(t, frame);
    if (f == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the trend of frame %llu",
                        (unsigned long long)frame);
    edx_status status = edx_tape_begin(t->tape, frame, row * t->cols, events->pixels, kept, err);
    if (status != EDX_OK)
        return status;
    take_all(t, f, row * t->cols, events);
    edx_tape_end(t->tape);
    return EDX_OK;
}

/* Tiles beside the regions that every frame covers; where those are few, all that are covered, and
 * where none is, all. */
static void choose_tiles(edx_trend *t)
{
    bool chosen[TILES];
    uint32_t covered = 0, free_ones = 0;

    for (uint32_t i = 0; i < TILES; i++) {
        covered += t->covered[i];
        free_ones += t->covered[i] && !t->taken[i];
    }
    bool beside = free_ones > 0 && free_ones * ENOUGH >= covered;
    for (uint32_t i = 0; i < TILES; i++)
        chosen[i] = covered == 0 ? t->there[i] : t->covered[i] && !(beside && t->taken[i]);
    if (beside == t->beside && memcmp(chosen, t->chosen, sizeof chosen) == 0)
        return;
    memcpy(t->chosen, chosen, sizeof chosen);
    t->beside = beside;
    t->choice++;
}

void edx_trend_field(edx_trend *trend, const uint32_t *exposure, uint32_t least)
{
    edx_trend *t = trend;

    memcpy(t->covered, t->there, sizeof t->covered);
    memset(t->cut_off, 0, sizeof t->cut_off);
    for (uint32_t p = 0; exposure != NULL && p < t->pixels; p++) {
        if (exposure[p] >= least)
            continue;
        t->covered[t->tile[p]] = false;
        if (t->label[p] > 0)
            t->cut_off[t->label[p] - 1] = true;
    }
    choose_tiles(t);
}

/* Counts of the chosen tiles. */
static void measure(const edx_trend *t, frame_sums *f)
{
    const uint32_t *tiles = f->counts + counters(t);

    if (f->measured == t->choice)
        return;
    f->rest = f->apart = 0;
    for (uint32_t i = 0; i < TILES; i++) {
        const uint32_t *counts = tiles + (size_t)i * KINDS;
        if (!t->chosen[i])
            continue;
        f->rest += counts[OF_NO_LINE] + (t->beside ? counts[OF_LINES] : 0);
        f->apart += counts[OF_CARBON];
    }
    f->measured = t->choice;
}

typedef struct recounting {
    edx_trend *trend;
    frame_sums *frame;
} recounting;

static void count_again(void *context, uint32_t pixel, uint8_t symbol)
{
    const recounting *r = context;
    const edx_trend *t = r->trend;
    uint32_t before = t->before[pixel], now = t->label[pixel];

    if (before == now)
        return;
    if (before > 0)
        r->frame->counts[(size_t)(before - 1) * t->segments + symbol]--;
    if (now > 0)
        r->frame->counts[(size_t)(now - 1) * t->segments + symbol]++;
}

/* Counts those of pixels first .. end - 1 that have another label now anew in all frames. */
static void move(edx_trend *t, uint32_t first, uint32_t end)
{
    for (size_t i = 0; i < edx_tape_count(t->tape); i++) {
        recounting r = {t, &t->frames[place_of(t, edx_tape_frame(t->tape, i))]};
        edx_tape_visit_some(t->tape, i, first, end, count_again, &r);
    }
}

/* From one time to the next a particle's rim moves, if anything; what is a short way apart goes
 * together. */
static void move_all(edx_trend *t)
{
    uint32_t first = 0, end = 0; /* of what is to be counted; none yet */

    for (uint32_t p = 0; p < t->pixels; p++) {
        if (t->label[p] == t->before[p])
            continue;
        if (end > 0 && p > end + SHORT) {
            move(t, first, end);
            end = 0;
        }
        first = end > 0 ? first : p;
        end = p + 1;
    }
    if (end > 0)
        move(t, first, end);
}

edx_status edx_trend_regions(edx_trend *trend, const uint32_t *owner, uint32_t count_of,
                             edx_error *err)
{
    edx_trend *t = trend;

    (void)err;
    t->regions = count_of == 0 ? 1 : count_of < REGIONS ? count_of : REGIONS;
    memcpy(t->before, t->label, t->pixels);
    for (uint32_t p = 0; p < t->pixels; p++) {
        uint32_t of = count_of == 0 ? 1 : owner[p];
        t->label[p] = (uint8_t)(of < REGIONS ? of : REGIONS);
    }
    memset(t->taken, 0, sizeof t->taken);
    for (uint32_t p = 0; p < t->pixels; p++)
        t->taken[t->tile[p]] = t->taken[t->tile[p]] || t->label[p] > 0;
    choose_tiles(t);
    move_all(t);
    restart(t);
    return EDX_OK;
}

/* ---- composition ---- */

/* Makes *at hold n elements of so many bytes; what does not fit stays as it was. */
static bool resize(void **at, size_t n, size_t size)
{
    void *grown = realloc(*at, n * size + 1);

    if (grown == NULL)
        return false;
    *at = grown;
    return true;
}

static bool make_room(edx_trend *t)
{
    size_t room = 2 * t->n_frames, n = t->n;

    if (t->n_frames <= t->results_room)
        return true;
    if (!resize((void **)&t->composition, room * n, sizeof(double)) ||
        !resize((void **)&t->sigma, room * n, sizeof(double)) ||
        !resize((void **)&t->by_frame, 2 * room * n, sizeof(double)) ||
        !resize((void **)&t->a, room, sizeof(double)) ||
        !resize((void **)&t->total, room, sizeof(double)) ||
        !resize((void **)&t->used, room, sizeof(uint64_t)))
        return false;
    t->results_room = room;
    return true;
}

/* Net counts and covariance of the counts so far: exact sums over segments. */
static void quantify(const edx_trend *t, const edx_line *lines, double limit, double *out)
{
    double net[EDX_MAX_LINES] = {0}, covariance[EDX_MAX_LINES * EDX_MAX_LINES] = {0};
    uint32_t n = t->n;

    for (uint32_t s = 1; s < t->segments; s++) {
        const double *v = t->segment[s].v, counts = (double)t->running[s];
        for (uint32_t i = 0; i < n; i++) {
            net[i] += v[i] * counts;
            for (uint32_t j = 0; j < n; j++)
                covariance[i * n + j] += v[i] * v[j] * counts;
        }
    }
    (void)edx_quant_fractions(lines, n, limit, net, covariance, out, out + n);
}

static void compose(edx_trend *t, const edx_line *lines, double limit)
{
    size_t width = (size_t)2 * t->n;

    for (; t->done < t->n_frames; t->done++) {
        const frame_sums *f = &t->frames[t->done];
        for (uint32_t r = 0; r < REGIONS; r++)
            for (uint32_t s = 1; s < t->segments; s++)
                t->running[s] += f->counts[(size_t)r * t->segments + s];
        quantify(t, lines, limit, t->by_frame + width * t->done);
    }
    for (size_t i = 0; i < t->n; i++)
        for (size_t f = 0; f < t->n_frames; f++) {
            t->composition[i * t->n_frames + f] = t->by_frame[width * f + i];
            t->sigma[i * t->n_frames + f] = t->by_frame[width * f + t->n + i];
        }
}

/* ---- change ---- */

/* Counts of line i's band in a region and a frame; of all lines' bands for i = n. */
static double banded(const edx_trend *t, const frame_sums *f, uint32_t region, uint32_t i)
{
    const uint32_t *counts = f->counts + (size_t)region * t->segments;
    uint64_t sum = 0;

    for (uint32_t s = 1; s < t->segments; s++) {
        bool any = i < t->n && t->segment[s].band[i];
        for (uint32_t j = 0; i == t->n && j < t->n; j++)
            any = any || t->segment[s].band[j];
        sum += any ? counts[s] : 0;
    }
    return (double)sum;
}

/* What a share is tested of. */
typedef enum share { OF_REGION, OF_REST, CARBON } share;

typedef struct frames_taken {
    uint64_t expected;
    const uint64_t *skipped;
    size_t n_skipped;
    uint32_t tests;
} frames_taken;

static bool is_skipped(const frames_taken *which, uint64_t frame, size_t *at)
{
    while (*at < which->n_skipped && which->skipped[*at] < frame)
        (*at)++;
    return *at < which->n_skipped && which->skipped[*at] == frame;
}

static edx_damage test(edx_trend *t, const frames_taken *which, uint32_t region, uint32_t i,
                       share among)
{
    size_t n = 0, at = 0;

    for (size_t k = 0; k < t->n_frames; k++) {
        const frame_sums *f = &t->frames[k];
        if (is_skipped(which, f->frame, &at))
            continue;
        t->a[n] = among == CARBON ? (double)f->apart : banded(t, f, region, i);
        t->total[n] = among == OF_REGION ? banded(t, f, region, t->n) : t->a[n] + (double)f->rest;
        t->used[n++] = f->frame;
    }
    return edx_damage_test(n, t->used, t->a, t->total, which->expected,
                           among == CARBON ? 1 : which->tests);
}

static void keep_worst(edx_trend_state *out, const edx_damage *d, uint32_t region, uint32_t i)
{
    bool first = out->region == 0;

    if (!first &&
        (d->p > out->damage.p || (d->p >= out->damage.p && fabs(d->z) <= fabs(out->damage.z))))
        return;
    out->damage = *d;
    out->region = region + 1;
    out->element = i;
}

/* The composition of a region, one element against all: for two elements the second says the same.
 */
static void test_composition(edx_trend *t, const frames_taken *which, uint32_t region,
                             edx_trend_state *out)
{
    for (uint32_t i = 0; t->n >= 2 && i < (t->n == 2 ? 1 : t->n); i++) {
        edx_damage d = test(t, which, region, i, OF_REGION);
        uint32_t element = t->n == 2 && d.z > 0 ? 1 : i; /* the one that is lost */
        if (t->n == 2)
            d.z = -fabs(d.z);
        keep_worst(out, &d, region, element);
    }
}

static void test_region(edx_trend *t, const frames_taken *which, uint32_t region,
                        edx_trend_state *out)
{
    uint32_t changed = 0;

    test_composition(t, which, region, out);
    for (uint32_t i = 0; i < t->n && !t->cut_off[region]; i++) {
        edx_damage d = test(t, which, region, i, OF_REST);
        changed += d.p <= EDX_DAMAGE_LEVEL && d.z < 0;
        keep_worst(out, &d, region, i);
    }
    if (out->region == region + 1)
        out->whole = t->n > 0 && changed == t->n;
}

/* What the frames' counts are in all processes takes the place of this one's, and back. */
static void exchange(edx_trend *t)
{
    size_t n = counters(t) + (size_t)TILES * KINDS;

    for (size_t f = 0; f < t->n_frames; f++)
        for (size_t i = 0; i < n; i++) {
            uint32_t one = t->frames[f].counts[i];
            t->frames[f].counts[i] = t->all[f * n + i];
            t->all[f * n + i] = one;
        }
}

static edx_status share_counts(edx_trend *t, edx_error *err)
{
    size_t n = counters(t) + (size_t)TILES * KINDS;

    if (!resize((void **)&t->all, t->n_frames * n, sizeof *t->all))
        return edx_fail(err, EDX_E_NOMEM, "no memory for the trend of all processes");
    for (size_t f = 0; f < t->n_frames; f++) {
        memcpy(t->all + f * n, t->frames[f].counts, n * sizeof *t->all);
        t->frames[f].measured = 0;
    }
    edx_pool_sum(t->pool, EDX_U4, t->all, t->n_frames * n);
    restart(t);
    exchange(t);
    return EDX_OK;
}

static void look_at_frames(edx_trend *t, const edx_line *lines, double limit,
                           const frames_taken *which, uint32_t regions, edx_trend_state *out)
{
    compose(t, lines, limit);
    for (size_t f = 0; f < t->n_frames; f++)
        measure(t, &t->frames[f]);
    for (uint32_t r = 0; r < regions; r++)
        test_region(t, which, r, out);
    out->contamination = test(t, which, 0, 0, CARBON);
}

edx_status edx_trend_update(edx_trend *trend, const edx_line *lines, double limit,
                            uint64_t expected, const uint64_t *skipped, size_t n_skipped,
                            edx_trend_state *out, edx_error *err)
{
    edx_trend *t = trend;
    const bool shared = edx_pool_ranks(t->pool) != NULL;
    uint32_t regions = t->regions < EDX_TREND_REGIONS ? t->regions : EDX_TREND_REGIONS;
    uint32_t ratios = t->n < 2 ? 0 : t->n == 2 ? 1 : t->n;
    const frames_taken which = {expected, skipped, n_skipped, regions * (ratios + t->n)};

    memset(out, 0, sizeof *out);
    out->damage = out->contamination = (edx_damage){.p = 1, .since = -1};
    if (!make_room(t))
        return edx_fail(err, EDX_E_NOMEM, "no memory for the trend of %zu frames", t->n_frames);
    if (shared && share_counts(t, err) != EDX_OK)
        return EDX_E_NOMEM;
    look_at_frames(t, lines, limit, &which, regions, out);
    if (shared)
        exchange(t);
    out->frames = t->n_frames;
    for (size_t f = 0; f < t->n_frames; f++)
        t->used[f] = t->frames[f].frame;
    out->frame = t->used;
    out->composition = t->composition;
    out->sigma = t->sigma;
    return EDX_OK;
}

uint64_t edx_trend_bytes(const edx_trend *trend, uint64_t more)
{
    /* a message's, made in one place and kept in another */
    uint64_t entries = 6 * more;

    return entries + edx_tape_bytes(trend->tape) + trend->frames_room * sizeof *trend->frames +
           trend->n_frames * counters(trend) * sizeof *trend->frames->counts;
}
