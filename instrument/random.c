#include "instrument/random.h"

#include <math.h>
#include <stdlib.h>

uint64_t edx_random_splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void edx_random_seed(edx_random *random, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;
    state = edx_random_splitmix(&state) ^ (stream * UINT64_C(0xd1342543de82ef95));
    for (int i = 0; i < 4; i++)
        random->s[i] = edx_random_splitmix(&state);
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t edx_random_next(edx_random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double edx_random_unit(edx_random *random)
{
    return (double)((edx_random_next(random) >> 11) + 1) * 0x1p-53;
}

uint32_t edx_random_below(edx_random *random, uint32_t n)
{
    return (uint32_t)(((edx_random_next(random) >> 32) * n) >> 32);
}

/* e^-x for 0 <= x < 64: Taylor at x / 64, then six squarings. fma() is the same everywhere, while a
 * compiler may or may not contract a * b + c. */
static double exp_minus(double x)
{
    double y = -x * 0x1p-6;
    double sum = 1.0;
    for (int i = 18; i > 0; i--)
        sum = fma(sum, y / i, 1.0);
    for (int i = 0; i < 6; i++)
        sum *= sum;
    return sum;
}

/* Unit-rate arrivals before mean < 64: their gaps are -log(u), so the product of u's tells. */
static uint64_t arrivals(edx_random *random, double mean)
{
    double limit = exp_minus(mean);
    double product = edx_random_unit(random);
    uint64_t n = 0;
    while (product > limit) {
        product *= edx_random_unit(random);
        n++;
    }
    return n;
}

uint64_t edx_random_poisson(edx_random *random, double mean)
{
    const double step = 32.0;
    uint64_t n = 0;
    while (mean >= step) {
        n += arrivals(random, step);
        mean -= step;
    }
    return mean > 0.0 ? n + arrivals(random, mean) : n;
}

double edx_random_gauss(edx_random *random)
{
    int bits = 0;
    for (int i = 0; i < 4; i++)
        bits += __builtin_popcountll(edx_random_next(random));
    double fill = edx_random_unit(random) - 0.5;
    return ((double)(bits - 128) + fill) / sqrt(64.0 + 1.0 / 12.0);
}

struct edx_alias {
    uint32_t n;
    uint32_t *threshold; /* [n] of 2^32: below it the index itself, else other */
    uint32_t *other;     /* [n] */
    uint64_t *share;     /* [n] work: weight times n */
    uint32_t *stack;     /* [n] work: small from the left, large from the right */
};

edx_alias *edx_alias_new(uint32_t n)
{
    edx_alias *alias = calloc(1, sizeof *alias);
    if (!alias)
        return NULL;
    alias->n = n;
    alias->threshold = calloc(n, sizeof *alias->threshold);
    alias->other = calloc(n, sizeof *alias->other);
    alias->share = calloc(n, sizeof *alias->share);
    alias->stack = calloc(n, sizeof *alias->stack);
    if (!alias->threshold || !alias->other || !alias->share || !alias->stack)
        edx_alias_free(&alias);
    return alias;
}

void edx_alias_free(edx_alias **alias)
{
    if (!*alias)
        return;
    free((*alias)->threshold);
    free((*alias)->other);
    free((*alias)->share);
    free((*alias)->stack);
    free(*alias);
    *alias = NULL;
}

/* Fills share with round(weight / largest * (2^32 - 1)) * n; returns the sum of rounded weights. */
static uint64_t quantise(edx_alias *alias, const double *weights)
{
    double largest = 0.0;
    for (uint32_t i = 0; i < alias->n; i++)
        largest = weights[i] > largest ? weights[i] : largest;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < alias->n; i++) {
        double part = largest > 0.0 ? weights[i] / largest : 0.0;
        uint64_t w = (uint64_t)(part * 4294967295.0 + 0.5);
        sum += w;
        alias->share[i] = w * alias->n;
    }
    return sum;
}

static uint32_t as_threshold(uint64_t part, uint64_t whole)
{
    double t = (double)part / (double)whole * 0x1p32;
    return t >= 4294967295.0 ? UINT32_MAX : (uint32_t)t;
}

/* Pairs each index that has less than its share with one that has more. */
static void pair_up(edx_alias *alias, uint64_t whole)
{
    uint32_t small = 0, large = alias->n;
    for (uint32_t i = 0; i < alias->n; i++) {
        if (alias->share[i] < whole)
            alias->stack[small++] = i;
        else
            alias->stack[--large] = i;
    }
    while (small > 0 && large < alias->n) {
        uint32_t lean = alias->stack[--small];
        uint32_t rich = alias->stack[large];
        alias->threshold[lean] = as_threshold(alias->share[lean], whole);
        alias->other[lean] = rich;
        alias->share[rich] -= whole - alias->share[lean];
        if (alias->share[rich] < whole) {
            large++;
            alias->stack[small++] = rich;
        }
    }
    while (large < alias->n) {
        uint32_t full = alias->stack[large++];
        alias->threshold[full] = UINT32_MAX;
        alias->other[full] = full;
    }
}

edx_status edx_alias_set(edx_alias *alias, const double *weights, edx_error *err)
{
    uint64_t whole = quantise(alias, weights);
    if (whole == 0)
        return edx_fail(err, EDX_E_RANGE, "weights: all zero, expected one above zero");
    pair_up(alias, whole);
    return EDX_OK;
}

uint32_t edx_alias_draw(const edx_alias *alias, edx_random *random)
{
    uint64_t r = edx_random_next(random);
    uint32_t i = (uint32_t)(((r >> 32) * alias->n) >> 32);
    return (uint32_t)r < alias->threshold[i] ? i : alias->other[i];
}
