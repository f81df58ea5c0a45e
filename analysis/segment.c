#include "analysis/segment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REACH 3u        /* of the smoothing kernel, pixels */
#define LANES 8u        /* pixels that are smoothed together */
#define BINS 256        /* of Otsu's histogram */
#define LEVELS 3        /* searches, each in what the one before left */
#define NOISE_SIGMA 4.0 /* a pixel stands out by more */
#define PEAK_SIGMA                                                                                 \
    6.5                 /* a part's brightest pixel does by at least; in noise the background, the \
                           mean below the threshold, is 0.8 sigma too low */
#define PART_SIGMA 6.0  /* its counts do by at least */
#define FAINTEST 0.2    /* of the brightest part's excess per pixel */
#define BIMODAL 0.7     /* Otsu's separation; 2 / pi = 0.64 for one Gaussian */
#define STRAIGHT 5u     /* chamfer steps to a neighbour (Borgefors 1986) ... */
#define DIAGONAL 7u     /* ... and across a corner */
#define FAR UINT16_MAX  /* no border of the part in the map */
#define SPLIT_SIGMA 5.0 /* a valley between two parts is deeper by */
#define HEIGHTS 4095.0  /* steps of the smoothed signal */
#define SMALL_PEAK 10u  /* a part of its own is more than two pixels from its border somewhere */
#define LEAST_WEIGHT 0.25F /* of the largest smoothed exposure, for a pixel to be searched */
#define FEWEST_AROUND 16u  /* pixels that make a background */

/* What one search goes by; all per exposure. */
typedef struct level {
    double threshold, background;
    double noise; /* variance of the signal, per exposure */
    double separation;
    bool bimodal;
    double step; /* of heights */
} level;

/* Rows and columns, [first, end). */
typedef struct frame {
    uint32_t row, end_row, col, end_col;
} frame;

struct edx_segment {
    uint32_t rows, cols, pixels, most;
    uint32_t wide; /* cols rounded up to whole LANES */
    float *smooth; /* signal per exposure */
    float *weight; /* sum of kernel x exposure */
    float *square; /* sum of kernel^2 x exposure */
    float *local;  /* sum of kernel^2 x variance */
    float *work;   /* [rows, wide] */
    float least_weight;
    float *line;             /* [wide + 2 REACH] */
    uint8_t *mask;           /* pixels of this search */
    frame mask_in;           /* all of them */
    uint8_t *taken;          /* near a part that was found */
    uint16_t *near;          /* FAR less the distance to what it is spread from */
    uint32_t *order;         /* pixels of components, then by distance */
    uint32_t *basin;         /* [pixels] 0: none, else basin + 1 */
    uint32_t *group;         /* [pixels] basins do not reach from one to another */
    uint32_t *parent;        /* [pixels] of basins */
    uint32_t *highest;       /* [pixels] of basins: depth of the inmost pixel; then label */
    uint32_t *valley;        /* [pixels] of basins: how much less deep a neck must be */
    uint32_t *label;         /* [pixels] */
    uint32_t *starts;        /* [FAR + 2] of a distance, in order */
    uint32_t *found;         /* [pixels + 1] of labels: area; then new label */
    edx_segment_part *parts; /* [most] */
    uint32_t n;              /* labels in use */
    uint32_t count;          /* parts that stay */
    double brightest;        /* excess per pixel and exposure */
    double background;
};

/* ---- life ---- */

static bool allocate(edx_segment *s)
{
    size_t n = s->pixels;

    s->smooth = calloc(n, sizeof *s->smooth);
    s->weight = calloc(n, sizeof *s->weight);
    s->square = calloc(n, sizeof *s->square);
    s->local = calloc(n, sizeof *s->local);
    s->work = calloc((size_t)s->rows * s->wide, sizeof *s->work);
    s->line = calloc(s->wide + 2u * REACH, sizeof *s->line);
    s->mask = calloc(n, sizeof *s->mask);
    s->taken = calloc(n, sizeof *s->taken);
    s->near = calloc(n, sizeof *s->near);
    s->order = calloc(n, sizeof *s->order);
    s->basin = calloc(n, sizeof *s->basin);
    s->group = calloc(n, sizeof *s->group);
    s->parent = calloc(n, sizeof *s->parent);
    s->highest = calloc(n, sizeof *s->highest);
    s->valley = calloc(n, sizeof *s->valley);
    s->label = calloc(n, sizeof *s->label);
    s->starts = calloc((size_t)FAR + 2, sizeof *s->starts);
    s->found = calloc(n + 1, sizeof *s->found);
    s->parts = calloc(s->most, sizeof *s->parts);
    return s->smooth && s->weight && s->square && s->local && s->work && s->line && s->mask &&
           s->taken && s->near && s->order && s->basin && s->group && s->parent && s->highest &&
           s->valley && s->label && s->starts && s->found && s->parts;
}

