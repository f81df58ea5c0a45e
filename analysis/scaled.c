#include "analysis/scaled.h"

#include <math.h>
#include <stdlib.h>

edx_status edx_scaled_new(uint32_t pixels, uint32_t channels, edx_scaled **out, edx_error *err)
{
    edx_scaled *s = calloc(1, sizeof *s);

    *out = s;
    if (s == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory to scale counts");
    s->pixels = pixels;
    s->channels = channels;
    s->root = calloc(channels, sizeof *s->root);
    s->first = calloc(channels, sizeof *s->first);
    s->column = calloc(channels, sizeof *s->column);
    s->out = calloc((size_t)channels * EDX_PASS, sizeof *s->out);
    edx_status status = edx_pass_new(pixels, channels, &s->pass, err);
    if (status == EDX_OK &&
        (s->root == NULL || s->first == NULL || s->column == NULL || s->out == NULL))
        status = edx_fail(err, EDX_E_NOMEM, "no memory to scale %u channels", channels);
    if (status != EDX_OK)
        edx_scaled_free(out);
    return status;
}

void edx_scaled_free(edx_scaled **scaled)
{
    edx_scaled *s = *scaled;

    *scaled = NULL;
    if (s == NULL)
        return;
    edx_pass_free(&s->pass);
    free(s->root);
    free(s->first);
    free(s->column);
    free(s->out);
    free(s);
}

void edx_scaled_set_pool(edx_scaled *scaled, edx_pool *pool)
{
    edx_pass_set_pool(scaled->pass, pool);
}

/* ---- scaling ---- */

static void fit_channels(edx_scaled *s, const uint64_t *spectrum)
{
    s->full_channels = 0;
    for (uint32_t c = 0; c < s->channels; c++) {
        double b = (double)spectrum[c];
        s->column[c] = b > 0 ? 1 / b : 0;
        s->root[c] = b > 0 ? 1 / sqrt(b) : 0;
        s->first[c] = b > 0 ? sqrt(b / (double)s->counts) : 0;
        s->full_channels += b > 0;
    }
}

void edx_scaled_fit(edx_scaled *scaled, const edx_scene *store)
{
    scaled->counts = edx_scene_counts(store);
    scaled->full_pixels = edx_pass_scale(scaled->pass, store);
    fit_channels(scaled, edx_scene_spectrum(store));
    double side = sqrt((double)scaled->full_pixels) + sqrt((double)scaled->full_channels);
    scaled->edge = scaled->counts > 0 ? side * side / (double)scaled->counts : 0;
}

/* ---- passes ---- */

/* Columns first .. of v, as the pass takes them; those beyond width are 0. */
static void put_columns(const edx_scaled *s, uint32_t width, uint32_t first, const double *v)
{
    float *w = edx_pass_input(s->pass);

    for (uint32_t c = 0; c < s->channels; c++)
        for (uint32_t k = 0; k < EDX_PASS; k++) {
            double value = first + k < width ? v[(size_t)c * width + first + k] : 0;
            w[(size_t)c * EDX_PASS + k] = (float)(s->root[c] * value);
        }
}

void edx_scaled_apply(edx_scaled *s, const edx_pass_term *terms, uint32_t n_terms, uint32_t width,
                      const double *v, double *gv)
{
    for (uint32_t first = 0; first < width; first += EDX_PASS) {
        put_columns(s, width, first, v);
        edx_pass_apply(s->pass, terms, n_terms, s->out);
        for (uint32_t c = 0; c < s->channels; c++)
            for (uint32_t k = 0; k < EDX_PASS; k++)
                gv[(size_t)c * width + first + k] = s->root[c] * s->out[(size_t)c * EDX_PASS + k];
    }
}

void edx_scaled_form(edx_scaled *s, const edx_pass_term *terms, uint32_t n_terms, const double *v,
                     double *form)
{
    put_columns(s, EDX_PASS, 0, v);
    edx_pass_form(s->pass, terms, n_terms, form);
}

void edx_scaled_maps(edx_scaled *s, const edx_scene *store, uint32_t width, const double *v,
                     uint32_t n, float *maps)
{
    for (uint32_t first = 0; first < n; first += EDX_PASS) {
        uint32_t rest = n - first;
        put_columns(s, width, first, v);
        edx_pass_maps(s->pass, store, rest < EDX_PASS ? rest : EDX_PASS,
                      maps + (size_t)first * s->pixels);
    }
}

void edx_scaled_overlap(edx_scaled *s, const edx_pass_term *term, const edx_scene *other,
                        uint32_t width, uint32_t first, const double *v, double square[EDX_PASS],
                        double product[EDX_PASS])
{
    put_columns(s, width, first, v);
    edx_pass_overlap(s->pass, term, other, square, product);
}

double edx_scaled_square(edx_scaled *s, const edx_scene *store)
{
    return edx_pass_square(s->pass, store, s->column);
}
