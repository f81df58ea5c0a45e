/* Dense matrices: what BLAS and LAPACK do for us. All are rows of doubles, one after the other; a
 * block is tall: many rows, few columns. Results do not depend on the number of threads. */
#ifndef EDX_ANALYSIS_LINALG_H
#define EDX_ANALYSIS_LINALG_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

/* Makes BLAS work in its caller's thread alone, in the whole process: our products are too thin to
 * be shared, and sums must keep their order. */
void edx_linalg_init(void);

/* What BLAS takes this machine for: where it is another, sums are rounded in another way. */
const char *edx_linalg_machine(void);

/* out [p, q] = a' b with a [n, p] and b [n, q]. */
void edx_linalg_inner(uint32_t n, uint32_t p, uint32_t q, const double *a, const double *b,
                      double *out);
/* out [n, q] = scale * a b + beta * out with a [n, p] and b [p, q]. */
void edx_linalg_times(uint32_t n, uint32_t p, uint32_t q, double scale, const double *a,
                      const double *b, double beta, double *out);
/* Memory that edx_linalg_eigen works with, in doubles. */
size_t edx_linalg_eigen_work(uint32_t n);
/* Eigenvalues of a symmetric matrix [n, n], ascending; its rows become the eigenvectors. NUMERIC
 * when it is not finite or nothing converges. */
edx_status edx_linalg_eigen(uint32_t n, double *matrix, double *values, double *work,
                            edx_error *err);

/* The lower triangle of a symmetric matrix [n, n] becomes its Cholesky factor L, a = L L'; what is
 * above the diagonal is not touched. NUMERIC when it is not finite or not positive definite. */
edx_status edx_linalg_cholesky(uint32_t n, double *matrix, edx_error *err);
/* b [n, columns] becomes a^-1 b, with the factor that edx_linalg_cholesky left. */
void edx_linalg_solve(uint32_t n, const double *factor, uint32_t columns, double *b);
/* b [n, columns] becomes L^-1 b. */
void edx_linalg_forward(uint32_t n, const double *factor, uint32_t columns, double *b);

#endif
