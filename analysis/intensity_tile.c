#include "analysis/intensity_tile.h"

#include <math.h>
#include <stddef.h>

static void add_lanes(double *sum, const edx_tile_terms *t, const edx_term *term, double v)
{
    const uint16_t *low = t->low + term->cell;

    for (uint32_t k = 0; k < EDX_LANES; k++)
        sum[k] += v * low[k];
    for (uint32_t k = 0; t->high != NULL && k < EDX_LANES; k++)
        sum[k] += v * 65536.0 * t->high[term->cell + k];
}

static void sum_plain(const edx_tile_terms *t, float *net, float *sigma)
{
    double n[EDX_LANES] = {0}, s[EDX_LANES] = {0};

    for (uint32_t i = 0; i < t->n; i++) {
        add_lanes(n, t, &t->terms[i], t->terms[i].v);
        if (sigma != NULL)
            add_lanes(s, t, &t->terms[i], t->terms[i].v2);
    }
    for (uint32_t k = 0; k < EDX_LANES; k++)
        net[k] = (float)n[k];
    for (uint32_t k = 0; sigma != NULL && k < EDX_LANES; k++)
        sigma[k] = (float)sqrt(s[k]);
}

#ifdef __x86_64__

#include <immintrin.h>

/* Never with fused multiply-add, so that results do not depend on the processor: avx2 alone has
 * none, and the products of AVX-512 are written so that compilers do not fuse them. Four vectors of
 * double stay in registers. */
#define INLINE static inline __attribute__((always_inline))
#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512bw")))

typedef struct lanes_16 {
    __m256d part[4];
} lanes_16;

typedef struct lanes_32 {
    __m512d part[4];
} lanes_32;

AVX2 INLINE lanes_16 counts_16(const uint16_t *low)
{
    __m256i a = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)low));
    __m256i b = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(low + 8)));

    return (lanes_16){{_mm256_cvtepi32_pd(_mm256_castsi256_si128(a)),
                       _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1)),
                       _mm256_cvtepi32_pd(_mm256_castsi256_si128(b)),
                       _mm256_cvtepi32_pd(_mm256_extracti128_si256(b, 1))}};
}

AVX2 INLINE lanes_16 add_16(lanes_16 sum, lanes_16 counts, double v)
{
    __m256d factor = _mm256_set1_pd(v);

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        sum.part[k] = _mm256_add_pd(sum.part[k], _mm256_mul_pd(factor, counts.part[k]));
    return sum;
}

AVX2 INLINE void put_16(float *to, lanes_16 sum)
{
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; k++)
        _mm_storeu_ps(to + 4 * k, _mm256_cvtpd_ps(sum.part[k]));
}

AVX2 INLINE lanes_16 root_16(lanes_16 sum)
{
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        sum.part[k] = _mm256_sqrt_pd(sum.part[k]);
    return sum;
}

AVX2 INLINE void sum_16(const edx_tile_terms *t, uint32_t at, float *net, float *sigma)
{
    lanes_16 n = {{_mm256_setzero_pd()}}, s = n;

    for (uint32_t i = 0; i < t->n; i++) {
        lanes_16 counts = counts_16(t->low + t->terms[i].cell + at);
        n = add_16(n, counts, t->terms[i].v);
        if (sigma != NULL)
            s = add_16(s, counts, t->terms[i].v2);
    }
    put_16(net + at, n);
    if (sigma != NULL)
        put_16(sigma + at, root_16(s));
}

AVX2 static void sum_avx2(const edx_tile_terms *t, float *net, float *sigma)
{
    for (uint32_t at = 0; at < EDX_LANES; at += 16)
        if (sigma == NULL)
            sum_16(t, at, net, NULL);
        else
            sum_16(t, at, net, sigma);
}

AVX512 INLINE lanes_32 counts_32(const uint16_t *low)
{
    __m512i all = _mm512_loadu_si512(low);
    __m512i a = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(all));
    __m512i b = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(all, 1));

    return (lanes_32){{_mm512_cvtepi32_pd(_mm512_castsi512_si256(a)),
                       _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(a, 1)),
                       _mm512_cvtepi32_pd(_mm512_castsi512_si256(b)),
                       _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(b, 1))}};
}

AVX512 INLINE lanes_32 add_32(lanes_32 sum, lanes_32 counts, double v)
{
    __m512d factor = _mm512_set1_pd(v);

#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m512d product = _mm512_mul_round_pd(factor, counts.part[k], _MM_FROUND_CUR_DIRECTION);
        sum.part[k] = _mm512_add_round_pd(sum.part[k], product, _MM_FROUND_CUR_DIRECTION);
    }
    return sum;
}

AVX512 INLINE void put_32(float *to, lanes_32 sum)
{
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; k++)
        _mm256_storeu_ps(to + 8 * k, _mm512_cvtpd_ps(sum.part[k]));
}

AVX512 INLINE lanes_32 root_32(lanes_32 sum)
{
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++)
        sum.part[k] = _mm512_sqrt_pd(sum.part[k]);
    return sum;
}

AVX512 INLINE void sum_32(const edx_tile_terms *t, float *net, float *sigma)
{
    lanes_32 n = {{_mm512_setzero_pd()}}, s = n;

    for (uint32_t i = 0; i < t->n; i++) {
        lanes_32 counts = counts_32(t->low + t->terms[i].cell);
        n = add_32(n, counts, t->terms[i].v);
        if (sigma != NULL)
            s = add_32(s, counts, t->terms[i].v2);
    }
    put_32(net, n);
    if (sigma != NULL)
        put_32(sigma, root_32(s));
}

AVX512 static void sum_avx512(const edx_tile_terms *t, float *net, float *sigma)
{
    if (sigma == NULL)
        sum_32(t, net, NULL);
    else
        sum_32(t, net, sigma);
}

edx_tile_sum *edx_tile_sum_get(edx_kernel_set set)
{
    if (set == EDX_KERNEL_PLAIN)
        return sum_plain;
    if (set == EDX_KERNEL_AVX2)
        return __builtin_cpu_supports("avx2") ? sum_avx2 : NULL;
    return __builtin_cpu_supports("avx512bw") ? sum_avx512 : NULL;
}

#else

edx_tile_sum *edx_tile_sum_get(edx_kernel_set set)
{
    return set == EDX_KERNEL_PLAIN ? sum_plain : NULL;
}

#endif

edx_tile_sum *edx_tile_sum_best(void)
{
    edx_tile_sum *best = sum_plain;

    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        edx_tile_sum *sum = edx_tile_sum_get(set);
        if (sum != NULL)
            best = sum;
    }
    return best;
}
