/* Does a share of the counts change with dose? A test that may be looked at after every frame. */
#ifndef EDX_ANALYSIS_DAMAGE_H
#define EDX_ANALYSIS_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

/* Chance, at most this, of naming a change anywhere in a run in which nothing changes: half of the
 * hundredth that is asked for, so that a few hundred runs can show it. */
#define EDX_DAMAGE_LEVEL 0.005

typedef struct edx_damage {
    double z; /* of all frames, negative where the share falls; 0 without counts */
    double
        p; /* sequentially valid: smallest over all looks so far, corrected for them; 1 at first */
    int64_t since; /* the first frame at which p came down to EDX_DAMAGE_LEVEL / tests, -1: none */
} edx_damage;

/* The trend of a[t] among n[t] counts, a[t] of them in the part that may change, of frames frame[t]
 * (ascending) each. Cochran & Armitage: Z = sum (t - mean) (a_t - N_t p) / sqrt(p (1 - p) sum N_t
 * (t - mean)^2), mean weighted by N_t, whatever the totals do. After every frame B = Z sqrt(V /
 * V_F), V the information so far and V_F that at the last of the expected frames, is a Brownian
 * motion of time V / V_F, so p = P(sup |B| >= its largest so far) is true at every look
 * (O'Brien & Fleming's bound). expected 0, and frames beyond: horizons that double share what
 * chance is left. tests: of how many tests this is one (Bonferroni), in p. */
edx_damage edx_damage_test(size_t frames, const uint64_t *frame, const double *a, const double *n,
                           uint64_t expected, uint32_t tests);

#endif
