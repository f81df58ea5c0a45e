#include "analysis/drift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/correlate.h"
#include "analysis/overlap.h"
#include "analysis/track.h"

#define LARGEST 192u     /* side of a picture, pixels: larger scans are binned to it */
#define REACH 4u         /* a frame is looked for within this part of a side */
#define SMOOTH_IMAGE 1.0 /* low-pass, picture pixels */
#define SMOOTH_COUNTS 2.5
#define SURE 6.0   /* a peak this high is believed wherever it is, */
#define LIKELY 4.0 /* one this high where the track expects it */
#define RIVAL 0.85 /* of the highest peak's height: one where it is expected goes before it */
#define NEAR 2.0   /* pixels about there, beside three standard deviations */
#define SLOPE 0.5  /* share of an image's variance that a plane explains: its features are few */
#define EXACT 0.01 /* pixels: error of where a slope lies, which its level tells */
#define BETTER 0.1 /* of what the peak leaves: levels must explain so much more */
#define KNOWN 0.25 /* exposure below which a reference pixel is not known */
#define VAGUE 1.0  /* standard deviation, scan pixels, from which a track does not know */
#define RECENT 10u

typedef enum kind { IMAGE, COUNTS, KINDS } kind;

/* The sum of the pictures placed so far and its exposure, three fields of view a side. */
typedef struct reference {
    float *sum, *weight;
    edx_correlate *correlate;
} reference;

typedef struct picture {
    bool open;
    uint64_t frame;
    float *pixel[KINDS]; /* [rows * cols] */
    uint32_t *scan_rows; /* [rows] that came of each picture row */
    uint8_t *there;      /* [rows] all of them did */
    uint32_t came, with_image;
} picture;

/* One frame as it was placed live, and as it was measured looking back. */
typedef struct entry {
    double at[2];    /* of the picture on the reference, picture pixels */
    bool placed;     /* in the references, at at, */
    bool has[KINDS]; /* in these */
    uint32_t came;   /* scan rows of it then */
    bool live;       /* registered live */
    edx_track_point again;
} entry;

struct edx_drift {
    uint32_t scan_rows, scan_cols, bin;
    uint32_t rows, cols; /* of a picture */
    uint32_t reach[2];
    reference reference[KINDS];
    picture now;
    float *alone; /* [2 * canvas] a frame's own share of the reference: sum, weight */
    edx_track track;
    bool any;                /* some frame was registered by its peak */
    edx_drift_place *places; /* [n] by frame */
    entry *entries;          /* [n] of the same frames */
    size_t n, room;
    uint32_t recent; /* a bit for each of the last frames, the newest lowest: it failed */
    double newest[2];
    int32_t stands[2]; /* shift of the newest registered live */
};

/* ---- life ---- */

static size_t canvas(const edx_drift *d)
{
    return (size_t)9 * d->rows * d->cols;
}

static bool allocate(edx_drift *d)
{
    const size_t pixels = (size_t)d->rows * d->cols;
    bool got = true;
    for (int k = 0; k < KINDS; k++) {
        got = (d->reference[k].sum = calloc(canvas(d), sizeof(float))) && got;
        got = (d->reference[k].weight = calloc(canvas(d), sizeof(float))) && got;
        got = (d->now.pixel[k] = calloc(pixels, sizeof(float))) && got;
    }
    d->alone = calloc(2 * canvas(d), sizeof *d->alone);
    d->now.scan_rows = calloc(d->rows, sizeof *d->now.scan_rows);
    d->now.there = calloc(d->rows, sizeof *d->now.there);
    return got && d->alone && d->now.scan_rows && d->now.there;
}

static void set_size(edx_drift *d, uint32_t rows, uint32_t cols)
{
    const uint32_t longer = rows > cols ? rows : cols, shorter = rows > cols ? cols : rows;
    d->scan_rows = rows;
    d->scan_cols = cols;
    d->bin = (longer + LARGEST - 1) / LARGEST;
    if (d->bin > shorter / EDX_DRIFT_MIN_SIDE)
        d->bin = shorter / EDX_DRIFT_MIN_SIDE;
    d->rows = rows / d->bin;
    d->cols = cols / d->bin;
    d->reach[0] = d->rows / REACH;
    d->reach[1] = d->cols / REACH;
}

