#include "analysis/nmf_kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
/* Unrolled, these loops keep gcc busy for minutes when a sanitizer looks at each access. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define LN2 0.69314718f
/* Sums of g, so that additions need not wait for each other. */
#define PARTIAL(N) ((N) < 4 ? 4 / (N) : 1)

typedef uint16_t keys_4 __attribute__((vector_size(8)));
typedef uint16_t keys_8 __attribute__((vector_size(16)));
typedef uint16_t keys_16 __attribute__((vector_size(32)));
typedef int32_t ints_4 __attribute__((vector_size(16)));
typedef int32_t ints_8 __attribute__((vector_size(32)));
typedef int32_t ints_16 __attribute__((vector_size(64)));
typedef float floats_4 __attribute__((vector_size(16)));
typedef float floats_8 __attribute__((vector_size(32)));
typedef float floats_16 __attribute__((vector_size(64)));
/* The same in memory, anywhere: compilers copy them with what fits, where memcpy goes by halves. */
typedef float any_4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float any_8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float any_16 __attribute__((vector_size(64), aligned(4), may_alias));

/* PAIR(a, b): sums of neighbours, those of a and of b by turns of what an instruction can do.
 * SUMS(v): the sum of all lanes of each of as many vectors as there are lanes, in order. */
#define PAIR_4(a, b)                                                                               \
    (__builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7))
#define SUMS_4(v) PAIR_4(PAIR_4(v[0], v[1]), PAIR_4(v[2], v[3]))

#define PAIR_8(a, b)                                                                               \
    (__builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) +                                    \
     __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15))
#define HALF_8(a, b)                                                                               \
    (__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +                                     \
     __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15))
#define FOUR_8(v) PAIR_8(PAIR_8((v)[0], (v)[1]), PAIR_8((v)[2], (v)[3]))
#define SUMS_8(v) HALF_8(FOUR_8(v), FOUR_8(v + 4))

#define PAIR_16(a, b)                                                                              \
    (__builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +    \
     __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31))
#define HALF_16(a, b)                                                                              \
    (__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +     \
     __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31))
#define FOUR_16(v) PAIR_16(PAIR_16((v)[0], (v)[1]), PAIR_16((v)[2], (v)[3]))
#define SUMS_16(v)                                                                                 \
    HALF_16(HALF_16(FOUR_16(v), FOUR_16(v + 4)), HALF_16(FOUR_16(v + 8), FOUR_16(v + 12)))

/* The loops for vectors of L lanes, N of which make a pixel's weights. L slots go through at once:
 * their p are the sums over the lanes of L products, which a tree of shuffles makes one vector.
 * COUNTS makes L digits numbers, which compilers do byte by byte if it is left to them. */
