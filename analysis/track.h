/* Where something is that moves a little from frame to frame, from measurements with errors. */
#ifndef EDX_ANALYSIS_TRACK_H
#define EDX_ANALYSIS_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The position is a random walk in two coordinates, seen with Gaussian errors of known proportions.
 * How far it walks in a frame, from nothing to many pixels, is found by likelihood: a bank of
 * Kalman filters runs along, each with a step of its own, and the likeliest speaks. What does not
 * move is then averaged over all frames, and its noise moves nothing; what jumps is followed at
 * once. */

#define EDX_TRACK_STEPS 15

/* One measurement: position and variance; a frame without one has measured false. */
typedef struct edx_track_point {
    double at[2], variance[2];
    uint64_t frame;
    bool measured;
} edx_track_point;

typedef struct edx_track_filter {
    double at[2], variance[2];
    double origin[2], shared[2]; /* where the first frame was, and its covariance with at */
    double sum_log, sum_square;  /* of the innovations */
} edx_track_filter;

typedef struct edx_track {
    edx_track_filter filter[EDX_TRACK_STEPS];
    uint64_t frame;
    size_t n; /* measurements */
} edx_track;

/* Starts in a frame, which is taken to be at 0 give or take the error of the first measurement:
 * what is measured against this frame carries its error too. */
void edx_track_start(edx_track *track, uint64_t frame);
/* Where it is expected in a frame to come, with its standard deviation. */
void edx_track_predict(const edx_track *track, uint64_t frame, double at[2], double sigma[2]);
/* Takes the next frame's measurement and says where it is, at, and where the first was, origin. */
void edx_track_step(edx_track *track, const edx_track_point *point, double at[2], double origin[2]);

/* All at once, each from what came before and after: n points in the order of their frames; at gets
 * n positions, sigma their standard deviations. Where nothing is measured all positions are 0 and
 * sigma is infinite. */
void edx_track_smooth(const edx_track_point *points, size_t n, double (*at)[2], double (*sigma)[2]);

#endif