edx_status edx_segment_new(uint32_t rows, uint32_t cols, uint32_t most, edx_segment **out,
                           edx_error *err)
{
    edx_segment *s = calloc(1, sizeof *s);

    *out = s;
    if (s != NULL) {
        s->rows = rows;
        s->cols = cols;
        s->pixels = rows * cols;
        s->wide = (cols + LANES - 1) / LANES * LANES;
        s->most = most;
    }
    if (s != NULL && allocate(s))
        return EDX_OK;
    edx_segment_free(out);
    return edx_fail(err, EDX_E_NOMEM, "no memory to find particles in %u x %u pixels", rows, cols);
}

void edx_segment_free(edx_segment **segment)
{
    edx_segment *s = *segment;

    *segment = NULL;
    if (s == NULL)
        return;
    free(s->smooth);
    free(s->weight);
    free(s->square);
    free(s->local);
    free(s->work);
    free(s->line);
    free(s->mask);
    free(s->taken);
    free(s->near);
    free(s->order);
    free(s->basin);
    free(s->group);
    free(s->parent);
    free(s->highest);
    free(s->valley);
    free(s->label);
    free(s->starts);
    free(s->found);
    free(s->parts);
    free(s);
}

/* ---- smoothing ---- */

/* Gaussian of sigma 1 at 0 to 3 pixels; it need not sum to 1, since sums of weights divide it. */
static const float kernel_1[REACH + 1] = {1.0F, 0.60653066F, 0.13533528F, 0.011108997F};
static const float kernel_2[REACH + 1] = {1.0F, 0.36787944F, 0.018315639F, 0.00012340980F};

/* NULL stands for ones. */
static void smooth_row(edx_segment *s, const float *in, const float *kernel, float *restrict out)
{
    for (uint32_t c = 0; c < s->cols; c++)
        s->line[REACH + c] = in != NULL ? in[c] : 1;
    for (uint32_t c = 0; c < s->wide; c += LANES) {
        const float *line = s->line + c;
        float sum[LANES];
        for (uint32_t k = 0; k < LANES; k++)
            sum[k] = kernel[0] * line[REACH + k];
        for (uint32_t r = 1; r <= REACH; r++)
            for (uint32_t k = 0; k < LANES; k++)
                sum[k] += kernel[r] * (line[REACH + k - r] + line[REACH + k + r]);
        memcpy(out + c, sum, sizeof sum);
    }
}

/* Sums over rows inside the map. */
static void smooth_column(const edx_segment *s, uint32_t row, const float *kernel,
                          float *restrict out)
{
    uint32_t first = row > REACH ? row - REACH : 0;
    uint32_t end = row + REACH < s->rows ? row + REACH + 1 : s->rows;

    for (uint32_t c = 0; c < s->cols; c += LANES) {
        float sum[LANES] = {0};
        for (uint32_t r = first; r < end; r++) {
            const float *from = s->work + (size_t)r * s->wide + c;
            float weight = kernel[r > row ? r - row : row - r];
            for (uint32_t k = 0; k < LANES; k++)
                sum[k] += weight * from[k];
        }
        memcpy(out + c, sum, sizeof *sum * (s->cols - c < LANES ? s->cols - c : LANES));
    }
}

/* Sums over neighbours inside the map. */
static void smooth_map(edx_segment *s, const float *in, const float *kernel, float *out)
{
    for (uint32_t r = 0; r < s->rows; r++)
        smooth_row(s, in != NULL ? in + (size_t)r * s->cols : NULL, kernel,
                   s->work + (size_t)r * s->wide);
    for (uint32_t r = 0; r < s->rows; r++)
        smooth_column(s, r, kernel, out + (size_t)r * s->cols);
}

