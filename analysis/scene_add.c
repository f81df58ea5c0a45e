#include <stdatomic.h>
#include <string.h>

#include "analysis/scene_inside.h"

#define CHUNK 16u /* strips that a thread takes at once */
#define LINE 64u  /* bytes in a cache line */
#define AHEAD 8u  /* records */
#define LATE 64u
#define CROWD (3 * EDX_EIGHT)

/* One call of add. */
typedef struct job {
    edx_scene *scene;
    edx_scene_store *store;
    const edx_events *events;
    uint32_t first, end; /* scan pixels */
    uint32_t strip_0;    /* the strip that holds first */
    uint32_t n_strips;
    atomic_bool failed;
} job;

/* The part of a strip that a job covers: its pixels first .. end - 1; offsets are those of pixel
 * first. */
typedef struct part {
    edx_strip *strip;
    uint32_t index; /* of the strip */
    uint32_t first, end;
    const uint32_t *offsets;
} part;

/* Entries first .. end - 1 of the events, of pixel i of a strip. */
typedef struct entries {
    uint32_t i;
    uint32_t first, end;
} entries;

static job job_of(edx_scene *scene, uint32_t group, uint32_t row, const edx_events *events)
{
    job j = {.scene = scene,
             .store = &scene->stores[group],
             .events = events,
             .first = row * scene->cols};

    j.end = j.first + events->pixels;
    j.strip_0 = j.first / EDX_STRIP;
    j.n_strips = (j.end - 1) / EDX_STRIP - j.strip_0 + 1;
    return j;
}

static part part_of(const job *j, uint32_t s)
{
    uint32_t index = j->strip_0 + s;
    uint32_t base = index * EDX_STRIP;
    uint32_t first = j->first > base ? j->first : base;
    uint32_t end = j->end - base < EDX_STRIP ? j->end : base + EDX_STRIP;

    return (part){&j->store->strips[index], index, first - base, end - base,
                  j->events->offsets + (first - j->first)};
}

static inline entries entries_of(const part *p, uint32_t i)
{
    const uint32_t *offset = p->offsets + (i - p->first);
    return (entries){i, offset[0], offset[1]};
}

static inline uint32_t weight(const edx_events *events, uint32_t entry)
{
    return events->weights == NULL ? 1 : events->weights[entry];
}

/* ---- room first ---- */

