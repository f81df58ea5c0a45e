/* What the factors consist of. Only their own files include this. */
#ifndef EDX_ANALYSIS_NMF_INSIDE_H
#define EDX_ANALYSIS_NMF_INSIDE_H

#include "analysis/nmf.h"
#include "analysis/nmf_pass.h"

struct edx_nmf {
    uint32_t pixels, channels, max_k, k;
    edx_nmf_pass *pass;
    edx_pool *pool;
    bool empty;         /* nothing to start from yet */
    bool to_order;      /* after a start: order is to be found */
    uint32_t known;     /* components whose order is to be kept */
    uint32_t age;       /* passes since the push had to start anew */
    uint32_t passes;    /* of the last call */
    double divergence;  /* of the store that the sums below describe; NAN before */
    double digits;      /* the part of it that is not the slots' */
    uint64_t *counts;   /* [pixels] sums of the store */
    uint64_t *spectrum; /* [channels] */
    float *spectra;     /* [max_k, channels] */
    float *before;      /* [max_k, channels] those whose order is to be kept */
    double *totals;     /* [max_k] */
    float *start;       /* [max_k, channels] scratch of a start */
    float *maps;        /* [max_k, pixels] the same */
};

/* The start that edx_nmf_start describes, from the principal components into start and maps. */
void edx_nmf_begin(edx_nmf *nmf, const edx_scene *store, uint32_t k, const float *spectra,
                   const float *maps);
/* order [k]: which component is to be in which place. */
void edx_nmf_find_order(const edx_nmf *nmf, const edx_scene *store, uint32_t *order);

#endif
