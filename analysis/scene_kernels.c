#include "analysis/scene_kernels.h"

#include <stddef.h>

static uint32_t find_plain(const uint16_t *keys, uint32_t n, uint16_t wanted)
{
    uint32_t p = 0;

    while (p < n && keys[p] != wanted)
        p++;
    return p;
}

static uint32_t count_plain(const uint16_t *keys, uint32_t n, uint8_t *digits, uint32_t spare,
                            const uint16_t *wanted, uint32_t m)
{
    uint32_t there = 0, all = 0;

    for (uint32_t k = 0; k < m; k++) {
        uint32_t found = find_plain(keys, n, wanted[k]);
        there = there << 1 | (found < n);
        all |= ++digits[found < n ? found : spare + k] == 0 ? EDX_WRAPPED : 0;
    }
    return there | all;
}

static const edx_kernel plain = {"plain", find_plain, count_plain};

#ifdef __x86_64__

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi")))
#define AVX512 __attribute__((target("avx512bw,bmi")))
#define INLINE static inline __attribute__((always_inline))

/* Whether a count finds its slot is nearly random, so that a branch on it costs more than all the
 * work. Compilers cannot know and make branches of what is written without, hence the assembly. */

/* found, where that is below block, else beyond; block is a power of two, found at most that. */
INLINE uint32_t or_beyond(uint32_t found, uint32_t block, uint32_t beyond)
{
    __asm__("test %2, %0\n\tcmovnz %1, %0" : "+r"(found) : "r"(beyond), "ri"(block) : "cc");
    return found;
}

typedef struct counted {
    uint32_t there; /* a bit for each key so far */
    uint32_t all;   /* all digits, before they were cut to 8 bits */
} counted;

/* Counts a key found at index found, if that is below n, else in the spare digit. */
INLINE counted count_one(counted c, uint8_t *digits, uint32_t spare, uint32_t n, uint32_t found)
{
    __asm__("cmp %2, %0\n\tcmovae %3, %0\n\tadc %1, %1"
            : "+r"(found), "+r"(c.there)
            : "r"(n), "r"(spare)
            : "cc");
    uint32_t digit = digits[found] + 1u;
    digits[found] = (uint8_t)digit;
    c.all |= digit;
    return c;
}

INLINE uint32_t answer(counted c)
{
    return c.there | (c.all & EDX_WRAPPED);
}

/* Records stand anywhere, so that loads are unaligned. As many blocks of keys as there are
 * registers for stay in them while eight are sought; blocks is a constant wherever that is inlined.
 */

/* Where key is among 32 keys, 32 when nowhere. */
AVX2 INLINE uint32_t in_32(__m256i low, __m256i high, __m256i key)
{
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi16(low, key));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi16(high, key));

    return (uint32_t)_tzcnt_u64(a | (uint64_t)b << 32) >> 1;
}

AVX2 INLINE __m256i load_16(const uint16_t *keys)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)keys);
}

AVX2 static uint32_t find_avx2(const uint16_t *keys, uint32_t n, uint16_t wanted)
{
    __m256i key = _mm256_set1_epi16((short)wanted);

    for (uint32_t p = 0; p < n; p += 32) {
        uint32_t at = in_32(load_16(keys + p), load_16(keys + p + 16), key);
        if (at < 32)
            return p + at;
    }
    return n;
}

AVX2 INLINE uint32_t blocks_avx2(uint32_t blocks, const uint16_t *keys, uint32_t n, uint8_t *digits,
                                 uint32_t spare, const uint16_t *wanted, uint32_t m)
{
    __m256i held[8];
    const size_t last = (size_t)2 * blocks - 1;
    counted c = {0, 0};

#pragma GCC unroll 8
    for (size_t b = 0; b <= last; b++)
        held[b] = load_16(keys + 16 * b);
    for (uint32_t k = 0; k < m; k++) {
        __m256i key = _mm256_set1_epi16((short)wanted[k]);
        uint32_t found = in_32(held[last - 1], held[last], key);
#pragma GCC unroll 4
        for (size_t b = blocks - 1; b-- > 0;)
            found = or_beyond(in_32(held[2 * b], held[2 * b + 1], key), 32, found + 32);
        c = count_one(c, digits, spare + k, n, found);
    }
    return answer(c);
}

