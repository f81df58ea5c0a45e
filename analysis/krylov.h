/* The leading eigenpairs of a symmetric operator that is known by what it does to vectors: block
 * Krylov with Rayleigh-Ritz on all blocks, started from what is known already. */
#ifndef EDX_ANALYSIS_KRYLOV_H
#define EDX_ANALYSIS_KRYLOV_H

#include <stdint.h>

#include "proto/status.h"

typedef struct edx_krylov edx_krylov;

/* gv = G v, both [n, width]. */
typedef void edx_krylov_operator(void *context, const double *v, double *gv);
/* form [width, width] = v' G v, where that costs less than G v. */
typedef void edx_krylov_form(void *context, const double *v, double *form);

/* When to stop. Pairs are converged when the sine of the angle to what is sought, after the power
 * step that follows, is below tolerance: residual / (theta - edge) * edge / theta. So they are when
 * the residual is what an operator in single precision loses of the largest. */
typedef struct edx_krylov_goal {
    double edge;        /* largest eigenvalue of noise; > 0 */
    double significant; /* pairs above it must converge, and none may hide below it */
    double tolerance;
    uint32_t min_passes, max_passes; /* uses of the operator */
    edx_krylov_form
        *form; /* for the last of min_passes, when all has converged before it; or NULL */
} edx_krylov_goal;

/* Vectors of n, width of them to a block (a block more than n works: what cannot be is zero).
 * NOMEM. */
edx_status edx_krylov_new(uint32_t n, uint32_t width, edx_krylov **out, edx_error *err);
void edx_krylov_free(edx_krylov **krylov);

/* v [n, width]: a start in, the leading eigenvectors by descending theta [width] out; unit vectors,
 * or 0 with theta 0 where there are no more. Everything stays orthogonal to the unit vector locked
 * [n] (NULL: none). passes (may be NULL) is how often the operator was used. NUMERIC when something
 * is not finite. */
edx_status edx_krylov_solve(edx_krylov *krylov, edx_krylov_operator *g, void *context,
                            const edx_krylov_goal *goal, const double *locked, double *v,
                            double *theta, uint32_t *passes, edx_error *err);

/* A number that depends on its index alone, -1 to 1: what fixed starts are made of. */
double edx_krylov_scatter(uint64_t index);

#endif