static void smooth_all(edx_segment *s, const edx_segment_map *map)
{
    smooth_map(s, map->exposure, kernel_1, s->weight);
    smooth_map(s, map->exposure, kernel_2, s->square);
    smooth_map(s, map->signal, kernel_1, s->smooth);
    if (map->variance != NULL)
        smooth_map(s, map->variance, kernel_2, s->local);
    s->least_weight = 0;
    for (uint32_t i = 0; i < s->pixels; i++) {
        float least = LEAST_WEIGHT * s->weight[i];
        s->least_weight = least > s->least_weight ? least : s->least_weight;
    }
    for (uint32_t i = 0; i < s->pixels; i++)
        s->smooth[i] = s->weight[i] > 0 ? s->smooth[i] / s->weight[i] : 0;
}

static double exposure_of(const edx_segment_map *map, size_t pixel)
{
    return map->exposure != NULL ? (double)map->exposure[pixel] : 1;
}

/* Pixels that still are to be searched; those that few frames cover tell nothing. */
static bool is_free(const edx_segment *s, size_t pixel)
{
    return !s->taken[pixel] && s->weight[pixel] > 0 && s->weight[pixel] >= s->least_weight;
}

/* ---- threshold ---- */

typedef struct histogram {
    double low, width;
    uint32_t n[BINS];
    double pixels, sum, squares; /* in bins */
} histogram;

static void add_up(histogram *h)
{
    for (uint32_t b = 0; b < BINS; b++) {
        h->pixels += h->n[b];
        h->sum += (double)h->n[b] * b;
        h->squares += (double)h->n[b] * b * b;
    }
}

static bool fill_histogram(const edx_segment *s, histogram *h)
{
    double low = INFINITY, high = -INFINITY;

    memset(h, 0, sizeof *h);
    for (uint32_t i = 0; i < s->pixels; i++)
        if (is_free(s, i)) {
            double value = (double)s->smooth[i];
            low = value < low ? value : low;
            high = value > high ? value : high;
        }
    h->low = low;
    h->width = (high - low) / BINS;
    if (!isfinite(h->width) || !(h->width > 0))
        return false;
    for (uint32_t i = 0; i < s->pixels; i++)
        if (is_free(s, i)) {
            uint32_t bin = (uint32_t)(((double)s->smooth[i] - low) / h->width);
            h->n[bin < BINS ? bin : BINS - 1]++;
        }
    add_up(h);
    return true;
}

/* The threshold with the largest variance between what is below and above; in the middle of an
 * empty gap. */
static bool find_threshold(const edx_segment *s, level *out)
{
    histogram h;
    double below = 0, sum = 0, best = 0;
    uint32_t first = 0, last = 0;

    if (!fill_histogram(s, &h))
        return false;
    for (uint32_t b = 0; b + 1 < BINS; b++) {
        below += h.n[b];
        sum += (double)h.n[b] * b;
        double above = h.pixels - below, apart = sum / below - (h.sum - sum) / above;
        double between = below * above * apart * apart;
        if (between > best * (1 + 1e-12))
            first = b;
        if (between >= best * (1 - 1e-12)) {
            best = fmax(best, between);
            last = b;
        }
    }
    double variance = h.squares - h.sum * h.sum / h.pixels;
    out->threshold = h.low + h.width * ((first + last) / 2.0 + 1);
    out->separation = best / (h.pixels * variance);
    return true;
}

/* ---- noise ---- */

static bool is_below(const edx_segment *s, const level *l, size_t pixel)
{
    return is_free(s, pixel) && (double)s->smooth[pixel] <= l->threshold;
}

/* Variance of a signal per exposure, from second differences along rows, which a slope leaves out;
 * particles add a little. */
static double noise_of_neighbours(const edx_segment *s, const edx_segment_map *map)
{
    double squares = 0, expected = 0;

    for (size_t i = 1; i + 1 < s->pixels; i++) {
        double a = exposure_of(map, i - 1), b = exposure_of(map, i), c = exposure_of(map, i + 1);
        if (i % s->cols == 0 || i % s->cols == s->cols - 1 || !(a > 0 && b > 0 && c > 0) ||
            !is_free(s, i))
            continue;
        double d = (double)map->signal[i - 1] / a - 2 * (double)map->signal[i] / b +
                   (double)map->signal[i + 1] / c;
        squares += d * d;
        expected += 1 / a + 4 / b + 1 / c;
    }
    return expected > 0 ? squares / expected : 0;
}