edx_status edx_drift_new(uint32_t rows, uint32_t cols, edx_drift **out, edx_error *err)
{
    *out = NULL;
    if (rows < EDX_DRIFT_MIN_SIDE || cols < EDX_DRIFT_MIN_SIDE)
        return edx_fail(err, EDX_E_RANGE,
                        "a scan of %u x %u pixels cannot be registered, expected "
                        "%u a side",
                        rows, cols, EDX_DRIFT_MIN_SIDE);
    edx_drift *d = calloc(1, sizeof *d);
    if (!d)
        return edx_fail(err, EDX_E_NOMEM, "no memory to register frames");
    set_size(d, rows, cols);
    edx_status status =
        allocate(d) ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory to register frames");
    for (int k = 0; k < KINDS && status == EDX_OK; k++)
        status =
            edx_correlate_new(d->rows, d->cols, d->reach, k == IMAGE ? SMOOTH_IMAGE : SMOOTH_COUNTS,
                              &d->reference[k].correlate, err);
    if (status == EDX_OK)
        *out = d;
    else
        edx_drift_free(&d);
    return status;
}

void edx_drift_free(edx_drift **drift)
{
    edx_drift *d = *drift;
    if (!d)
        return;
    for (int k = 0; k < KINDS; k++) {
        free(d->reference[k].sum);
        free(d->reference[k].weight);
        edx_correlate_free(&d->reference[k].correlate);
        free(d->now.pixel[k]);
    }
    free(d->alone);
    free(d->now.scan_rows);
    free(d->now.there);
    free(d->places);
    free(d->entries);
    free(d);
    *drift = NULL;
}

void edx_drift_clear(edx_drift *drift)
{
    for (int k = 0; k < KINDS; k++) {
        memset(drift->reference[k].sum, 0, canvas(drift) * sizeof(float));
        memset(drift->reference[k].weight, 0, canvas(drift) * sizeof(float));
    }
    drift->now.open = drift->any = false;
    drift->n = 0;
    drift->recent = 0;
    drift->newest[0] = drift->newest[1] = 0;
    drift->stands[0] = drift->stands[1] = 0;
}

/* ---- looking ---- */

static void open_picture(edx_drift *d, uint64_t frame)
{
    picture *p = &d->now;
    for (int k = 0; k < KINDS; k++)
        memset(p->pixel[k], 0, (size_t)d->rows * d->cols * sizeof(float));
    memset(p->scan_rows, 0, d->rows * sizeof *p->scan_rows);
    p->open = true;
    p->frame = frame;
    p->came = p->with_image = 0;
}

/* Counts that are taken together; a pixel may have more. */
#define AT_ONCE 1024u

/* Adds what lies from lo on, less than span further, of n counts; before (may be NULL) [n + 1]:
 * how many of those before. Without a branch, which chance would mislead. */
static uint32_t count(const edx_events *events, uint32_t first, uint32_t n, const uint32_t range[2],
                      uint32_t *before)
{
    const uint16_t *channels = events->channels + first;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t weight = events->weights ? events->weights[first + i] : 1;
        if (before)
            before[i] = sum;
        sum += (channels[i] - range[0] < range[1]) * weight;
    }
    if (before)
        before[n] = sum;
    return sum;
}

/* Pixels p .. end - 1 of a row, bin of them to one of to. Few counts in many pixels: which pixel
 * they are of is looked up afterwards. */
static void count_row(const edx_drift *d, const edx_events *events, uint32_t p, uint32_t end,
                      const uint32_t range[2], float *to)
{
    const uint32_t *offsets = events->offsets;
    uint32_t before[AT_ONCE + 1];
    for (uint32_t x = 0, most; p < end; p = most) {
        const uint32_t at = offsets[p];
        for (most = p; most < end && offsets[most + d->bin] - at <= AT_ONCE; most += d->bin)
            ;
        if (most == p) {
            most += d->bin;
            to[x++] += (float)count(events, at, offsets[most] - at, range, NULL);
            continue;
        }
        count(events, at, offsets[most] - at, range, before);
        for (uint32_t i = p; i < most; i += d->bin)
            to[x++] += (float)(before[offsets[i + d->bin] - at] - before[offsets[i] - at]);
    }
}

/* A row of the picture's k, NULL where scan row y lies in none. */
static float *row_of(const edx_drift *d, kind k, uint32_t y)
{
    return y / d->bin < d->rows ? d->now.pixel[k] + (size_t)(y / d->bin) * d->cols : NULL;
}

