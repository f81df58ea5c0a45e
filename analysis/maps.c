#include <math.h>
#include <string.h>

#include "analysis/analysis_inside.h"
#include "analysis/quant.h"

#define PIXELS_PER_CHUNK 512u

static void remove_voxel(void *context, uint32_t channel, uint32_t count)
{
    const edx_setup *s = context;
    if (channel >= s->inside_lo && channel < s->inside_hi)
        s->sum[channel / s->bin_energy] -= count;
}

/* The scan pixels that fill no analysis pixel lie at the last columns and in the last rows. */
static void remove_edges(edx_analysis *a)
{
    edx_setup *s = a->now;
    uint32_t rows = s->rows * s->bin_pixels, cols = s->cols * s->bin_pixels;
    for (uint32_t y = 0; y < a->begin.rows; y++)
        for (uint32_t x = y < rows ? cols : 0; x < a->begin.cols; x++)
            edx_scene_visit(a->scene, y * a->begin.cols + x, remove_voxel, s);
}

/* What the totals of the analysis pixels hold, by channel: the edges' counts are this process', the
 * spectrum is that of all (and numbers without sign come round). */
void edx_analysis_bin_spectrum(edx_analysis *a)
{
    const uint64_t *full = edx_scene_spectrum(a->scene), *waiting = a->waiting.spectrum;
    edx_setup *s = a->now;
    memset(s->sum, 0, s->axis.channels * sizeof *s->sum);
    remove_edges(a);
    edx_pool_sum(a->pool, EDX_U8, s->sum, s->axis.channels);
    for (uint32_t c = s->inside_lo; c < s->inside_hi; c++)
        s->sum[c / s->bin_energy] += full[c] + waiting[c];
}

/* Sums of scan pixels over one analysis pixel; exposure is their mean. */
static void bin_pixel(const edx_analysis *a, uint32_t row, uint32_t col)
{
    edx_setup *s = a->now;
    size_t out = (size_t)row * s->cols + col;
    uint64_t total = 0, covered = 0;
    double image = 0;
    for (uint32_t y = row * s->bin_pixels; y < (row + 1) * s->bin_pixels; y++)
        for (uint32_t x = col * s->bin_pixels; x < (col + 1) * s->bin_pixels; x++) {
            size_t p = (size_t)y * a->begin.cols + x;
            total += a->inside[p];
            covered += a->covered[p];
            image += a->image[p];
        }
    s->total[out] = total;
    s->image[out] = image;
    s->exposure[out] = (float)((double)covered / ((double)s->bin_pixels * s->bin_pixels));
}

static void bin_rows(void *context, uint32_t chunk, uint32_t worker)
{
    const edx_analysis *a = context;
    uint32_t rows = edx_pool_rows(a->now->cols), first = chunk * rows;
    (void)worker;
    for (uint32_t row = first; row < first + rows && row < a->now->rows; row++)
        for (uint32_t col = 0; col < a->now->cols; col++)
            bin_pixel(a, row, col);
}

/* Whether the maps, rounded as they are, rule out that the pixel is quantified. */
static bool hopeless(const edx_setup *s, size_t pixel)
{
    size_t pixels = (size_t)s->rows * s->cols;
    for (uint32_t i = 0; i < s->n; i++) {
        double net = s->net[i * pixels + pixel], sigma = s->sigma[i * pixels + pixel];
        if (net * (1 + 1e-5) <= s->settings.quant.limit * sigma)
            return true;
    }
    return s->n < 2;
}

/* What the specimen holds back is put back, and counted in atoms. */
static void correct_pixel(const edx_analysis *a, size_t pixel, double *net, double *covariance)
{
    edx_setup *s = a->now;
    uint32_t bin = s->bin_pixels, row = (uint32_t)(pixel / s->cols) * bin;
    uint32_t col = (uint32_t)(pixel % s->cols) * bin;
    double live = 0, atoms[EDX_MAX_LINES], area = (double)bin * bin;
    size_t pixels = (size_t)s->rows * s->cols;
    for (uint32_t y = row; y < row + bin; y++)
        for (uint32_t x = col; x < col + bin; x++)
            live += a->live[(size_t)y * a->begin.cols + x];
    s->thick[pixel] =
        (float)edx_thickness_correct(&s->thickness, area, live / area, net, covariance, atoms);
    for (uint32_t i = 0; i < s->n; i++)
        s->atoms[i * pixels + pixel] = (float)atoms[i];
}