static bool find_level(const edx_segment *s, const edx_segment_map *map, level *out)
{
    double signal = 0, variance = 0, exposure = 0;

    if (!find_threshold(s, out))
        return false;
    for (uint32_t i = 0; i < s->pixels; i++)
        if (is_below(s, out, i)) {
            signal += (double)map->signal[i];
            variance += map->variance != NULL ? (double)map->variance[i] : 0;
            exposure += exposure_of(map, i);
        }
    if (!(exposure > 0))
        return false;
    out->background = signal / exposure;
    out->noise = map->variance != NULL ? variance / exposure : noise_of_neighbours(s, map);
    out->bimodal = map->variance != NULL || out->separation >= BIMODAL;
    return true;
}

/* How far a smoothed pixel stands out of the background, in sigma of the noise there. */
static double prominence(const edx_segment *s, const level *l, size_t pixel)
{
    double sigma = sqrt(l->noise * (double)s->square[pixel]) / (double)s->weight[pixel];
    double excess = (double)s->smooth[pixel] - l->background;

    return sigma > 0 ? excess / sigma : copysign(INFINITY, excess);
}

static void set_mask(edx_segment *s, const level *l)
{
    for (uint32_t i = 0; i < s->pixels; i++)
        s->mask[i] = is_free(s, i) && (double)s->smooth[i] > l->threshold &&
                     prominence(s, l, i) > NOISE_SIGMA;
}

/* ---- frames ---- */

/* What holds all pixels that are not 0, and by pixels more. */
static frame frame_of(const edx_segment *s, const uint8_t *set, uint32_t by)
{
    frame f = {s->rows, 0, s->cols, 0};

    for (uint32_t r = 0; r < s->rows; r++) {
        const uint8_t *row = set + (size_t)r * s->cols;
        uint32_t c = 0, end = s->cols;
        while (c < end && row[c] == 0)
            c++;
        while (end > c && row[end - 1] == 0)
            end--;
        if (c == end)
            continue;
        f.row = r < f.row ? r : f.row;
        f.end_row = r + 1;
        f.col = c < f.col ? c : f.col;
        f.end_col = end > f.end_col ? end : f.end_col;
    }
    if (f.end_row == 0)
        return (frame){0};
    f.row = f.row > by ? f.row - by : 0;
    f.col = f.col > by ? f.col - by : 0;
    f.end_row = f.end_row + by < s->rows ? f.end_row + by : s->rows;
    f.end_col = f.end_col + by < s->cols ? f.end_col + by : s->cols;
    return f;
}

/* Pixels of a frame's rows. */
static uint32_t first_of(const edx_segment *s, const frame *f)
{
    return f->row * s->cols;
}

static uint32_t end_of(const edx_segment *s, const frame *f)
{
    return f->end_row * s->cols;
}

/* ---- components ---- */

/* Puts the neighbours of a pixel into out; returns how many: 4, or 8 with corners, fewer at edges.
 */
static uint32_t neighbours(const edx_segment *s, uint32_t pixel, bool corners, uint32_t out[8])
{
    uint32_t n = 0, row = pixel / s->cols, col = pixel % s->cols;
    uint32_t top = row > 0 ? row - 1 : 0, left = col > 0 ? col - 1 : 0;

    for (uint32_t r = top; r <= row + 1 && r < s->rows; r++)
        for (uint32_t c = left; c <= col + 1 && c < s->cols; c++)
            if ((r != row || c != col) && (corners || r == row || c == col))
                out[n++] = r * s->cols + c;
    return n;
}

/* Sets mask from value to paint where pixels connect with those in order[first .. end - 1], and
 * puts them there; returns the new end. */
static uint32_t flood(edx_segment *s, uint32_t first, uint32_t end, uint8_t value, uint8_t paint,
                      bool corners)
{
    uint32_t around[8];

    for (uint32_t i = first; i < end; i++) {
        uint32_t n = neighbours(s, s->order[i], corners, around);
        for (uint32_t k = 0; k < n; k++)
            if (s->mask[around[k]] == value) {
                s->mask[around[k]] = paint;
                s->order[end++] = around[k];
            }
    }
    return end;
}

enum { OUTSIDE = 2, KEPT = 3 }; /* of a mask beside 0 and 1 */

/* Paints what is not set and has a neighbour outside in the row or, where other is a row, there; in
 * one direction. Returns whether there was any. */