static void look_at_counts(edx_drift *d, uint32_t row, const edx_events *events,
                           const uint32_t range[2])
{
    for (uint32_t y = 0; y < events->pixels / d->scan_cols; y++) {
        float *to = row_of(d, COUNTS, row + y);
        if (to)
            count_row(d, events, y * d->scan_cols, y * d->scan_cols + d->cols * d->bin, range, to);
    }
}

static void look_at_image(edx_drift *d, uint32_t row, const edx_array *image, uint32_t rows)
{
    for (uint32_t y = 0; y < rows; y++) {
        float *to = row_of(d, IMAGE, row + y);
        uint32_t p = y * d->scan_cols;
        for (uint32_t x = 0; to && x < d->cols; x++)
            for (uint32_t i = 0; i < d->bin; i++) {
                const double value = edx_array_get(image, p++);
                to[x] += isfinite(value) ? (float)value : 0;
            }
    }
}

void edx_drift_look(edx_drift *drift, uint64_t frame, uint32_t row, const edx_events *events,
                    uint32_t lo, uint32_t hi, const edx_array *image)
{
    const uint32_t rows = events->pixels / drift->scan_cols;
    uint64_t elements, bytes;
    if (!edx_drift_looks_at(drift, frame))
        open_picture(drift, frame);
    picture *p = &drift->now;
    look_at_counts(drift, row, events, (const uint32_t[2]){lo, hi - lo});
    if (image && edx_array_count(image, &elements, &bytes) && elements == events->pixels) {
        look_at_image(drift, row, image, rows);
        p->with_image += rows;
    }
    p->came += rows;
    for (uint32_t y = row; y < row + rows; y++)
        if (y / drift->bin < drift->rows)
            p->scan_rows[y / drift->bin]++;
}

bool edx_drift_looks_at(const edx_drift *drift, uint64_t frame)
{
    return drift->now.open && drift->now.frame == frame;
}

static bool shows(const edx_drift *d, kind k)
{
    return d->now.came > 0 && (k == COUNTS || d->now.with_image == d->now.came);
}

/* NULL where every row is there. */
static const uint8_t *rows_there(edx_drift *d)
{
    bool all = true;
    for (uint32_t y = 0; y < d->rows; y++) {
        d->now.there[y] = d->now.scan_rows[y] >= d->bin;
        all = all && d->now.there[y];
    }
    return all ? NULL : d->now.there;
}

/* ---- the reference ---- */

/* Adds the picture, its pixel (0, 0) at at, each pixel shared among the four that it lies on. */
static void lay(const edx_drift *d, const float *pixel, const double at[2], float *sum,
                float *weight)
{
    const int64_t wide = 3 * (int64_t)d->cols, high = 3 * (int64_t)d->rows;
    const double fy = floor(at[0]), fx = floor(at[1]);
    const int64_t y0 = (int64_t)fy + d->rows, x0 = (int64_t)fx + d->cols;
    const float part[2][2] = {{(float)(fy + 1 - at[0]), (float)(at[0] - fy)},
                              {(float)(fx + 1 - at[1]), (float)(at[1] - fx)}};
    for (uint32_t y = 0; y < d->rows; y++)
        for (int64_t j = 0; j < 2 && d->now.there[y]; j++) {
            const int64_t row = y0 + y + j;
            if (row < 0 || row >= high)
                continue;
            for (int64_t i = 0; i < 2; i++) {
                const float share = part[0][j] * part[1][i];
                for (uint32_t x = 0; x < d->cols; x++) {
                    const int64_t col = x0 + x + i;
                    if (col < 0 || col >= wide)
                        continue;
                    sum[row * wide + col] += share * pixel[(size_t)y * d->cols + x];
                    weight[row * wide + col] += share;
                }
            }
        }
}

static void place_picture(edx_drift *d, entry *e)
{
    rows_there(d);
    for (int k = 0; k < KINDS; k++) {
        e->has[k] = shows(d, (kind)k);
        if (e->has[k])
            lay(d, d->now.pixel[k], e->at, d->reference[k].sum, d->reference[k].weight);
    }
    e->placed = true;
}