AVX2 static uint32_t count_avx2(const uint16_t *keys, uint32_t n, uint8_t *digits, uint32_t spare,
                                const uint16_t *wanted, uint32_t m)
{
    counted c = {0, 0};

    if (n <= 32)
        return blocks_avx2(1, keys, n, digits, spare, wanted, m);
    if (n <= 64)
        return blocks_avx2(2, keys, n, digits, spare, wanted, m);
    if (n <= 96)
        return blocks_avx2(3, keys, n, digits, spare, wanted, m);
    if (n <= 128)
        return blocks_avx2(4, keys, n, digits, spare, wanted, m);
    for (uint32_t k = 0; k < m; k++)
        c = count_one(c, digits, spare + k, n, find_avx2(keys, n, wanted[k]));
    return answer(c);
}

/* Where key is among 64 keys, 64 when nowhere. */
AVX512 INLINE uint32_t in_64(__m512i low, __m512i high, __m512i key)
{
    __mmask32 a = _mm512_cmpeq_epi16_mask(low, key);
    __mmask32 b = _mm512_cmpeq_epi16_mask(high, key);

    return (uint32_t)_tzcnt_u64(_cvtmask64_u64(_mm512_kunpackd(b, a)));
}

AVX512 static uint32_t find_avx512(const uint16_t *keys, uint32_t n, uint16_t wanted)
{
    __m512i key = _mm512_set1_epi16((short)wanted);

    for (uint32_t p = 0; p < n; p += 64) {
        uint32_t at = in_64(_mm512_loadu_si512(keys + p), _mm512_loadu_si512(keys + p + 32), key);
        if (at < 64)
            return p + at;
    }
    return n;
}

AVX512 INLINE uint32_t blocks_avx512(uint32_t blocks, const uint16_t *keys, uint32_t n,
                                     uint8_t *digits, uint32_t spare, const uint16_t *wanted,
                                     uint32_t m)
{
    __m512i held[16];
    const size_t last = (size_t)2 * blocks - 1;
    counted c = {0, 0};

#pragma GCC unroll 16
    for (size_t b = 0; b <= last; b++)
        held[b] = _mm512_loadu_si512(keys + 32 * b);
    for (uint32_t k = 0; k < m; k++) {
        __m512i key = _mm512_set1_epi16((short)wanted[k]);
        uint32_t found = in_64(held[last - 1], held[last], key);
#pragma GCC unroll 8
        for (size_t b = blocks - 1; b-- > 0;)
            found = or_beyond(in_64(held[2 * b], held[2 * b + 1], key), 64, found + 64);
        c = count_one(c, digits, spare + k, n, found);
    }
    return answer(c);
}

AVX512 static uint32_t count_avx512(const uint16_t *keys, uint32_t n, uint8_t *digits,
                                    uint32_t spare, const uint16_t *wanted, uint32_t m)
{
    counted c = {0, 0};

    switch ((n + 63) / 64) {
    case 0:
    case 1:
        return blocks_avx512(1, keys, n, digits, spare, wanted, m);
    case 2:
        return blocks_avx512(2, keys, n, digits, spare, wanted, m);
    case 3:
        return blocks_avx512(3, keys, n, digits, spare, wanted, m);
    case 4:
        return blocks_avx512(4, keys, n, digits, spare, wanted, m);
    case 5:
        return blocks_avx512(5, keys, n, digits, spare, wanted, m);
    case 6:
        return blocks_avx512(6, keys, n, digits, spare, wanted, m);
    case 7:
        return blocks_avx512(7, keys, n, digits, spare, wanted, m);
    case 8:
        return blocks_avx512(8, keys, n, digits, spare, wanted, m);
    default:
        for (uint32_t k = 0; k < m; k++)
            c = count_one(c, digits, spare + k, n, find_avx512(keys, n, wanted[k]));
        return answer(c);
    }
}

static const edx_kernel avx2 = {"avx2", find_avx2, count_avx2};
static const edx_kernel avx512 = {"avx512", find_avx512, count_avx512};

const edx_kernel *edx_kernel_get(edx_kernel_set set)
{
    if (set == EDX_KERNEL_PLAIN)
        return &plain;
    if (!__builtin_cpu_supports("bmi"))
        return NULL;
    if (set == EDX_KERNEL_AVX2)
        return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
    return __builtin_cpu_supports("avx512bw") ? &avx512 : NULL;
}

#else

const edx_kernel *edx_kernel_get(edx_kernel_set set)
{
    return set == EDX_KERNEL_PLAIN ? &plain : NULL;
}

#endif

const edx_kernel *edx_kernel_best(void)
{
    const edx_kernel *best = &plain;

    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        const edx_kernel *kernel = edx_kernel_get(set);
        if (kernel != NULL)
            best = kernel;
    }
    return best;
}