static bool sweep_row(edx_segment *s, uint8_t *row, const uint8_t *other, bool back)
{
    bool outside = other == NULL, any = false;

    for (uint32_t i = 0; i < s->cols; i++) {
        uint32_t c = back ? s->cols - 1 - i : i;
        if (row[c] == 0 && (outside || i == 0 || other == NULL || other[c] == OUTSIDE)) {
            row[c] = OUTSIDE;
            any = true;
        }
        outside = row[c] == OUTSIDE;
    }
    return any;
}

/* What is not connected with the map's edge belongs to what surrounds it: sweeps down and up until
 * nothing changes, of which round parts need few. */
static void fill_holes(edx_segment *s)
{
    bool any = true;

    while (any) {
        any = false;
        for (uint32_t r = 0; r < s->rows; r++) {
            uint8_t *row = s->mask + (size_t)r * s->cols;
            any |= sweep_row(s, row, r > 0 ? row - s->cols : NULL, false);
        }
        for (uint32_t r = s->rows; r-- > 0;) {
            uint8_t *row = s->mask + (size_t)r * s->cols;
            any |= sweep_row(s, row, r + 1 < s->rows ? row + s->cols : NULL, true);
        }
    }
    for (uint32_t i = 0; i < s->pixels; i++)
        s->mask[i] = s->mask[i] == 1 || (s->mask[i] == 0 && is_free(s, i));
}

/* Whether pixels order[0 .. n - 1] are a part. */
static bool is_part(edx_segment *s, const edx_segment_map *map, const level *l, uint32_t n)
{
    double signal = 0, variance = 0, exposure = 0, peak = 0, most = 0;

    for (uint32_t i = 0; i < n; i++) {
        size_t pixel = s->order[i];
        peak = fmax(peak, prominence(s, l, pixel));
        most = fmax(most, (double)map->signal[pixel] - l->background * exposure_of(map, pixel));
        signal += (double)map->signal[pixel];
        variance += map->variance != NULL ? (double)map->variance[pixel] : 0;
        exposure += exposure_of(map, pixel);
    }
    variance = fmax(variance, l->noise * exposure); /* no counts are no certainty */
    double excess = signal - l->background * exposure, bright = excess / exposure;
    if (n < EDX_SEGMENT_AREA || peak < PEAK_SIGMA || most > excess / 2 ||
        !(excess >= PART_SIGMA * sqrt(variance)) || !(bright >= FAINTEST * s->brightest))
        return false;
    s->brightest = fmax(s->brightest, bright);
    return true;
}

/* Leaves in the mask what belongs to parts; false when that is nothing. */
static bool keep_parts(edx_segment *s, const edx_segment_map *map, const level *l)
{
    bool any = false;

    for (uint32_t i = 0; i < s->pixels; i++) {
        if (s->mask[i] != 1)
            continue;
        s->mask[i] = KEPT;
        s->order[0] = i;
        uint32_t n = flood(s, 0, 1, 1, KEPT, true);
        bool part = is_part(s, map, l, n);
        any = any || part;
        for (uint32_t k = 0; k < n && !part; k++)
            s->mask[s->order[k]] = 0;
    }
    return any;
}

/* ---- distances ---- */

static uint16_t less(uint16_t near, uint32_t step)
{
    return near > step ? (uint16_t)(near - step) : 0;
}

/* The largest of what is there and what comes from three neighbours of one row and one of its own;
 * side is -1 or 1. */
static uint16_t nearest(const edx_segment *s, const uint16_t *row, const uint16_t *other,
                        uint32_t col, int side)
{
    uint16_t best = row[col], next[4] = {0};
    int64_t back = (int64_t)col + side, ahead = (int64_t)col - side;

    if (back >= 0 && back < s->cols) {
        next[0] = less(row[back], STRAIGHT);
        next[1] = other != NULL ? less(other[back], DIAGONAL) : 0;
    }
    next[2] = other != NULL ? less(other[col], STRAIGHT) : 0;
    if (other != NULL && ahead >= 0 && ahead < s->cols)
        next[3] = less(other[ahead], DIAGONAL);
    for (int k = 0; k < 4; k++)
        best = next[k] > best ? next[k] : best;
    return best;
}

/* near[p] becomes the largest near[q] - distance(p, q) over all q, distances in fifths of a pixel:
 * once down, once up; in a frame beyond which nothing is near, or everything is as within. */