#define DEFINE_LOOPS(NAME, TARGET, L, N, COUNTS)                                                   \
    typedef struct NAME##_some {                                                                   \
        floats_##L part[N];                                                                        \
    } NAME##_some;                                                                                 \
                                                                                                   \
    /* L slots: where their h and s begin, and their counts. */                                    \
    typedef struct NAME##_slots {                                                                  \
        uint32_t at[L];                                                                            \
        floats_##L x;                                                                              \
    } NAME##_slots;                                                                                \
                                                                                                   \
    TARGET INLINE NAME##_some NAME##_load(const float *from)                                       \
    {                                                                                              \
        NAME##_some to;                                                                            \
        UNROLL                                                                                     \
        for (uint32_t n = 0; n < (N); n++)                                                         \
            to.part[n] = ((const any_##L *)from)[n];                                               \
        return to;                                                                                 \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_store(float *to, const NAME##_some *from)                            \
    {                                                                                              \
        UNROLL                                                                                     \
        for (uint32_t n = 0; n < (N); n++)                                                         \
            ((any_##L *)to)[n] = from->part[n];                                                    \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE NAME##_slots NAME##_open(const uint16_t *keys, const uint8_t *digits,            \
                                           bool all_narrow)                                        \
    {                                                                                              \
        NAME##_slots to;                                                                           \
        keys_##L k;                                                                                \
        memcpy(&k, keys, sizeof k);                                                                \
        to.x = COUNTS(digits);                                                                     \
        UNROLL                                                                                     \
        for (uint32_t i = 0; i < (L); i++)                                                         \
            to.at[i] = (all_narrow ? keys[i] : keys[i] & EDX_ROW_CHANNEL) * (L) * (N);             \
        if (!all_narrow) {                                                                         \
            ints_##L place = __builtin_convertvector(k >> EDX_ROW_CHANNEL_BITS, ints_##L);         \
            to.x *= __builtin_convertvector((place - place + 1) << place * 8, floats_##L);         \
        }                                                                                          \
        return to;                                                                                 \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE floats_##L NAME##_expected(const NAME##_slots *slots, const float *h,            \
                                             const NAME##_some *u)                                 \
    {                                                                                              \
        floats_##L products[L];                                                                    \
        UNROLL                                                                                     \
        for (uint32_t i = 0; i < (L); i++) {                                                       \
            NAME##_some x = NAME##_load(h + slots->at[i]);                                         \
            products[i] = x.part[0] * u->part[0];                                                  \
            UNROLL                                                                                 \
            for (uint32_t n = 1; n < (N); n++)                                                     \
                products[i] += x.part[n] * u->part[n];                                             \
        }                                                                                          \
        return SUMS_##L(products);                                                                 \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_spread(const NAME##_slots *slots, floats_##L ratios, const float *h, \
                                     const NAME##_some *u, NAME##_some *g, float *s)               \
    {                                                                                              \
        UNROLL                                                                                     \
        for (uint32_t i = 0; i < (L); i++) {                                                       \
            float ratio = ratios[i];                                                               \
            NAME##_some x = NAME##_load(h + slots->at[i]), y = NAME##_load(s + slots->at[i]);      \
            UNROLL                                                                                 \
            for (uint32_t n = 0; n < (N); n++) {                                                   \
                g[i % PARTIAL(N)].part[n] += ratio * x.part[n];                                    \
                y.part[n] += ratio * u->part[n];                                                   \
            }                                                                                      \
            NAME##_store(s + slots->at[i], &y);                                                    \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* What is left of a row, filled up with slots of no counts. */                                \
    TARGET INLINE NAME##_slots NAME##_open_rest(const edx_scene_row *row, uint32_t from)           \
    {                                                                                              \
        uint16_t keys[L];                                                                          \
        uint8_t digits[L] = {0};                                                                   \
        UNROLL                                                                                     \
        for (uint32_t i = 0; i < (L); i++)                                                         \
            keys[i] = row->keys[from + i < row->n ? from + i : from];                              \
        memcpy(digits, row->digits + from, row->n - from);                                         \
        return NAME##_open(keys, digits, false);                                                   \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_take(const NAME##_slots *slots, const float *h,                      \
                                   const NAME##_some *u, NAME##_some *g, float *s)                 \
    {                                                                                              \
        floats_##L p = NAME##_expected(slots, h, u);                                               \
        NAME##_spread(slots, slots->x / p, h, u, g, s);                                            \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_all(const edx_scene_row *row, const float *h, const float *u_,       \
                                  float *g_, float *s, bool all_narrow)                            \
    {                                                                                              \
        NAME##_some u = NAME##_load(u_), g[PARTIAL(N)] = {{{{0}}}};                                \
        uint32_t i = 0;                                                                            \
        for (; i + (L) <= row->n; i += (L)) {                                                      \
            NAME##_slots slots = NAME##_open(row->keys + i, row->digits + i, all_narrow);          \
            NAME##_take(&slots, h, &u, g, s);                                                      \
        }                                                                                          \
        if (i < row->n) {                                                                          \
            NAME##_slots slots = NAME##_open_rest(row, i);                                         \
            NAME##_take(&slots, h, &u, g, s);                                                      \
        }                                                                                          \
        for (i = 1; i < PARTIAL(N); i++)                                                           \
            for (uint32_t n = 0; n < (N); n++)                                                     \
                g[0].part[n] += g[i].part[n];                                                      \
        NAME##_store(g_, &g[0]);                                                                   \
    }                                                                                              \
                                                                                                   \
    TARGET static void NAME##_step(const edx_scene_row *row, const float *h, const float *u,       \
                                   float *g, float *s)                                             \
    {                                                                                              \
        if (edx_scene_row_is_narrow(row))                                                          \
            NAME##_all(row, h, u, g, s, true);                                                     \
        else                                                                                       \
            NAME##_all(row, h, u, g, s, false);                                                    \
    }                                                                                              \
                                                                                                   \
    /* Natural logarithm of normal positive numbers to 2e-7, something of 0: exponent, and a       \
     * series in (m - 1) / (m + 1) for a mantissa m of sqrt(1/2) to sqrt(2). */                    \
    TARGET INLINE floats_##L NAME##_ln(floats_##L p)                                               \
    {                                                                                              \
        ints_##L bits, m_bits;                                                                     \
        floats_##L m;                                                                              \
        memcpy(&bits, &p, sizeof bits);                                                            \
        ints_##L exponent = (bits - 0x3f3504f3) >> 23;                                             \
        m_bits = bits - (exponent << 23);                                                          \
        memcpy(&m, &m_bits, sizeof m);                                                             \
        floats_##L z = (m - 1) / (m + 1), y = z * z;                                               \
        floats_##L series = 2 + y * (2 / 3.0f + y * (2 / 5.0f + y * (2 / 7.0f + y * (2 / 9.0f)))); \
        return __builtin_convertvector(exponent, floats_##L) * LN2 + z * series;                   \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE float NAME##_log_all(const edx_scene_row *row, const float *h, const float *u_,  \
                                       bool all_narrow)                                            \
    {                                                                                              \
        NAME##_some u = NAME##_load(u_);                                                           \
        floats_##L sums = {0};                                                                     \
        uint32_t i = 0;                                                                            \
        for (; i + (L) <= row->n; i += (L)) {                                                      \
            NAME##_slots slots = NAME##_open(row->keys + i, row->digits + i, all_narrow);          \
            sums += slots.x * NAME##_ln(slots.x / NAME##_expected(&slots, h, &u));                 \
        }                                                                                          \
        if (i < row->n) {                                                                          \
            NAME##_slots slots = NAME##_open_rest(row, i);                                         \
            sums += slots.x * NAME##_ln(slots.x / NAME##_expected(&slots, h, &u));                 \
        }                                                                                          \
        float sum = 0;                                                                             \
        UNROLL                                                                                     \
        for (i = 0; i < (L); i++)                                                                  \
            sum += sums[i];                                                                        \
        return sum;                                                                                \
    }                                                                                              \
                                                                                                   \
    TARGET static float NAME##_log(const edx_scene_row *row, const float *h, const float *u)       \
    {                                                                                              \
        return edx_scene_row_is_narrow(row) ? NAME##_log_all(row, h, u, true)                      \
                                            : NAME##_log_all(row, h, u, false);                    \
    }                                                                                              \
                                                                                                   \
    static const edx_nmf_kernel NAME##_kernel = {(L) * (N), NAME##_step, NAME##_log};

INLINE floats_4 counts_4(const uint8_t *digits)
{
    return (floats_4){digits[0], digits[1], digits[2], digits[3]};
}

DEFINE_LOOPS(plain_8, , 4, 2, counts_4)
DEFINE_LOOPS(plain_16, , 4, 4, counts_4)
DEFINE_LOOPS(plain_32, , 4, 8, counts_4)
DEFINE_LOOPS(plain_64, , 4, 16, counts_4)

#define WIDTHS 4
static const edx_nmf_kernel *const plain[WIDTHS] = {&plain_8_kernel, &plain_16_kernel,
                                                    &plain_32_kernel, &plain_64_kernel};

static const edx_nmf_kernel *of_width(const edx_nmf_kernel *const *kernels, uint32_t width)
{
    for (uint32_t i = 0; i < WIDTHS; i++)
        if (kernels[i]->width == width)
            return kernels[i];
    return NULL;
}

#ifdef __x86_64__

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

__attribute__((target("avx2"))) INLINE floats_8 counts_8(const uint8_t *digits)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)digits)));
}

AVX512 INLINE floats_16 counts_16(const uint8_t *digits)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)digits)));
}

DEFINE_LOOPS(avx2_8, AVX2, 8, 1, counts_8)
DEFINE_LOOPS(avx2_16, AVX2, 8, 2, counts_8)
DEFINE_LOOPS(avx2_32, AVX2, 8, 4, counts_8)
DEFINE_LOOPS(avx2_64, AVX2, 8, 8, counts_8)
DEFINE_LOOPS(avx512_8, AVX512, 8, 1, counts_8)
DEFINE_LOOPS(avx512_16, AVX512, 16, 1, counts_16)
DEFINE_LOOPS(avx512_32, AVX512, 16, 2, counts_16)
DEFINE_LOOPS(avx512_64, AVX512, 16, 4, counts_16)

static const edx_nmf_kernel *const avx2[WIDTHS] = {&avx2_8_kernel, &avx2_16_kernel, &avx2_32_kernel,
                                                   &avx2_64_kernel};
static const edx_nmf_kernel *const avx512[WIDTHS] = {&avx512_8_kernel, &avx512_16_kernel,
                                                     &avx512_32_kernel, &avx512_64_kernel};

const edx_nmf_kernel *edx_nmf_kernel_get(edx_kernel_set set, uint32_t width)
{
    bool has_2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool has_512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl");

    if (set == EDX_KERNEL_PLAIN)
        return of_width(plain, width);
    if (set == EDX_KERNEL_AVX2)
        return has_2 ? of_width(avx2, width) : NULL;
    return has_512 ? of_width(avx512, width) : NULL;
}

#else

const edx_nmf_kernel *edx_nmf_kernel_get(edx_kernel_set set, uint32_t width)
{
    return set == EDX_KERNEL_PLAIN ? of_width(plain, width) : NULL;
}

#endif

const edx_nmf_kernel *edx_nmf_kernel_best(uint32_t k)
{
    const edx_nmf_kernel *best = NULL;
    uint32_t width = 8;

    while (width < k)
        width *= 2;
    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        const edx_nmf_kernel *kernel = edx_nmf_kernel_get(set, width);
        best = kernel == NULL ? best : kernel;
    }
    return best;
}