static void count_pixel(const edx_setup *s, uint32_t pixel, double *net, double *covariance)
{
    if (s->modelled)
        edx_functional_pixel(s->functional, edx_detail_counts(s->detail), pixel, net, covariance);
    else
        edx_intensity_pixel(s->intensity, pixel, net, covariance);
}

/* Nothing is known of it. */
static void leave_out(edx_setup *s, size_t pixel)
{
    size_t pixels = (size_t)s->rows * s->cols;
    s->thick[pixel] = NAN;
    for (uint32_t i = 0; i < s->n; i++)
        s->atoms[i * pixels + pixel] = s->fraction[i * pixels + pixel] =
            s->fraction_sigma[i * pixels + pixel] = NAN;
}

static void quantify_pixel(const edx_analysis *a, size_t pixel)
{
    edx_setup *s = a->now;
    double net[EDX_MAX_LINES], covariance[EDX_MAX_LINES * EDX_MAX_LINES];
    double fraction[EDX_MAX_LINES], sigma[EDX_MAX_LINES];
    size_t pixels = (size_t)s->rows * s->cols;
    bool known = !hopeless(s, pixel);
    if (known) {
        count_pixel(s, (uint32_t)pixel, net, covariance);
        if (s->absolute)
            correct_pixel(a, pixel, net, covariance);
        known = edx_quant_fractions(s->lines, s->n, s->settings.quant.limit, net, covariance,
                                    fraction, sigma);
    }
    if (!known)
        leave_out(s, pixel);
    for (uint32_t i = 0; i < s->n && known; i++) {
        s->fraction[i * pixels + pixel] = (float)fraction[i];
        s->fraction_sigma[i * pixels + pixel] = (float)sigma[i];
    }
}

/* A pixel of another process, which its answer is to be added to. */
static void leave_pixel(edx_setup *s, size_t pixel)
{
    size_t pixels = (size_t)s->rows * s->cols;
    s->thick[pixel] = 0;
    for (uint32_t i = 0; i < s->n; i++)
        s->atoms[i * pixels + pixel] = s->fraction[i * pixels + pixel] =
            s->fraction_sigma[i * pixels + pixel] = 0;
}

static void quantify_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    const edx_analysis *a = context;
    const edx_ranks *ranks = edx_pool_ranks(a->pool);
    size_t pixels = (size_t)a->now->rows * a->now->cols, first = (size_t)chunk * PIXELS_PER_CHUNK;
    (void)worker;
    for (size_t p = first; p < pixels && p < first + PIXELS_PER_CHUNK; p++)
        if (!ranks || edx_ranks_owner(ranks, (uint32_t)pixels, (uint32_t)p) == ranks->rank)
            quantify_pixel(a, p);
        else
            leave_pixel(a->now, p);
}

/* Every pixel of the maps is one process' answer and everybody else's 0. */
static void put_together(edx_analysis *a)
{
    edx_setup *s = a->now;
    size_t pixels = (size_t)s->rows * s->cols, maps = s->n * pixels;
    float *all[] = {s->net, s->sigma, s->fraction, s->fraction_sigma};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        edx_pool_sum(a->pool, EDX_F4, all[i], maps);
    if (s->absolute) {
        edx_pool_sum(a->pool, EDX_F4, s->thick, pixels);
        edx_pool_sum(a->pool, EDX_F4, s->atoms, maps);
    }
}

/* Takes the newest rows of the model; without any, and where the counts that it sees are not to be
 * had, windows serve. */
static void take_rows(edx_analysis *a)
{
    edx_setup *s = a->now;
    edx_survey *survey = edx_detail_survey(s->detail);
    const double *rows = survey && !a->away ? edx_survey_rows(survey) : NULL;
    s->modelled = rows && edx_analysis_catch_up(a, NULL) == EDX_OK &&
                  edx_functional_set(s->functional, rows, NULL) == EDX_OK;
}