static uint32_t plus(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static uint32_t digits_of(uint32_t count)
{
    return count == 0 ? 0 : (39u - (uint32_t)__builtin_clz(count)) / 8u;
}

/* Slots that entries add to a pixel, exactly. */
static uint32_t new_slots(const job *j, const edx_slots *px, const entries *e, uint32_t *tally)
{
    const edx_kernel *kernel = j->scene->kernel;
    const uint16_t *channels = j->events->channels;
    uint32_t more = 0;

    for (uint32_t k = e->first; k < e->end; k++)
        tally[channels[k]] = plus(tally[channels[k]], weight(j->events, k));
    for (uint32_t k = e->first; k < e->end; k++) {
        uint32_t added = tally[channels[k]];
        if (added == 0)
            continue;
        uint32_t count = edx_slots_count(px, kernel, channels[k]);
        more += digits_of(plus(count, added)) - digits_of(count);
        tally[channels[k]] = 0;
    }
    return more;
}

static uint32_t used_by(const edx_strip *strip, const entries *e)
{
    return strip->buffer == NULL ? 0 : strip->records[e->i].n;
}

static uint32_t needed_by(const job *j, const edx_strip *strip, const entries *e, uint32_t *tally)
{
    static const edx_slots empty;
    edx_slots px = strip->buffer == NULL ? empty : edx_strip_open(strip, e->i);
    return new_slots(j, &px, e, tally);
}

/* A slot for each count, whether it needs one or not, costs less than to look, and for few counts
 * little memory. */
static bool are_few(const job *j, uint32_t n, uint32_t used)
{
    return j->events->weights == NULL && (n <= EDX_EIGHT || n <= used / 4);
}

/* Room to make for entries, and an eighth beyond, so that not every frame needs more: within 1.25
 * times what is needed. */
static uint32_t room_for(const job *j, const edx_strip *strip, const entries *e, uint32_t *tally)
{
    uint32_t n = e->end - e->first, used = used_by(strip, e), most = used / 4;

    if (!are_few(j, n, used))
        return needed_by(j, strip, e, tally) + used / 8;
    return n <= EDX_EIGHT || n + used / 8 < most ? n + used / 8 : most;
}

static bool fits(const job *j, const edx_strip *strip, const entries *e, uint32_t *tally)
{
    uint32_t n = e->end - e->first, used = used_by(strip, e);
    uint32_t room = edx_strip_capacity(strip, e->i) - used;

    if (j->events->weights == NULL && n <= room)
        return true;
    return !are_few(j, n, used) && needed_by(j, strip, e, tally) <= room;
}

static bool all_fit(const job *j, const part *p, uint32_t *tally)
{
    for (uint32_t i = p->first; i < p->end; i++) {
        entries e = entries_of(p, i);
        if (!fits(j, p->strip, &e, tally))
            return false;
    }
    return true;
}

static bool make_room(const job *j, const part *p, uint32_t *tally)
{
    uint32_t count = edx_scene_strip_pixels(j->scene, p->index), more[EDX_STRIP];

    for (uint32_t i = 0; i < count; i++) {
        entries e = {i, 0, 0};
        if (i >= p->first && i < p->end)
            e = entries_of(p, i);
        more[i] = room_for(j, p->strip, &e, tally);
    }
    return edx_strip_rebuild(p->strip, count, more);
}

static void reserve_task(void *context, uint32_t chunk, uint32_t worker)
{
    job *j = context;
    uint32_t *tally = j->scene->workers[worker].tally;

    for (uint32_t s = chunk * CHUNK; s < j->n_strips && s < (chunk + 1) * CHUNK; s++) {
        part p = part_of(j, s);
        if (!all_fit(j, &p, tally) && !make_room(j, &p, tally))
            atomic_store(&j->failed, true);
    }
}

/* ---- then counts ---- */

/* Counts that found no slot among the first n0. They wait until more pixels have been searched: the
 * branches that nobody could predict then hold up nothing. */
typedef struct late {
    uint32_t i;
    uint32_t n0;
    uint32_t last;  /* entry of the last of eight */
    uint32_t which; /* of the eight, bit 0 the last */
} late;

typedef struct backlog {
    uint32_t n;
    late waiting[LATE];
} backlog;

/* The slots from n0 on were stored a moment ago, one by one, and are read so: a wide load would
 * wait for them. */
static void add_late(edx_slots *px, uint32_t n0, uint16_t channel)
{
    uint32_t at = n0;

    while (at < px->n && px->keys[at] != channel)
        at++;
    if (at == px->n)
        edx_slots_append(px, channel);
    px->digits[at]++;
}

static void flush(edx_strip *strip, const uint16_t *channels, backlog *log)
{
    for (uint32_t i = 0; i < log->n; i++) {
        const late *l = &log->waiting[i];
        edx_slots px = edx_strip_open(strip, l->i);
        for (uint32_t which = l->which; which != 0; which &= which - 1)
            add_late(&px, l->n0, channels[l->last - (uint32_t)__builtin_ctz(which)]);
        strip->records[l->i].n = px.n;
    }
    log->n = 0;
}

/* Some digit passed 255: takes the counts that found a slot back, and adds them with care. */
static void add_again(edx_strip *strip, uint32_t i, const edx_kernel *kernel, const uint16_t *last,
                      uint32_t there)
{
    edx_slots px = edx_strip_open(strip, i);

    for (uint32_t which = there; which != 0; which &= which - 1)
        px.digits[edx_slots_find(&px, kernel, *(last - __builtin_ctz(which)))]--;
    for (uint32_t which = there; which != 0; which &= which - 1)
        edx_slots_add(&px, kernel, *(last - __builtin_ctz(which)), 0, 1);
    strip->records[i].n = px.n;
}

/* One count each for m (to eight at most) channels, those of entry first on. */
static inline void add_eight(edx_strip *strip, uint32_t i, const edx_kernel *kernel,
                             const uint16_t *channels, uint32_t first, uint32_t m, backlog *log)
{
    edx_slots px = edx_strip_open(strip, i);
    uint32_t spare = edx_strip_spare(strip, &px), all = (1u << m) - 1, last = first + m - 1;
    uint32_t there = kernel->count_eight(px.keys, px.n, px.digits, spare, channels + first, m);

    log->waiting[log->n] = (late){i, px.n, last, ~there & all};
    log->n += (there & all) != all;
    if ((there & EDX_WRAPPED) != 0)
        add_again(strip, i, kernel, channels + last, there & all);
}

static void add_one_by_one(const job *j, edx_strip *strip, const entries *e)
{
    edx_slots px = edx_strip_open(strip, e->i);

    for (uint32_t k = e->first; k < e->end; k++)
        edx_slots_add(&px, j->scene->kernel, j->events->channels[k], 0, weight(j->events, k));
    strip->records[e->i].n = px.n;
}

static inline void add_units(const job *j, edx_strip *strip, entries e, backlog *log)
{
    const uint16_t *channels = j->events->channels;

    for (uint32_t first = e.first; e.first < e.end; e.first += EDX_EIGHT) {
        uint32_t left = e.end - e.first;
        if (log->n == LATE || e.first - first >= CROWD)
            flush(strip, channels, log);
        add_eight(strip, e.i, j->scene->kernel, channels, e.first,
                  left < EDX_EIGHT ? left : EDX_EIGHT, log);
    }
}

/* Asks for lines cache lines some records further on; always as many in a strip, so that no branch
 * is mispredicted. (Inlined by force: gcc 12 takes a function that only prefetches for one without
 * effect, and drops its calls.) */
static inline __attribute__((always_inline)) void prefetch(const edx_strip *strip, uint32_t i,
                                                           uint32_t lines)
{
    uintptr_t at = (uintptr_t)strip->buffer + strip->records[i].start * EDX_GRAIN_BYTES;

    at += (uintptr_t)AHEAD * LINE * lines;
    for (uint32_t k = 0; k < lines; k++)
        __builtin_prefetch((const void *)(at + (uintptr_t)k * LINE));
}

static void add_part(const job *j, const part *p)
{
    uint32_t lines = (uint32_t)(p->strip->bytes / EDX_STRIP / LINE) + 1;
    backlog log;

    log.n = 0;
    memset(p->strip->buffer + p->strip->bytes - EDX_EIGHT, 0, EDX_EIGHT);
    for (uint32_t i = p->first; i < p->end; i++) {
        entries e = entries_of(p, i);
        prefetch(p->strip, i, lines);
        if (j->events->weights == NULL)
            add_units(j, p->strip, e, &log);
        else
            add_one_by_one(j, p->strip, &e);
    }
    flush(p->strip, j->events->channels, &log);
}

static void add_spectrum(uint64_t *spectrum, const edx_events *events, const entries *e)
{
    if (events->weights == NULL)
        for (uint32_t k = e->first; k < e->end; k++)
            spectrum[events->channels[k]]++;
    else
        for (uint32_t k = e->first; k < e->end; k++)
            spectrum[events->channels[k]] += events->weights[k];
}

static void add_totals(uint64_t *totals, const edx_events *events, const part *p)
{
    const uint32_t *offsets = p->offsets;
    uint32_t pixels = p->end - p->first;

    if (events->weights == NULL) {
        for (uint32_t i = 0; i < pixels; i++)
            totals[i] += offsets[i + 1] - offsets[i];
        return;
    }
    for (uint32_t i = 0; i < pixels; i++)
        for (uint32_t k = offsets[i]; k < offsets[i + 1]; k++)
            totals[i] += events->weights[k];
}

static void add_sums(const job *j, const part *p, uint64_t *spectrum)
{
    size_t first = (size_t)p->index * EDX_STRIP + p->first;
    uint32_t pixels = p->end - p->first;
    entries all = {0, p->offsets[0], p->offsets[pixels]};

    add_spectrum(spectrum, j->events, &all);
    add_totals(j->scene->pixel_counts + first, j->events, p);
    for (uint32_t i = 0; i < pixels; i++)
        j->scene->exposure[first + i]++;
}

static void add_task(void *context, uint32_t chunk, uint32_t worker)
{
    job *j = context;

    for (uint32_t s = chunk * CHUNK; s < j->n_strips && s < (chunk + 1) * CHUNK; s++) {
        part p = part_of(j, s);
        if (p.strip->buffer != NULL)
            add_part(j, &p);
        add_sums(j, &p, j->scene->workers[worker].spectrum);
    }
}

static void gather(edx_scene *scene, edx_scene_store *store)
{
    for (uint32_t w = 0; w < scene->n_workers; w++) {
        uint64_t *from = scene->workers[w].spectrum;
        for (uint32_t c = 0; c < scene->channels; c++) {
            scene->spectrum[c] += from[c];
            scene->counts += from[c];
            if (store->spectrum != NULL)
                store->spectrum[c] += from[c];
        }
        memset(from, 0, sizeof *from * scene->channels);
    }
    scene->changes++;
    scene->shared = false;
}

edx_status edx_scene_add_to(edx_scene *scene, uint32_t group, uint32_t row,
                            const edx_events *events, edx_error *err)
{
    if (events->pixels == 0)
        return EDX_OK;
    if (!edx_scene_open_store(scene, group))
        return edx_fail(err, EDX_E_NOMEM, "no memory for the counts of a group");
    job j = job_of(scene, group, row, events);
    uint32_t chunks = (j.n_strips + CHUNK - 1) / CHUNK;
    edx_pool_run(scene->pool, chunks, reserve_task, &j);
    if (atomic_load(&j.failed))
        return edx_fail(err, EDX_E_NOMEM, "no memory for the counts of %u pixels", events->pixels);
    edx_pool_run(scene->pool, chunks, add_task, &j);
    gather(scene, j.store);
    j.store->exposure += events->pixels;
    return EDX_OK;
}

edx_status edx_scene_add(edx_scene *scene, uint32_t row, const edx_events *events, edx_error *err)
{
    return edx_scene_add_to(scene, scene->groups, row, events, err);
}