static void spread(edx_segment *s, const frame *f)
{
    size_t cols = s->cols;

    for (uint32_t r = f->row; r < f->end_row; r++) {
        uint16_t *row = s->near + r * cols;
        for (uint32_t c = f->col; c < f->end_col; c++)
            row[c] = nearest(s, row, r > 0 ? row - cols : NULL, c, -1);
    }
    for (uint32_t r = f->end_row; r-- > f->row;) {
        uint16_t *row = s->near + r * cols;
        for (uint32_t c = f->end_col; c-- > f->col;)
            row[c] = nearest(s, row, r + 1 < s->rows ? row + cols : NULL, c, 1);
    }
}

/* How far inside a part a pixel is: the distance to what is not it, or the signal. */
static uint32_t depth_of(const edx_segment *s, uint32_t pixel)
{
    return (uint32_t)FAR - s->near[pixel];
}

/* ---- watershed ---- */

static uint32_t root_of(edx_segment *s, uint32_t basin)
{
    while (s->parent[basin] != basin) {
        s->parent[basin] = s->parent[s->parent[basin]];
        basin = s->parent[basin];
    }
    return basin;
}

/* Pixels of the mask into order, the inmost first; returns how many. */
static uint32_t sort_by_depth(edx_segment *s)
{
    uint32_t n = 0, inmost = FAR, first = first_of(s, &s->mask_in), end = end_of(s, &s->mask_in);

    for (uint32_t i = first; i < end; i++)
        if (s->mask[i] && s->near[i] < inmost)
            inmost = s->near[i];
    memset(s->starts, 0, sizeof *s->starts * (FAR - inmost + 2));
    for (uint32_t i = first; i < end; i++)
        if (s->mask[i])
            s->starts[s->near[i] - inmost + 1]++;
    for (uint32_t d = 0; d <= FAR - inmost; d++)
        s->starts[d + 1] += s->starts[d];
    for (uint32_t i = first; i < end; i++)
        if (s->mask[i]) {
            s->order[s->starts[s->near[i] - inmost]++] = i;
            n++;
        }
    return n;
}

/* Two basins meet at a depth: one again, unless that is a neck between two that are large. */
static void meet(edx_segment *s, uint32_t a, uint32_t b, uint32_t depth)
{
    uint32_t high = root_of(s, a), low = root_of(s, b);

    if (high == low)
        return;
    if (s->highest[low] > s->highest[high]) {
        uint32_t swap = high;
        high = low;
        low = swap;
    }
    if (4 * depth >= 3 * s->highest[low] || s->highest[low] - depth < s->valley[low])
        s->parent[low] = high;
}

/* The pixel goes to the basin of its inmost neighbour in the same group; basins that it connects
 * meet. A new basin asks for a valley. */
static void add_to_basin(edx_segment *s, uint32_t pixel, uint32_t valley, uint32_t *basins)
{
    uint32_t around[8], n = neighbours(s, pixel, true, around), best = 0, depth = 0;

    for (uint32_t k = 0; k < n; k++)
        if (s->basin[around[k]] > 0 && s->group[around[k]] == s->group[pixel] &&
            depth_of(s, around[k]) > depth) {
            depth = depth_of(s, around[k]);
            best = s->basin[around[k]];
        }
    if (best == 0) {
        s->parent[*basins] = *basins;
        s->highest[*basins] = depth_of(s, pixel);
        s->valley[*basins] = valley;
        best = ++*basins;
    }
    s->basin[pixel] = best;
    for (uint32_t k = 0; k < n; k++)
        if (s->basin[around[k]] > 0 && s->group[around[k]] == s->group[pixel])
            meet(s, best - 1, s->basin[around[k]] - 1, depth_of(s, pixel));
}

typedef uint32_t valley_at(const edx_segment *s, const level *l, uint32_t pixel);

/* Cuts the groups of the mask into basins by depth, and makes these the groups; returns how many
 * pixels there are, in order. */
static uint32_t flood_basins(edx_segment *s, const level *l, valley_at *valley)
{
    uint32_t basins = 0, n = sort_by_depth(s), first = first_of(s, &s->mask_in);

    memset(s->basin + first, 0, sizeof *s->basin * (end_of(s, &s->mask_in) - first));
    for (uint32_t i = 0; i < n; i++)
        add_to_basin(s, s->order[i], valley(s, l, s->order[i]), &basins);
    for (uint32_t i = 0; i < n; i++)
        s->group[s->order[i]] = root_of(s, s->basin[s->order[i]] - 1) + 1;
    return n;
}