static void quantify(edx_analysis *a)
{
    edx_setup *s = a->now;
    uint32_t pixels = s->rows * s->cols;
    if (s->functional)
        take_rows(a);
    if (s->modelled)
        edx_functional_maps(s->functional, edx_detail_counts(s->detail), s->net, s->sigma);
    else
        edx_intensity_maps(s->intensity, s->net, s->sigma);
    edx_pool_run(a->pool, (pixels + PIXELS_PER_CHUNK - 1) / PIXELS_PER_CHUNK, quantify_chunk, a);
    put_together(a);
}

void edx_analysis_head(const edx_analysis *a, edx_result_head *head)
{
    head->frames = a->frames;
    head->frame = a->newest;
    head->counts = edx_scene_counts(a->scene) + a->waiting.counts;
}

static void fill_spectrum(const edx_analysis *a, edx_spectrum_result *out)
{
    const edx_setup *s = a->now;
    const edx_survey *survey;
    edx_analysis_head(a, &out->head);
    out->offset_eV = s->axis.offset_eV;
    out->scale_eV = s->axis.scale_eV;
    out->sum = edx_array_1(EDX_U8, s->sum, s->axis.channels);
    out->total = edx_array_2(EDX_U8, s->total, s->rows, s->cols);
    survey = edx_detail_survey(s->detail);
    out->fit_chi2 = out->fit_dof = NAN;
    out->calibration.offset_eV = out->calibration.offset_sigma = NAN;
    out->calibration.gain = out->calibration.gain_sigma = NAN;
    out->calibration.resolution_eV = out->calibration.resolution_sigma = NAN;
    if (survey)
        edx_survey_fill(survey, out);
    if (a->has_image)
        out->image = edx_array_2(EDX_F8, s->image, s->rows, s->cols);
}

static void fill_maps(const edx_analysis *a, edx_maps_result *out)
{
    const edx_setup *s = a->now;
    edx_analysis_head(a, &out->head);
    out->n = s->n;
    for (uint32_t i = 0; i < s->n; i++) {
        memcpy(out->lines[i], s->lines[i].name, sizeof out->lines[i]);
        memcpy(out->elements[i], s->lines[i].element, sizeof out->elements[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        out->step_nm[i] = a->begin.step_nm[i] * s->bin_pixels;
        out->origin_nm[i] = a->begin.step_nm[i] * 0.5 * (s->bin_pixels - 1);
    }
    out->energy_eV = edx_array_1(EDX_F8, s->energies, s->n);
    out->window_eV = edx_array_2(EDX_F8, s->windows, s->n, 2);
    out->intensity = edx_array_3(EDX_F4, s->net, s->n, s->rows, s->cols);
    out->sigma = edx_array_3(EDX_F4, s->sigma, s->n, s->rows, s->cols);
    out->atomic_fraction = edx_array_3(EDX_F4, s->fraction, s->n, s->rows, s->cols);
    out->fraction_sigma = edx_array_3(EDX_F4, s->fraction_sigma, s->n, s->rows, s->cols);
    out->denoised_fraction = edx_array_3(EDX_F4, s->denoised, s->n, s->rows, s->cols);
    out->denoised_sigma = edx_array_3(EDX_F4, s->denoised_sigma, s->n, s->rows, s->cols);
    out->exposure = edx_array_2(EDX_F4, s->exposure, s->rows, s->cols);
    if (s->absolute && !isnan(s->thickness.electrons_per_s)) {
        out->mass_thickness = edx_array_2(EDX_F4, s->thick, s->rows, s->cols);
        out->atoms = edx_array_3(EDX_F4, s->atoms, s->n, s->rows, s->cols);
    }
}

void edx_analysis_show(edx_analysis *analysis, edx_results *out)
{
    edx_analysis_bin_spectrum(analysis);
    edx_pool_run(analysis->pool, (analysis->now->rows - 1) / edx_pool_rows(analysis->now->cols) + 1,
                 bin_rows, analysis);
    edx_analysis_head(analysis, &out->head);
    fill_spectrum(analysis, &out->spectrum);
    out->has_maps = analysis->now->n > 0;
    if (out->has_maps) {
        quantify(analysis);
        fill_maps(analysis, &out->maps);
    }
    analysis->now->shown = true;
}
