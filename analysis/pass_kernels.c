#include "analysis/pass_kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 4")

/* Of keys, anywhere in memory. */
typedef uint16_t sixteen_keys __attribute__((vector_size(32), aligned(2), may_alias));

/* Whether no slot has a place above 0, as nearly always: a channel is its key then. */
INLINE bool narrow(const edx_scene_row *row)
{
    const uint16_t *keys = row->keys;
    uint64_t four[4] = {0};
    uint16_t all = 0;

    for (uint32_t i = 0; row->n < 16 && i < row->n; i++)
        all |= keys[i];
    if (row->n >= 16) { /* the last sixteen, and all before them */
        sixteen_keys any = *(const sixteen_keys *)(keys + row->n - 16);
        for (uint32_t i = 0; i + 16 < row->n; i += 16)
            any |= *(const sixteen_keys *)(keys + i);
        memcpy(four, &any, sizeof four);
    }
    return all <= EDX_ROW_CHANNEL && ((four[0] | four[1] | four[2] | four[3]) &
                                      ~(EDX_ROW_CHANNEL * 0x0001000100010001u)) == 0;
}

/* Where the lanes of a slot's channel start, and its index in the values. */
INLINE size_t at(const edx_scene_row *row, uint32_t i, bool all_narrow, const uint16_t *map)
{
    uint32_t channel = all_narrow ? row->keys[i] : row->keys[i] & EDX_ROW_CHANNEL;
    return (size_t)(map != NULL ? map[channel] : channel) * EDX_PASS;
}

INLINE uint32_t worth(const edx_scene_row *row, uint32_t i, bool all_narrow)
{
    uint32_t place = all_narrow ? 0 : (uint32_t)row->keys[i] >> EDX_ROW_CHANNEL_BITS;
    return place << 8 | row->digits[i];
}

typedef float floats_4 __attribute__((vector_size(16)));
typedef float floats_8 __attribute__((vector_size(32)));
typedef float floats_16 __attribute__((vector_size(64)));
/* The same in memory, anywhere: compilers copy them with what fits, where memcpy goes by halves. */
typedef float any_4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float any_8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float any_16 __attribute__((vector_size(64), aligned(4), may_alias));

/* What bounds the loops: loads of rows, 64 bytes a slot, from the first two caches. */

/* The loops for vectors of L lanes, N of which make EDX_PASS: four sums a turn, so that additions
 * need not wait for each other. */
