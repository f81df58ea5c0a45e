#include "proto/recording.h"

#ifdef __x86_64__
#include <nmmintrin.h>
#include <string.h>
#endif

/* A CRC is linear over GF(2), so that a table entry is the XOR of the entries of its index's bits:
 * eight constants make a table of 256. Table k is the effect of a byte with k zero bytes behind it;
 * constants are x^(8k + 7 - bit) times the reflected Castagnoli polynomial 0x82f63b78. */
#define BIT(n, bit, value) (((n) >> (bit)&1u) ? (value) : 0u)
#define AT(n, a, b, c, d, e, f, g, h)                                                              \
    (BIT(n, 0, a) ^ BIT(n, 1, b) ^ BIT(n, 2, c) ^ BIT(n, 3, d) ^ BIT(n, 4, e) ^ BIT(n, 5, f) ^     \
     BIT(n, 6, g) ^ BIT(n, 7, h))
#define AT4(n, ...)                                                                                \
    AT(n, __VA_ARGS__), AT((n) + 1u, __VA_ARGS__), AT((n) + 2u, __VA_ARGS__),                      \
        AT((n) + 3u, __VA_ARGS__)
#define AT16(n, ...)                                                                               \
    AT4(n, __VA_ARGS__), AT4((n) + 4u, __VA_ARGS__), AT4((n) + 8u, __VA_ARGS__),                   \
        AT4((n) + 12u, __VA_ARGS__)
#define AT64(n, ...)                                                                               \
    AT16(n, __VA_ARGS__), AT16((n) + 16u, __VA_ARGS__), AT16((n) + 32u, __VA_ARGS__),              \
        AT16((n) + 48u, __VA_ARGS__)
#define TABLE(...)                                                                                 \
    {                                                                                              \
        AT64(0u, __VA_ARGS__), AT64(64u, __VA_ARGS__), AT64(128u, __VA_ARGS__),                    \
            AT64(192u, __VA_ARGS__)                                                                \
    }

static const uint32_t tables[8][256] = {TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu,
                                              0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
                                        TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u,
                                              0x3fc5f181u, 0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
                                        TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u,
                                              0x70a27d8au, 0xe144fb14u, 0xc76580d9u, 0x8b277743u),
                                        TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u,
                                              0xe964b13du, 0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
                                        TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u,
                                              0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
                                        TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu,
                                              0xc00c303eu, 0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
                                        TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u,
                                              0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
                                        TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau,
                                              0x847609b4u, 0x0d006599u, 0x1a00cb32u, 0x34019664u)};

static uint32_t little(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t edx_crc32c_portable(uint32_t crc, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = c ^ little(p), high = little(p + 4);
        c = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
            tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
            tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; n > 0; n--, p++)
        c = c >> 8 ^ tables[0][(c ^ *p) & 255];
    return ~c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p,
                                                                 size_t n)
{
    uint64_t c = ~crc, word;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }
    uint32_t tail = (uint32_t)c;
    for (; n > 0; n--, p++)
        tail = _mm_crc32_u8(tail, *p);
    return ~tail;
}

uint32_t edx_crc32c(uint32_t crc, const void *bytes, size_t n)
{
    if (__builtin_cpu_supports("sse4.2"))
        return by_instruction(crc, bytes, n);
    return edx_crc32c_portable(crc, bytes, n);
}
#else
uint32_t edx_crc32c(uint32_t crc, const void *bytes, size_t n)
{
    return edx_crc32c_portable(crc, bytes, n);
}
#endif
