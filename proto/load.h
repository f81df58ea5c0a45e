/* Loads from bytes that lie unaligned inside a message. The wire is little-endian. */
#ifndef EDX_PROTO_LOAD_H
#define EDX_PROTO_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Arrays are read and written as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "edxd needs a little-endian machine");

/* Each loads element i of an array of its type at p; compiles to one move. */
static inline uint16_t edx_load_u16(const void *p, size_t i)
{
    uint16_t value;
    memcpy(&value, (const unsigned char *)p + i * sizeof value, sizeof value);
    return value;
}

static inline uint32_t edx_load_u32(const void *p, size_t i)
{
    uint32_t value;
    memcpy(&value, (const unsigned char *)p + i * sizeof value, sizeof value);
    return value;
}

static inline uint64_t edx_load_u64(const void *p, size_t i)
{
    uint64_t value;
    memcpy(&value, (const unsigned char *)p + i * sizeof value, sizeof value);
    return value;
}

static inline int32_t edx_load_i32(const void *p, size_t i)
{
    int32_t value;
    memcpy(&value, (const unsigned char *)p + i * sizeof value, sizeof value);
    return value;
}

static inline float edx_load_f32(const void *p, size_t i)
{
    float value;
    memcpy(&value, (const unsigned char *)p + i * sizeof value, sizeof value);
    return value;
}

static inline double edx_load_f64(const void *p, size_t i)
{
    double value;
    memcpy(&value, (const unsigned char *)p + i * sizeof value, sizeof value);
    return value;
}

#endif