#define DEFINE_LOOPS(NAME, TARGET, L, N)                                                           \
    typedef struct NAME##_lanes {                                                                  \
        floats_##L part[N];                                                                        \
    } NAME##_lanes;                                                                                \
                                                                                                   \
    TARGET INLINE NAME##_lanes NAME##_load(const float *from)                                      \
    {                                                                                              \
        NAME##_lanes to;                                                                           \
        UNROLL                                                                                     \
        for (int k = 0; k < (N); k++)                                                              \
            to.part[k] = ((const any_##L *)from)[k];                                               \
        return to;                                                                                 \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_store(float *to, const NAME##_lanes *from)                           \
    {                                                                                              \
        UNROLL                                                                                     \
        for (int k = 0; k < (N); k++)                                                              \
            ((any_##L *)to)[k] = from->part[k];                                                    \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_add(NAME##_lanes *sum, float value, const NAME##_lanes *x)           \
    {                                                                                              \
        UNROLL                                                                                     \
        for (int k = 0; k < (N); k++)                                                              \
            sum->part[k] += value * x->part[k];                                                    \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_take(NAME##_lanes *sum, const edx_scene_row *row, uint32_t i,        \
                                   const uint16_t *map, const float *values, const float *w,       \
                                   bool all_narrow)                                                \
    {                                                                                              \
        NAME##_lanes x = NAME##_load(w + at(row, i, all_narrow, map));                             \
        NAME##_add(sum, values[worth(row, i, all_narrow)], &x);                                    \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_sum(const edx_scene_row *row, const uint16_t *map,                   \
                                  const float *values, const float *w, float *sum,                 \
                                  bool all_narrow)                                                 \
    {                                                                                              \
        NAME##_lanes part[4] = {NAME##_load(sum)};                                                 \
        uint32_t i = 0;                                                                            \
        for (; i + 4 <= row->n; i += 4) {                                                          \
            NAME##_take(&part[0], row, i, map, values, w, all_narrow);                             \
            NAME##_take(&part[1], row, i + 1, map, values, w, all_narrow);                         \
            NAME##_take(&part[2], row, i + 2, map, values, w, all_narrow);                         \
            NAME##_take(&part[3], row, i + 3, map, values, w, all_narrow);                         \
        }                                                                                          \
        for (; i < row->n; i++)                                                                    \
            NAME##_take(&part[0], row, i, map, values, w, all_narrow);                             \
        UNROLL                                                                                     \
        for (int k = 0; k < (N); k++)                                                              \
            part[0].part[k] += part[1].part[k] + (part[2].part[k] + part[3].part[k]);              \
        NAME##_store(sum, &part[0]);                                                               \
    }                                                                                              \
                                                                                                   \
    TARGET INLINE void NAME##_put(const edx_scene_row *row, const uint16_t *map,                   \
                                  const float *values, const float *u, float *y, bool all_narrow)  \
    {                                                                                              \
        NAME##_lanes x = NAME##_load(u);                                                           \
        for (uint32_t i = 0; i < row->n; i++) {                                                    \
            float *to = y + at(row, i, all_narrow, map);                                           \
            NAME##_lanes sum = NAME##_load(to);                                                    \
            NAME##_add(&sum, values[worth(row, i, all_narrow)], &x);                               \
            NAME##_store(to, &sum);                                                                \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    TARGET static void NAME##_dot(const edx_scene_row *row, const uint16_t *map,                   \
                                  const float *values, const float *w, float *sum)                 \
    {                                                                                              \
        if (!narrow(row))                                                                          \
            NAME##_sum(row, map, values, w, sum, false);                                           \
        else if (map != NULL)                                                                      \
            NAME##_sum(row, map, values, w, sum, true);                                            \
        else                                                                                       \
            NAME##_sum(row, NULL, values, w, sum, true);                                           \
    }                                                                                              \
                                                                                                   \
    TARGET static void NAME##_spread(const edx_scene_row *row, const uint16_t *map,                \
                                     const float *values, const float *u, float *y)                \
    {                                                                                              \
        if (!narrow(row))                                                                          \
            NAME##_put(row, map, values, u, y, false);                                             \
        else if (map != NULL)                                                                      \
            NAME##_put(row, map, values, u, y, true);                                              \
        else                                                                                       \
            NAME##_put(row, NULL, values, u, y, true);                                             \
    }                                                                                              \
                                                                                                   \
    TARGET static void NAME##_outer(float scale, const float *u, float *gram)                      \
    {                                                                                              \
        NAME##_lanes x = NAME##_load(u);                                                           \
        for (size_t j = 0; j < EDX_PASS; j++) {                                                    \
            NAME##_lanes sum = NAME##_load(gram + j * EDX_PASS);                                   \
            NAME##_add(&sum, scale *u[j], &x);                                                     \
            NAME##_store(gram + j * EDX_PASS, &sum);                                               \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static const edx_pass_kernel NAME##_kernel = {NAME##_dot, NAME##_spread, NAME##_outer};

DEFINE_LOOPS(plain, , 4, 4)

#ifdef __x86_64__

DEFINE_LOOPS(avx2, __attribute__((target("avx2,fma"))), 8, 2)
DEFINE_LOOPS(avx512, __attribute__((target("avx512f,avx512bw,avx512vl"))), 16, 1)

const edx_pass_kernel *edx_pass_kernel_get(edx_kernel_set set)
{
    if (set == EDX_KERNEL_PLAIN)
        return &plain_kernel;
    if (set == EDX_KERNEL_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2_kernel
                                                                               : NULL;
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") ? &avx512_kernel
                                                                                    : NULL;
}

#else

const edx_pass_kernel *edx_pass_kernel_get(edx_kernel_set set)
{
    return set == EDX_KERNEL_PLAIN ? &plain_kernel : NULL;
}

#endif

const edx_pass_kernel *edx_pass_kernel_best(void)
{
    const edx_pass_kernel *best = NULL;

    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        const edx_pass_kernel *kernel = edx_pass_kernel_get(set);
        best = kernel == NULL ? best : kernel;
    }
    return best;
}
