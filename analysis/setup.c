#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis_inside.h"

void edx_setup_free(edx_setup **setup)
{
    edx_setup *s = *setup;
    *setup = NULL;
    if (!s)
        return;
    edx_intensity_free(&s->intensity);
    edx_detail_free(&s->detail);
    edx_functional_free(&s->functional);
    free(s->sum);
    free(s->total);
    free(s->image);
    free(s->exposure);
    free(s->net);
    free(s->sigma);
    free(s->fraction);
    free(s->fraction_sigma);
    free(s->denoised);
    free(s->denoised_sigma);
    free(s->thick);
    free(s->atoms);
    free(s->lent.sum);
    free(s->lent.image);
    free(s->lent.exposure);
    free(s->lent.net);
    free(s->lent.sigma);
    free(s);
}

static edx_status check_bins(const edx_settings *settings, const edx_begin *begin, edx_error *err)
{
    uint64_t pixels = settings->analysis.bin_pixels, energy = settings->analysis.bin_energy;
    uint32_t shorter = begin->rows < begin->cols ? begin->rows : begin->cols;
    if (pixels < 1 || pixels > shorter)
        return edx_fail(err, EDX_E_RANGE,
                        "analysis.bin_pixels: %llu, expected 1 to %u, the scan's shorter side",
                        (unsigned long long)pixels, shorter);
    if (energy < 1 || energy > begin->channels)
        return edx_fail(err, EDX_E_RANGE,
                        "analysis.bin_energy: %llu, expected 1 to %u, the number of channels",
                        (unsigned long long)energy, begin->channels);
    return EDX_OK;
}

static edx_status set_axes(edx_setup *s, const edx_begin *begin, edx_error *err)
{
    double range[2];
    s->bin_energy = (uint32_t)s->settings.analysis.bin_energy;
    s->bin_pixels = (uint32_t)s->settings.analysis.bin_pixels;
    s->rows = begin->rows / s->bin_pixels;
    s->cols = begin->cols / s->bin_pixels;
    s->axis.channels = begin->channels / s->bin_energy;
    s->axis.scale_eV = begin->scale_eV * s->bin_energy;
    s->axis.offset_eV = begin->offset_eV + 0.5 * (s->bin_energy - 1) * begin->scale_eV;
    edx_lines_range(&s->settings, begin, &s->axis, range);
    s->inside_lo = edx_windows_first(&s->axis, range[0]) * s->bin_energy;
    s->inside_hi = edx_windows_first(&s->axis, range[1]) * s->bin_energy;
    if (s->inside_lo < s->inside_hi)
        return EDX_OK;
    return edx_fail(
        err, EDX_E_RANGE,
        "analysis.energy_eV: (%g, %g) holds no channel, expected it on the axis from %g "
        "to %g eV",
        range[0], range[1], s->axis.offset_eV,
        s->axis.offset_eV + s->axis.scale_eV * (s->axis.channels - 1.0));
}

static bool allocate_sums(edx_setup *s)
{
    size_t pixels = (size_t)s->rows * s->cols;
    s->sum = calloc(s->axis.channels, sizeof *s->sum);
    s->total = calloc(pixels, sizeof *s->total);
    s->image = calloc(pixels, sizeof *s->image);
    s->exposure = calloc(pixels, sizeof *s->exposure);
    s->lent.sum = calloc(s->axis.channels, sizeof *s->sum);
    s->lent.image = calloc(pixels, sizeof *s->image);
    s->lent.exposure = calloc(pixels, sizeof *s->exposure);
    return s->sum && s->total && s->image && s->exposure && s->lent.sum && s->lent.image &&
           s->lent.exposure;
}

static bool allocate_maps(edx_setup *s)
{
    size_t pixels = (size_t)s->rows * s->cols, maps = s->n * pixels;
    float **const each[] = {&s->net,       &s->sigma,          &s->fraction, &s->fraction_sigma,
                            &s->denoised,  &s->denoised_sigma, &s->atoms,    &s->lent.net,
                            &s->lent.sigma};
    s->thick = calloc(pixels, sizeof *s->thick);
    bool got = s->thick != NULL;
    for (size_t i = 0; i < sizeof each / sizeof *each && got; i++) {
        *each[i] = calloc(maps, sizeof **each[i]);
        got = *each[i] != NULL;
    }
    return got;
}