/* The reference about base (whole picture pixels), without what stands in alone. */
static void cut_reference(const edx_drift *d, kind k, const int64_t base[2], bool alone)
{
    const reference *r = &d->reference[k];
    const int64_t wide = 3 * (int64_t)d->cols, high = 3 * (int64_t)d->rows;
    const float *own_sum = d->alone, *own_weight = d->alone + canvas(d);
    uint32_t stride;
    float *out = edx_correlate_reference(r->correlate, &stride);
    for (int64_t y = 0; y < d->rows + 2 * (int64_t)d->reach[0]; y++)
        for (int64_t x = 0; x < d->cols + 2 * (int64_t)d->reach[1]; x++) {
            const int64_t row = y + d->rows + base[0] - d->reach[0];
            const int64_t col = x + d->cols + base[1] - d->reach[1];
            float sum = 0, weight = 0;
            if (row >= 0 && row < high && col >= 0 && col < wide) {
                sum = r->sum[row * wide + col] - (alone ? own_sum[row * wide + col] : 0);
                weight = r->weight[row * wide + col] - (alone ? own_weight[row * wide + col] : 0);
            }
            out[y * stride + x] = weight >= (float)KNOWN ? sum / weight : NAN;
        }
}

/* ---- one frame on it ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Variance of the image's noise, from the median difference of neighbours in a sample of them; for
 * counts 0: it is their mean. */
static double noise_of(const edx_drift *d, kind k)
{
    enum { SAMPLE = 1024 };
    float apart[SAMPLE];
    const float *pixel = d->now.pixel[IMAGE];
    const size_t pixels = (size_t)d->rows * d->cols;
    const size_t step = pixels / SAMPLE + 1;
    size_t n = 0;
    double square = 0;
    if (k == COUNTS)
        return 0;
    for (size_t p = 0; p + 1 < pixels && n < SAMPLE; p += step) {
        if (!d->now.there[p / d->cols] || p % d->cols + 1 == d->cols)
            continue;
        apart[n] = fabsf(pixel[p + 1] - pixel[p]);
        square += (double)apart[n] * apart[n];
        n++;
    }
    if (n == 0)
        return 0;
    qsort(apart, n, sizeof *apart, by_value);
    const double median = apart[n / 2] / 0.6745;
    return fmax(0.5 * median * median, 1e-6 * square / (double)n); /* an image without noise */
}

/* The peak to believe: the one where the track expects it, unless another is much higher. */
static bool choose(const edx_match *highest, const edx_match *nearest, edx_match *out)
{
    const bool near = nearest->z >= LIKELY && nearest->z >= RIVAL * highest->z;
    const bool sure = !near && highest->z >= SURE;
    *out = sure ? *highest : *nearest;
    return sure || nearest->z >= LIKELY;
}

/* An image that is no more than a slope is alike at every offset but for its level. Where laying it
 * on as it is explains it much better than its peak does, that is where it lies. */
static bool compare_levels(const edx_drift *d, const uint8_t *there, bool found, edx_match *best)
{
    edx_overlap o = {.picture = d->now.pixel[IMAGE],
                     .there = there,
                     .rows = d->rows,
                     .cols = d->cols,
                     .reach = {d->reach[0], d->reach[1]}};
    int32_t at[2] = {(int32_t)lround(best->offset[0]), (int32_t)lround(best->offset[1])};
    o.reference = edx_correlate_reference(d->reference[IMAGE].correlate, &o.stride);
    if (edx_overlap_slope(&o) < SLOPE)
        return found;
    const double unlike = edx_overlap_unlike(&o, at);
    const double apart = edx_overlap_search(&o, at);
    if (!(apart < BETTER * unlike))
        return found;
    for (size_t i = 0; i < 2; i++) {
        best->offset[i] = at[i];
        best->variance[i] = EXACT * EXACT;
    }
    return true;
}

/* Looks for the picture about base. */
static bool match(edx_drift *d, kind k, const int64_t base[2], const double near[2], bool alone,
                  edx_match *out)
{
    edx_match highest, nearest;
    const uint8_t *there = rows_there(d);
    const double noise = noise_of(d, k);
    if (!shows(d, k) || (k == IMAGE && noise <= 0))
        return false;
    cut_reference(d, k, base, alone);
    edx_correlate_match(d->reference[k].correlate, d->now.pixel[k], there, noise, near, &highest,
                        &nearest);
    const bool found = choose(&highest, &nearest, out);
    return k == IMAGE ? compare_levels(d, there, found, out) : found;
}