/* By signal. */

/* Height of the smoothed signal, in steps of the largest. */
static double step_of(const edx_segment *s, const level *l)
{
    double most = 0;

    for (uint32_t i = first_of(s, &s->mask_in); i < end_of(s, &s->mask_in); i++)
        if (s->mask[i])
            most = fmax(most, (double)s->smooth[i] - l->background);
    return most / HEIGHTS;
}

/* Noise is no valley: that of the peak itself, counts of the particle included. */
static uint32_t valley_of_signal(const edx_segment *s, const level *l, uint32_t pixel)
{
    double variance = fmax((double)s->local[pixel], l->noise * (double)s->square[pixel]);
    double sigma = sqrt(variance) / (double)s->weight[pixel];

    return (uint32_t)fmin(SPLIT_SIGMA * sigma / l->step, HEIGHTS) + 1;
}

static void split_by_signal(edx_segment *s, level *l)
{
    l->step = step_of(s, l);
    for (uint32_t i = first_of(s, &s->mask_in); i < end_of(s, &s->mask_in); i++) {
        s->near[i] = FAR;
        s->group[i] = s->mask[i];
        if (!s->mask[i])
            continue;
        double height = ((double)s->smooth[i] - l->background) / l->step;
        s->near[i] = (uint16_t)(FAR - fmin(fmax(height, 1), HEIGHTS));
    }
    flood_basins(s, l, valley_of_signal);
}

/* By shape. */

static uint32_t valley_of_distance(const edx_segment *s, const level *l, uint32_t pixel)
{
    (void)l;
    return depth_of(s, pixel) <= SMALL_PEAK ? UINT32_MAX : 0;
}

static bool is_between_groups(const edx_segment *s, uint32_t pixel)
{
    uint32_t around[8], n = neighbours(s, pixel, true, around);

    for (uint32_t k = 0; k < n; k++)
        if (s->mask[around[k]] && s->group[around[k]] != s->group[pixel])
            return true;
    return false;
}

static void split_by_shape(edx_segment *s, const level *l)
{
    for (uint32_t i = first_of(s, &s->mask_in); i < end_of(s, &s->mask_in); i++) {
        bool inside = s->mask[i] && !is_between_groups(s, i);
        s->near[i] = inside ? 0 : s->mask[i] ? FAR - STRAIGHT : FAR;
    }
    spread(s, &s->mask_in);
    uint32_t n = flood_basins(s, l, valley_of_distance);
    for (uint32_t i = 0; i < n; i++)
        s->highest[s->group[s->order[i]] - 1] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t pixel = s->order[i], root = s->group[pixel] - 1;
        if (s->highest[root] == 0)
            s->highest[root] = ++s->n;
        s->label[pixel] = s->highest[root];
    }
}

/* ---- what is left ---- */

static void measure_areas(edx_segment *s)
{
    memset(s->found, 0, sizeof *s->found * (s->n + 1));
    for (uint32_t i = 0; i < s->pixels; i++)
        s->found[s->label[i]]++;
}

/* Round what was found, 0.4 of its radius and two pixels are not searched: a sphere is thin there,
 * and there are no parts in the blur of another. */
static void take_surroundings(edx_segment *s)
{
    uint16_t most = 0;

    measure_areas(s);
    memset(s->near, 0, sizeof *s->near * s->pixels);
    for (uint32_t i = 0; i < s->pixels; i++) {
        s->taken[i] = s->label[i] > 0;
        if (s->label[i] == 0)
            continue;
        double radius = sqrt(s->found[s->label[i]] / 3.14159265358979323846);
        s->near[i] = (uint16_t)fmin(STRAIGHT * (0.4 * radius + 2) + 0.5, FAR);
        most = s->near[i] > most ? s->near[i] : most;
    }
    frame reach = frame_of(s, s->taken, most / STRAIGHT + 1);
    spread(s, &reach);
    for (uint32_t i = first_of(s, &reach); i < end_of(s, &reach); i++)
        s->taken[i] = s->near[i] > 0;
}

static void find_background(edx_segment *s, const edx_segment_map *map)
{
    double signal = 0, exposure = 0;
    uint32_t pixels = 0;

    for (uint32_t i = 0; i < s->pixels; i++)
        if (!s->taken[i] && exposure_of(map, i) > 0) {
            signal += (double)map->signal[i];
            exposure += exposure_of(map, i);
            pixels++;
        }
    s->background = pixels >= FEWEST_AROUND ? signal / exposure : NAN;
}

