#include "analysis/track.h"

#include <math.h>
#include <string.h>

/* Variance of the walk in one frame, pixels squared, where the errors are as large as stated. */
static const double walk[EDX_TRACK_STEPS] = {0,    1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2,
                                             3e-2, 0.1,  0.3,  1,    4,    20,   200};

/* Errors are believed as stated until more measurements than these speak. */
#define BELIEF 8.0
/* Rest is the rule: any motion asks for so much more likelihood, and each step up for more. */
#define REST 3.0
#define MODESTY 0.25
#define ANYWHERE 1e6 /* pixels squared */

void edx_track_start(edx_track *track, uint64_t frame)
{
    memset(track, 0, sizeof *track);
    track->frame = frame;
}

/* Errors times this are as the innovations show them: their scale. */
static double scale(const edx_track *t, const edx_track_filter *f)
{
    return (f->sum_square + BELIEF) / (2.0 * (double)t->n + BELIEF);
}

static double likelihood(const edx_track *t, size_t k)
{
    const edx_track_filter *f = &t->filter[k];
    double n = 2.0 * (double)t->n + BELIEF;
    return -0.5 * (f->sum_log + n * log(scale(t, f))) - (k > 0 ? REST + MODESTY * (double)k : 0);
}

static size_t likeliest(const edx_track *t)
{
    size_t best = 0;
    for (size_t k = 1; k < EDX_TRACK_STEPS; k++)
        if (likelihood(t, k) > likelihood(t, best))
            best = k;
    return best;
}

static double frames_between(uint64_t before, uint64_t after)
{
    return after > before ? (double)(after - before) : 1;
}

void edx_track_predict(const edx_track *track, uint64_t frame, double at[2], double sigma[2])
{
    size_t k = likeliest(track);
    const edx_track_filter *f = &track->filter[k];
    double gone = frames_between(track->frame, frame) * walk[k];
    for (size_t i = 0; i < 2; i++) {
        at[i] = f->at[i];
        sigma[i] = sqrt(scale(track, f) * (f->variance[i] + gone));
    }
}

static void measure(edx_track_filter *f, const edx_track_point *point)
{
    for (size_t i = 0; i < 2; i++) {
        double apart = point->at[i] - f->at[i], spread = f->variance[i] + point->variance[i];
        double gain = f->variance[i] / spread;
        f->sum_log += log(spread);
        f->sum_square += apart * apart / spread;
        f->at[i] += gain * apart;
        f->origin[i] += f->shared[i] / spread * apart;
        f->variance[i] *= 1 - gain;
        f->shared[i] *= 1 - gain;
    }
}

/* The error of the frame that all began with. */
static void begin(edx_track *track, const double variance[2])
{
    for (size_t k = 0; k < EDX_TRACK_STEPS; k++)
        for (size_t i = 0; i < 2; i++) {
            track->filter[k].variance[i] += variance[i];
            track->filter[k].shared[i] = variance[i];
        }
}

void edx_track_step(edx_track *track, const edx_track_point *point, double at[2], double origin[2])
{
    double frames = frames_between(track->frame, point->frame);
    if (point->measured && track->n == 0)
        begin(track, point->variance);
    for (size_t k = 0; k < EDX_TRACK_STEPS; k++) {
        edx_track_filter *f = &track->filter[k];
        for (size_t i = 0; i < 2; i++)
            f->variance[i] += frames * walk[k];
        if (point->measured)
            measure(f, point);
    }
    track->n += point->measured;
    track->frame = point->frame;
    const edx_track_filter *best = &track->filter[likeliest(track)];
    memcpy(at, best->at, sizeof best->at);
    memcpy(origin, best->origin, sizeof best->origin);
}

/* ---- looking back ---- */

/* From the first measurement on. Returns its index. */
static size_t run_bank(edx_track *track, const edx_track_point *points, size_t n)
{
    size_t first = 0;
    double at[2], origin[2];
    while (first < n && !points[first].measured)
        first++;
    if (first == n)
        return n;
    edx_track_start(track, points[first].frame);
    for (size_t k = 0; k < EDX_TRACK_STEPS; k++)
        memcpy(track->filter[k].at, points[first].at, sizeof points[first].at);
    for (size_t j = first + 1; j < n; j++)
        edx_track_step(track, &points[j], at, origin);
    return first;
}

/* The likeliest filter alone, each position and variance kept for the way back. */
static void run_forth(const edx_track_point *points, size_t n, double step, double (*at)[2],
                      double (*variance)[2])
{
    edx_track_filter f = {.variance = {ANYWHERE, ANYWHERE}};
    for (size_t j = 0; j < n; j++) {
        double frames = j > 0 ? frames_between(points[j - 1].frame, points[j].frame) : 0;
        for (size_t i = 0; i < 2; i++)
            f.variance[i] += frames * step;
        if (points[j].measured)
            measure(&f, &points[j]);
        memcpy(at[j], f.at, sizeof f.at);
        memcpy(variance[j], f.variance, sizeof f.variance);
    }
}

/* Rauch, Tung and Striebel: what came later pulls what came before. */
static void run_back(const edx_track_point *points, size_t n, double step, double (*at)[2],
                     double (*variance)[2])
{
    for (size_t j = n - 1; j-- > 0;)
        for (size_t i = 0; i < 2; i++) {
            double ahead = frames_between(points[j].frame, points[j + 1].frame) * step;
            ahead += variance[j][i];
            double pull = variance[j][i] / ahead;
            at[j][i] += pull * (at[j + 1][i] - at[j][i]);
            variance[j][i] += pull * pull * (variance[j + 1][i] - ahead);
        }
}

void edx_track_smooth(const edx_track_point *points, size_t n, double (*at)[2], double (*sigma)[2])
{
    edx_track track;
    memset(at, 0, n * sizeof *at);
    const bool any = run_bank(&track, points, n) < n;
    const size_t k = any ? likeliest(&track) : 0;
    if (any) {
        run_forth(points, n, walk[k], at, sigma);
        run_back(points, n, walk[k], at, sigma);
    }
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < 2; i++)
            sigma[j][i] = any ? sqrt(scale(&track, &track.filter[k]) * sigma[j][i]) : INFINITY;
}