/* What the frame itself gave to the reference, so that it does not find itself there. */
static void lay_alone(edx_drift *d, kind k, const entry *e)
{
    memset(d->alone, 0, 2 * canvas(d) * sizeof *d->alone);
    rows_there(d);
    if (e->placed && e->has[k] && e->came == d->now.came)
        lay(d, d->now.pixel[k], e->at, d->alone, d->alone + canvas(d));
}

/* Measures where the picture lies, by its image or else by its counts, near at give or take sigma.
 */
static bool measure(edx_drift *d, const double at[2], const double sigma[2], const entry *alone,
                    edx_track_point *point)
{
    edx_match found = {.z = 0};
    int64_t base[2];
    double near[2];
    for (size_t i = 0; i < 2; i++) {
        base[i] = (int64_t)lround(at[i]);
        near[i] = NEAR + 3 * sigma[i];
    }
    point->frame = d->now.frame;
    point->measured = false;
    for (int k = 0; k < KINDS && !point->measured; k++) {
        if (alone)
            lay_alone(d, (kind)k, alone);
        point->measured = match(d, (kind)k, base, near, alone != NULL, &found);
    }
    for (size_t i = 0; i < 2 && point->measured; i++) {
        point->at[i] = (double)base[i] + found.offset[i];
        point->variance[i] = found.variance[i];
    }
    return point->measured;
}

/* ---- places ---- */