/* ---- parts ---- */

/* Area that a part must exceed to stay, and how many of just that area may stay, so that the
 * largest do, earlier ones first. */
static void find_limit(const edx_segment *s, uint32_t *limit, uint32_t *equals)
{
    uint32_t lo = 0, hi = s->pixels; /* more than most exceed lo - 1, not hi */

    while (lo < hi) {
        uint32_t middle = lo + (hi - lo) / 2, n = 0;
        for (uint32_t i = 1; i <= s->n; i++)
            n += s->found[i] > middle;
        if (n <= s->most)
            hi = middle;
        else
            lo = middle + 1;
    }
    *limit = lo;
    *equals = s->most;
    for (uint32_t i = 1; i <= s->n; i++)
        *equals -= s->found[i] > lo;
}

/* found becomes the new label of each that stays, 0 of all others, before it is known which comes
 * first. */
static void choose(edx_segment *s)
{
    uint32_t limit, equals;

    measure_areas(s);
    find_limit(s, &limit, &equals);
    for (uint32_t i = 1; i <= s->n; i++) {
        bool stays = s->found[i] > limit;
        if (!stays && s->found[i] == limit && equals > 0) {
            stays = true;
            equals--;
        }
        s->found[i] = stays ? UINT32_MAX : 0;
    }
    s->found[0] = 0;
}

static void number_parts(edx_segment *s)
{
    choose(s);
    s->count = 0;
    for (uint32_t i = 0; i < s->pixels; i++) {
        if (s->found[s->label[i]] == UINT32_MAX) {
            s->parts[s->count] = (edx_segment_part){.area = 0};
            s->found[s->label[i]] = ++s->count;
        }
        s->label[i] = s->found[s->label[i]];
    }
}

static bool has_foreign_neighbour(const edx_segment *s, uint32_t pixel)
{
    uint32_t around[8], n = neighbours(s, pixel, true, around);

    for (uint32_t k = 0; k < n; k++)
        if (s->label[around[k]] > 0 && s->label[around[k]] != s->label[pixel])
            return true;
    return false;
}

static void describe_parts(edx_segment *s)
{
    for (uint32_t i = 0; i < s->pixels; i++) {
        if (s->label[i] == 0)
            continue;
        edx_segment_part *part = &s->parts[s->label[i] - 1];
        uint32_t row = i / s->cols, col = i % s->cols;
        part->area++;
        part->centre[0] += row;
        part->centre[1] += col;
        part->touches_edge =
            part->touches_edge || row == 0 || row == s->rows - 1 || col == 0 || col == s->cols - 1;
        part->touches_neighbour = part->touches_neighbour || has_foreign_neighbour(s, i);
    }
    for (uint32_t p = 0; p < s->count; p++) {
        s->parts[p].centre[0] /= s->parts[p].area;
        s->parts[p].centre[1] /= s->parts[p].area;
    }
}

static bool search(edx_segment *s, const edx_segment_map *map)
{
    level l;

    if (!find_level(s, map, &l) || !l.bimodal)
        return false;
    set_mask(s, &l);
    fill_holes(s);
    if (!keep_parts(s, map, &l))
        return false;
    s->mask_in = frame_of(s, s->mask, 1);
    split_by_signal(s, &l);
    split_by_shape(s, &l);
    take_surroundings(s);
    return true;
}

uint32_t edx_segment_find(edx_segment *segment, const edx_segment_map *map)
{
    edx_segment *s = segment;

    s->n = 0;
    s->brightest = 0;
    memset(s->taken, 0, sizeof *s->taken * s->pixels);
    memset(s->label, 0, sizeof *s->label * s->pixels);
    smooth_all(s, map);
    for (int i = 0; i < LEVELS && search(s, map); i++)
        ;
    find_background(s, map);
    number_parts(s);
    describe_parts(s);
    return s->count;
}

/* ---- asking ---- */

const uint32_t *edx_segment_labels(const edx_segment *segment)
{
    return segment->label;
}

const edx_segment_part *edx_segment_parts(const edx_segment *segment)
{
    return segment->parts;
}

double edx_segment_background(const edx_segment *segment)
{
    return segment->background;
}
