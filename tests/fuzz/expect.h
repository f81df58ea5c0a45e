/* What must hold; libFuzzer keeps the input where it does not. */
#ifndef EDX_TESTS_FUZZ_EXPECT_H
#define EDX_TESTS_FUZZ_EXPECT_H

#include <stdbool.h>
#include <stdlib.h>

static inline void fuzz_expect(bool truth)
{
    if (!truth)
        abort();
}

#endif