static size_t index_of(const edx_drift *d, uint64_t frame)
{
    size_t lo = 0, hi = d->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (d->places[mid].frame < frame)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const edx_drift_place *edx_drift_find(const edx_drift *drift, uint64_t frame)
{
    const size_t at = index_of(drift, frame);
    return at < drift->n && drift->places[at].frame == frame ? &drift->places[at] : NULL;
}

static bool grow(edx_drift *d)
{
    if (d->n < d->room)
        return true;
    const size_t room = d->room ? 2 * d->room : 128;
    edx_drift_place *places = realloc(d->places, room * sizeof *places);
    if (places)
        d->places = places;
    entry *entries = realloc(d->entries, room * sizeof *entries);
    if (entries)
        d->entries = entries;
    if (!places || !entries)
        return false;
    d->room = room;
    return true;
}

/* Room for a frame among the others, in the order of their numbers. */
static size_t insert(edx_drift *d, uint64_t frame)
{
    const size_t at = index_of(d, frame);
    memmove(d->places + at + 1, d->places + at, (d->n - at) * sizeof *d->places);
    memmove(d->entries + at + 1, d->entries + at, (d->n - at) * sizeof *d->entries);
    d->places[at] = (edx_drift_place){.frame = frame};
    d->entries[at] = (entry){.came = d->now.came};
    d->n++;
    return at;
}

/* The whole number next to x, but still before while x is no more than its error beyond the half.
 */
static int32_t round_to(double x, int32_t before, double sigma)
{
    return fabs(x - before) <= 0.5 + fmin(sigma, 0.5) ? before : (int32_t)lround(x);
}

/* at is of the picture: the specimen has moved the other way. A frame without a peak of its own
 * goes where the track says, if the track knows. before (may be NULL): where the frames stand so
 * far. */
static void set_place(const edx_drift *d, edx_drift_place *place, const double at[2],
                      const double sigma[2], bool registered, const int32_t before[2])
{
    const bool known = registered || fmax(sigma[0], sigma[1]) * d->bin <= VAGUE;
    place->registered = registered;
    for (size_t i = 0; i < 2; i++) {
        const double x = at[i] * d->bin;
        place->moved[i] = at[i] == 0 ? 0 : -x;
        place->shift[i] = !known   ? 0
                          : before ? round_to(x, before[i], sigma[i] * d->bin)
                                   : (int32_t)lround(x);
    }
}

static void register_first(edx_drift *d)
{
    const double origin[2] = {0, 0};
    edx_track_start(&d->track, d->now.frame);
    const size_t i = insert(d, d->now.frame);
    set_place(d, &d->places[i], origin, origin, true, NULL);
    d->entries[i].live = true;
    place_picture(d, &d->entries[i]);
}

/* In the reference a picture lies where it was measured, whatever the track makes of it: what the
 * track takes for noise at first may be the beginning of a motion. Until a first peak is found all
 * frames are laid where they are expected, so that many that show little make a reference together.
 */
static void register_next(edx_drift *d)
{
    double at[2], sigma[2], origin[2];
    edx_track_point point = {.measured = false};
    edx_track_predict(&d->track, d->now.frame, at, sigma);
    const bool found = measure(d, at, sigma, NULL, &point);
    edx_track_step(&d->track, &point, at, origin);
    const double since[2] = {at[0] - origin[0], at[1] - origin[1]};
    const size_t i = insert(d, d->now.frame);
    set_place(d, &d->places[i], since, sigma, found, d->stands);
    if (found)
        memcpy(d->stands, d->places[i].shift, sizeof d->stands);
    memcpy(d->entries[i].at, found ? point.at : at, sizeof at);
    d->entries[i].live = found;
    if (found || !d->any)
        place_picture(d, &d->entries[i]);
    d->any = d->any || found;
    d->recent = (d->recent << 1 | !found) & ((1u << RECENT) - 1);
    memcpy(d->newest, d->places[i].moved, sizeof d->newest);
}

edx_status edx_drift_register(edx_drift *drift, edx_error *err)
{
    if (!drift->now.open || edx_drift_find(drift, drift->now.frame))
        return EDX_OK;
    if (!grow(drift))
        return edx_fail(err, EDX_E_NOMEM, "no memory for the place of frame %llu",
                        (unsigned long long)drift->now.frame);
    if (drift->n == 0)
        register_first(drift);
    else
        register_next(drift);
    return EDX_OK;
}

/* ---- looking back ---- */

void edx_drift_look_back(edx_drift *drift)
{
    drift->now.open = false;
    for (size_t i = 0; i < drift->n; i++)
        drift->entries[i].again =
            (edx_track_point){.frame = drift->places[i].frame, .measured = false};
}

void edx_drift_register_again(edx_drift *drift)
{
    const double sigma[2] = {0.5, 0.5};
    const size_t i = index_of(drift, drift->now.frame);
    if (!drift->now.open || i == drift->n || drift->places[i].frame != drift->now.frame)
        return;
    entry *e = &drift->entries[i];
    measure(drift, e->at, sigma, e, &e->again);
}

static void place_all(edx_drift *d, double (*smooth)[2], double (*sigma)[2])
{
    for (size_t i = 0; i < d->n; i++) {
        const double at[2] = {smooth[i][0] - smooth[0][0], smooth[i][1] - smooth[0][1]};
        set_place(d, &d->places[i], at, sigma[i], i == 0 || d->entries[i].again.measured, NULL);
    }
    memcpy(d->newest, d->places[d->n - 1].moved, sizeof d->newest);
}

edx_status edx_drift_settle(edx_drift *drift, bool *changed, edx_error *err)
{
    const size_t n = drift->n;
    edx_track_point *points = calloc(n + 1, sizeof *points);
    double(*smooth)[2] = calloc(n + 1, sizeof *smooth);
    double(*sigma)[2] = calloc(n + 1, sizeof *sigma);
    int32_t(*before)[2] = calloc(n + 1, sizeof *before);
    const bool done = points && smooth && sigma && before;
    *changed = false;
    if (done && n > 0) {
        for (size_t i = 0; i < n; i++) {
            points[i] = drift->entries[i].again;
            memcpy(before[i], drift->places[i].shift, sizeof before[i]);
        }
        edx_track_smooth(points, n, smooth, sigma);
        place_all(drift, smooth, sigma);
        for (size_t i = 0; i < n; i++)
            *changed |= memcmp(before[i], drift->places[i].shift, sizeof before[i]) != 0;
    }
    free(points);
    free(smooth);
    free(sigma);
    free(before);
    return done ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory to look back on %zu frames", n);
}

/* ---- asking ---- */

const edx_drift_place *edx_drift_places(const edx_drift *drift, size_t *n)
{
    *n = drift->n;
    return drift->places;
}

size_t edx_drift_unregistered(const edx_drift *drift)
{
    size_t n = 0;
    for (size_t i = 0; i < drift->n; i++)
        n += !drift->places[i].registered;
    return n;
}

unsigned edx_drift_recent_failures(const edx_drift *drift)
{
    return (unsigned)__builtin_popcount(drift->recent);
}

double edx_drift_lost_field(const edx_drift *drift)
{
    const double dy = fmin(fabs(drift->newest[0]) / drift->scan_rows, 1);
    const double dx = fmin(fabs(drift->newest[1]) / drift->scan_cols, 1);
    return 1 - (1 - dy) * (1 - dx);
}
