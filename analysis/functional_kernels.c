#include "analysis/functional_kernels.h"

#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))
#define LANES EDX_FUNCTIONAL_LANES

INLINE const double *entry(const edx_scene_row *row, const double *table, uint32_t i)
{
    return table + (size_t)(row->keys[i] & EDX_ROW_CHANNEL) * LANES;
}

/* A digit counts 256 to the power of its place. */
static double worth(const edx_scene_row *row, uint32_t i)
{
    uint32_t place = (uint32_t)row->keys[i] >> EDX_ROW_CHANNEL_BITS;

    return (double)((uint32_t)row->digits[i] << 8 * place);
}

static void sum_plain(const edx_scene_row *row, const double *table, double *sums)
{
    double sum[LANES] = {0};

    for (uint32_t i = 0; i < row->n; i++) {
        const double *x = entry(row, table, i);
        double count = worth(row, i);
        for (uint32_t k = 0; k < LANES; k++)
            sum[k] += count * x[k];
    }
    for (uint32_t k = 0; k < LANES; k++)
        sums[k] = sum[k];
}

#ifdef __x86_64__

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 INLINE __m256d add(__m256d sum, const edx_scene_row *row, const double *table, uint32_t i)
{
    __m256d count = _mm256_set1_pd((double)row->digits[i]);

    return _mm256_fmadd_pd(count, _mm256_load_pd(entry(row, table, i)), sum);
}

/* Takes all digits for ones, four sums so that no addition waits for another; a row that turns out
 * to have higher digits goes the long way. */
AVX2 static void sum_avx2(const edx_scene_row *row, const double *table, double *sums)
{
    __m256d a = _mm256_setzero_pd(), b = a, c = a, d = a;
    uint32_t keys = 0, i = 0;

    for (; i + 3 < row->n; i += 4) {
        keys |= (uint32_t)(row->keys[i] | row->keys[i + 1] | row->keys[i + 2] | row->keys[i + 3]);
        a = add(a, row, table, i);
        b = add(b, row, table, i + 1);
        c = add(c, row, table, i + 2);
        d = add(d, row, table, i + 3);
    }
    for (; i < row->n; i++) {
        keys |= row->keys[i];
        a = add(a, row, table, i);
    }
    if (keys > EDX_ROW_CHANNEL)
        sum_plain(row, table, sums);
    else
        _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_add_pd(a, b), _mm256_add_pd(c, d)));
}

edx_functional_kernel *edx_functional_kernel_get(edx_kernel_set set)
{
    if (set == EDX_KERNEL_PLAIN)
        return sum_plain;
    if (set == EDX_KERNEL_AVX2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return sum_avx2;
    return NULL;
}

#else

edx_functional_kernel *edx_functional_kernel_get(edx_kernel_set set)
{
    return set == EDX_KERNEL_PLAIN ? sum_plain : NULL;
}

#endif

edx_functional_kernel *edx_functional_kernel_best(void)
{
    edx_functional_kernel *best = sum_plain;

    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        edx_functional_kernel *kernel = edx_functional_kernel_get(set);
        best = kernel == NULL ? best : kernel;
    }
    return best;
}
