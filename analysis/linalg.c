#include "analysis/linalg.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>

void edx_linalg_init(void)
{
    openblas_set_num_threads(1);
}

const char *edx_linalg_machine(void)
{
    return openblas_get_corename();
}

void edx_linalg_inner(uint32_t n, uint32_t p, uint32_t q, const double *a, const double *b,
                      double *out)
{
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)p, (int)q, (int)n, 1, a, (int)p, b,
                (int)q, 0, out, (int)q);
}

void edx_linalg_times(uint32_t n, uint32_t p, uint32_t q, double scale, const double *a,
                      const double *b, double beta, double *out)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)q, (int)p, scale, a, (int)p,
                b, (int)q, beta, out, (int)q);
}

static edx_status check_finite(uint32_t n, const double *matrix, edx_error *err)
{
    for (size_t i = 0; i < (size_t)n * n; i++)
        if (!isfinite(matrix[i]))
            return edx_fail(err, EDX_E_NUMERIC, "a matrix of %u x %u is not finite", n, n);
    return EDX_OK;
}

/* What dsyevd asks for, and its integers behind it. */
static size_t work_doubles(uint32_t n)
{
    return 1 + 6 * (size_t)n + 2 * (size_t)n * n;
}

static size_t work_integers(uint32_t n)
{
    return 3 + 5 * (size_t)n;
}

size_t edx_linalg_eigen_work(uint32_t n)
{
    return work_doubles(n) + work_integers(n);
}

edx_status edx_linalg_eigen(uint32_t n, double *matrix, double *values, double *work,
                            edx_error *err)
{
    lapack_int *integers = (lapack_int *)(void *)(work + work_doubles(n));

    edx_status status = check_finite(n, matrix, err);
    if (status != EDX_OK)
        return status;
    lapack_int info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'U', (lapack_int)n, matrix,
                                          (lapack_int)n, values, work, (lapack_int)work_doubles(n),
                                          integers, (lapack_int)work_integers(n));
    if (info != 0)
        return edx_fail(err, EDX_E_NUMERIC, "eigenvalues of %u x %u: LAPACK says %d", n, n,
                        (int)info);
    return EDX_OK;
}

edx_status edx_linalg_cholesky(uint32_t n, double *matrix, edx_error *err)
{
    edx_status status = check_finite(n, matrix, err);

    if (status != EDX_OK || n == 0)
        return status;
    lapack_int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, matrix,
                                          (lapack_int)n); /* our rows are its columns */
    if (info != 0)
        return edx_fail(err, EDX_E_NUMERIC, "a matrix of %u x %u is not positive definite (row %d)",
                        n, n, (int)info);
    return EDX_OK;
}

static void triangular(CBLAS_TRANSPOSE transpose, uint32_t n, const double *factor,
                       uint32_t columns, double *b)
{
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, transpose, CblasNonUnit, (int)n, (int)columns,
                1, factor, (int)n, b, (int)columns);
}

void edx_linalg_forward(uint32_t n, const double *factor, uint32_t columns, double *b)
{
    if (n > 0 && columns > 0)
        triangular(CblasNoTrans, n, factor, columns, b);
}

void edx_linalg_solve(uint32_t n, const double *factor, uint32_t columns, double *b)
{
    edx_linalg_forward(n, factor, columns, b);
    if (n > 0 && columns > 0)
        triangular(CblasTrans, n, factor, columns, b);
}