static edx_status allocate(edx_setup *s, edx_error *err)
{
    if (!allocate_sums(s) || (s->n > 0 && !allocate_maps(s)))
        return edx_fail(err, EDX_E_NOMEM, "no memory for maps of %u x %u pixels", s->rows, s->cols);
    s->verdicts = UINT64_MAX; /* none yet: nothing is known */
    edx_setup_denoised(s);
    return EDX_OK;
}

void edx_setup_denoised(edx_setup *s)
{
    const size_t bytes = (size_t)s->n * s->rows * s->cols * sizeof *s->denoised;
    const uint64_t verdicts = edx_detail_verdicts(s->detail);
    if (bytes == 0 || verdicts == s->verdicts)
        return;
    s->verdicts = verdicts;
    memcpy(s->denoised, edx_detail_fraction(s->detail), bytes);
    memcpy(s->denoised_sigma, edx_detail_fraction_sigma(s->detail), bytes);
}

#define SWAP(type, a, b)                                                                           \
    do {                                                                                           \
        type *const was_a = a;                                                                     \
        a = b;                                                                                     \
        b = was_a;                                                                                 \
    } while (0)

void edx_setup_lend(edx_setup *s)
{
    if (!s->shown)
        return;
    s->shown = false;
    SWAP(uint64_t, s->sum, s->lent.sum);
    SWAP(double, s->image, s->lent.image);
    SWAP(float, s->exposure, s->lent.exposure);
    SWAP(float, s->net, s->lent.net);
    SWAP(float, s->sigma, s->lent.sigma);
}

/* What the settings mean for this begin, without the memory that using them takes. */
edx_status edx_setup_derive(edx_setup *s, const edx_settings *settings, const edx_begin *begin,
                            edx_error *err)
{
    s->settings = *settings;
    edx_status status = check_bins(settings, begin, err);
    if (status == EDX_OK)
        status = set_axes(s, begin, err);
    if (status == EDX_OK)
        status = edx_lines_resolve(settings, begin, &s->axis, s->lines, &s->n, err);
    for (uint32_t i = 0; i < s->n && status == EDX_OK; i++) {
        s->energies[i] = s->lines[i].energy_eV;
        s->windows[i][0] = s->lines[i].window_eV[0];
        s->windows[i][1] = s->lines[i].window_eV[1];
    }
    s->absolute = settings->quant.method != EDX_CLIFF_LORIMER;
    if (status == EDX_OK && s->absolute)
        edx_thickness_init(&s->thickness, settings->quant.method, begin, s->lines, s->n);
    return status;
}

static edx_status open_detail(edx_setup *s, const edx_begin *begin, const edx_scene *cube,
                              edx_error *err)
{
    const edx_detail_setup setup = {.begin = begin,
                                    .settings = &s->settings,
                                    .cube = cube,
                                    .axis = s->axis,
                                    .rows = s->rows,
                                    .cols = s->cols,
                                    .lo = s->inside_lo,
                                    .hi = s->inside_hi,
                                    .lines = s->lines,
                                    .n = s->n};
    return edx_detail_new(&setup, &s->detail, err);
}

edx_status edx_setup_new(const edx_settings *settings, const edx_begin *begin,
                         const edx_scene *cube, edx_setup **out, edx_error *err)
{
    edx_setup *s = calloc(1, sizeof *s);
    if (!s)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the analysis' settings");
    edx_status status = edx_setup_derive(s, settings, begin, err);
    if (status == EDX_OK && s->n > 0)
        status = edx_intensity_new(s->lines, s->n, &s->axis, s->bin_energy, begin->rows,
                                   begin->cols, begin->channels, s->bin_pixels, &s->intensity, err);
    if (status == EDX_OK)
        status = open_detail(s, begin, cube, err);
    if (status == EDX_OK && s->n > 0 && settings->quant.background == EDX_BACKGROUND_MODEL)
        status = edx_functional_new(s->n, s->axis.channels, &s->functional, err);
    if (status == EDX_OK)
        status = allocate(s, err);
    if (status == EDX_OK)
        *out = s;
    else
        edx_setup_free(&s);
    return status;
}
