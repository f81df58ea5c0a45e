#include "analysis/elements.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lstsq.h"

#define FIRST_EV 180.0 /* below, there is noise */
#define FIRST_Z 5
#define LAST_Z 92
#define SERIES EDX_XRAY_SERIES
#define PEAK_SIGMA 6.0
#define LINE_ERROR 0.03       /* of the lines found: what templates are wrong by */
#define BACKGROUND_ERROR 0.03 /* of the background */
#define SOFT_ERROR 0.1 /* of it below 700 eV, where windows and dead layers have their edges */
#define SOFT_EV 700.0
#define FACTOR 3.0     /* that ratios of series may be off */
#define SURE_EV 1000.0 /* below, absorption may take any part of a series */
#define NEAR 0.35      /* FWHM that a line may lie off its peak */
#define PRINCIPAL 0.4  /* of its series' strongest: lines that peaks are named by */
#define ESCAPE_EV 1740.0
#define ARTEFACT 0.02  /* of its parent: the most that an escape or sum peak is */
#define MINOR 0.02     /* share of atoms below which none is quantified unasked */
#define SURE_SIGMA 5.0 /* that an element must be seen with in the fit of all */
#define LEAST_VARIANCE 0.01
#define NOWHERE (-1)

struct edx_elements {
    edx_axis axis;
    uint32_t channels, first, end;
    edx_templates *templates;
    int index[LAST_Z + 1][SERIES]; /* template; NOWHERE */
    edx_lstsq *lstsq;
    double resolution_eV;
    double *background, *lines, *rest; /* [E] counts: SNIP's, of what is found, what is left */
    double *poisson, *error;           /* [E] variance of counts, error of what is found */
    double *weights, *work;            /* [E] */
    bool *explained;                   /* [E] no element is looked for here any more */
    double *rows;                      /* [3 EDX_MAX_LINES, E] */
    int found[EDX_MAX_LINES];
    uint32_t n, given;
    uint32_t which[SERIES * EDX_MAX_LINES]; /* templates in the fit */
    double amplitudes[SERIES * EDX_MAX_LINES];
    uint32_t used;
};

/* ---- life ---- */

/* Noble gases but argon, and what has no stable isotope, are in no specimen. */
static bool possible(int z)
{
    static const int never[] = {10, 36, 43, 54, 61, 84, 85, 86, 87, 88, 89, 91};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (never[i] == z)
            return false;
    return z >= FIRST_Z && z <= LAST_Z;
}

static edx_status add_templates(edx_elements *e, edx_error *err)
{
    edx_status status = EDX_OK;

    for (int z = 0; z <= LAST_Z && status == EDX_OK; z++)
        for (int s = 0; s < SERIES && status == EDX_OK; s++) {
            e->index[z][s] = NOWHERE;
            if (possible(z))
                status =
                    edx_templates_add(e->templates, z, (edx_xray_series)s, &e->index[z][s], err);
        }
    return status;
}

static bool allocate(edx_elements *e)
{
    size_t n = e->channels;

    e->background = calloc(n, sizeof *e->background);
    e->lines = calloc(n, sizeof *e->lines);
    e->rest = calloc(n, sizeof *e->rest);
    e->poisson = calloc(n, sizeof *e->poisson);
    e->error = calloc(n, sizeof *e->error);
    e->weights = calloc(n, sizeof *e->weights);
    e->work = calloc(n, sizeof *e->work);
    e->explained = calloc(n, sizeof *e->explained);
    e->rows = calloc((size_t)SERIES * EDX_MAX_LINES * n, sizeof *e->rows);
    return e->background && e->lines && e->rest && e->poisson && e->error && e->weights &&
           e->work && e->explained && e->rows;
}

edx_status edx_elements_new(const edx_axis *axis, const double range_eV[2], double beam_keV,
                            edx_elements **out, edx_error *err)
{
    const double range[2] = {fmax(range_eV[0], FIRST_EV), range_eV[1]};
    edx_elements *e = calloc(1, sizeof *e);

    *out = NULL;
    if (!e)
        return edx_fail(err, EDX_E_NOMEM, "no memory to find elements");
    e->axis = *axis;
    e->channels = axis->channels;
    edx_status status =
        edx_templates_new(axis, range, beam_keV, SERIES * (LAST_Z + 1), &e->templates, err);
    if (status == EDX_OK)
        status = add_templates(e, err);
    if (status == EDX_OK)
        status = edx_lstsq_new(SERIES * EDX_MAX_LINES, e->channels, &e->lstsq, err);
    if (status == EDX_OK && !allocate(e))
        status = edx_fail(err, EDX_E_NOMEM, "no memory to find elements");
    if (status == EDX_OK)
        edx_templates_channels(e->templates, &e->first, &e->end);
    else
        edx_elements_free(&e);
    *out = e;
    return status;
}

void edx_elements_free(edx_elements **elements)
{
    edx_elements *e = *elements;

    *elements = NULL;
    if (!e)
        return;
    edx_templates_free(&e->templates);
    edx_lstsq_free(&e->lstsq);
    free(e->background);
    free(e->lines);
    free(e->rest);
    free(e->poisson);
    free(e->error);
    free(e->weights);
    free(e->work);
    free(e->explained);
    free(e->rows);
    free(e);
}

/* ---- along the axis ---- */

static double energy_at(const edx_elements *e, uint32_t channel)
{
    return e->axis.offset_eV + e->axis.scale_eV * channel;
}

static double fwhm_at(const edx_elements *e, double energy_eV)
{
    return edx_windows_fwhm(energy_eV, e->resolution_eV);
}

/* Channels of some FWHM on either side, one at least. */
static uint32_t channels_of(const edx_elements *e, uint32_t channel, double widths)
{
    double n = ceil(widths * fwhm_at(e, energy_at(e, channel)) / e->axis.scale_eV);
    return n < 1 ? 1 : (uint32_t)n;
}

static uint32_t below(const edx_elements *e, uint32_t channel, uint32_t by)
{
    return channel - e->first < by ? e->first : channel - by;
}

static uint32_t above(const edx_elements *e, uint32_t channel, uint32_t by)
{
    return e->end - 1 - channel < by ? e->end - 1 : channel + by;
}

/* The detector's Gaussian, by distance in channels. */
static double bell(const edx_elements *e, uint32_t at, uint32_t channel)
{
    double x = ((double)channel - at) * e->axis.scale_eV / fwhm_at(e, energy_at(e, at));
    return exp(-4 * log(2) * x * x);
}

static void smooth(const edx_elements *e, const double *from, double *to)
{
    for (uint32_t c = e->first; c < e->end; c++) {
        uint32_t reach = channels_of(e, c, 1);
        double sum = 0, weight = 0;
        for (uint32_t k = below(e, c, reach); k <= above(e, c, reach); k++) {
            double w = bell(e, c, k);
            sum += w * from[k];
            weight += w;
        }
        to[c] = sum / weight;
    }
}

/* ---- background ---- */

static double squeeze(double y)
{
    return log(log(sqrt(fmax(y, 0) + 1) + 1) + 1);
}

static double unsqueeze(double v)
{
    double root = exp(exp(v) - 1) - 1;
    return root * root - 1;
}

/* SNIP (Ryan et al., Nucl. Instrum. Methods B 34 (1988) 396) on the smoothed spectrum: what is left
 * when everything narrower than two FWHM is clipped. */
static void find_background(edx_elements *e, const double *spectrum)
{
    double *v = e->work, *next = e->weights;
    uint32_t most = 1;

    smooth(e, spectrum, v);
    for (uint32_t c = e->first; c < e->end; c++) {
        uint32_t reach = channels_of(e, c, 2);
        most = reach > most ? reach : most;
        v[c] = squeeze(v[c]);
    }
    for (uint32_t p = most; p > 0; p--) {
        for (uint32_t c = e->first; c < e->end; c++) {
            double between = 0.5 * (v[below(e, c, p)] + v[above(e, c, p)]);
            next[c] = p <= channels_of(e, c, 2) ? fmin(v[c], between) : v[c];
        }
        memcpy(v + e->first, next + e->first, sizeof *v * (e->end - e->first));
    }
    for (uint32_t c = e->first; c < e->end; c++)
        v[c] = fmax(unsqueeze(v[c]), 0);
    smooth(e, v, e->background);
}

/* ---- the fit of what is found ---- */

static void list_series(edx_elements *e)
{
    e->used = 0;
    for (uint32_t i = 0; i < e->n; i++)
        for (int s = 0; s < SERIES; s++)
            if (e->index[e->found[i]][s] != NOWHERE)
                e->which[e->used++] = (uint32_t)e->index[e->found[i]][s];
}

/* Takes out those of negative amplitude; whether there were any. */
static bool drop_negative(edx_elements *e)
{
    uint32_t kept = 0, n = e->used;
    for (uint32_t k = 0; k < n; k++)
        if (e->amplitudes[k] > 0) {
            e->which[kept] = e->which[k];
            e->amplitudes[kept++] = e->amplitudes[k];
        }
    e->used = kept;
    return kept < n;
}

static edx_lstsq_problem problem_of(const edx_elements *e, const uint32_t *which, uint32_t n)
{
    return (edx_lstsq_problem){
        edx_templates_spectra(e->templates), e->channels, e->first, e->end, which, n};
}

/* Error of what is found: of the strongest of its channels within half a FWHM, since a peak that is
 * a little off leaves something at its flanks. */
static void find_errors(edx_elements *e)
{
    for (uint32_t c = e->first; c < e->end; c++) {
        uint32_t reach = channels_of(e, c, 0.5);
        double most = 0;
        for (uint32_t k = below(e, c, reach); k <= above(e, c, reach); k++)
            most = fmax(most, e->lines[k]);
        double soft = energy_at(e, c) < SOFT_EV ? SOFT_ERROR : BACKGROUND_ERROR;
        e->error[c] = LINE_ERROR * most + soft * e->background[c];
    }
}

static edx_status fit(edx_elements *e, const double *spectrum, edx_error *err)
{
    edx_status status = EDX_OK;

    list_series(e);
    for (uint32_t c = e->first; c < e->end; c++) {
        e->rest[c] = spectrum[c] - e->background[c];
        e->lines[c] = 0;
        e->weights[c] = 1 / e->poisson[c];
    }
    do {
        edx_lstsq_problem problem = problem_of(e, e->which, e->used);
        status = edx_lstsq_prepare(e->lstsq, &problem, e->weights, err);
        if (status != EDX_OK)
            return status;
        edx_lstsq_solve(e->lstsq, e->rest, e->amplitudes, e->lines);
    } while (drop_negative(e));
    for (uint32_t c = e->first; c < e->end; c++)
        e->rest[c] -= e->lines[c];
    find_errors(e);
    return EDX_OK;
}

/* ---- peaks ---- */

/* What is left at a channel, as seen by the detector's Gaussian, over its sigma; *net its counts.
 */
static double significance(const edx_elements *e, uint32_t channel, double *net)
{
    uint32_t reach = channels_of(e, channel, 1);
    double sum = 0, squares = 0, variance = 0, error = 0, area = 0;

    for (uint32_t k = below(e, channel, reach); k <= above(e, channel, reach); k++) {
        double w = bell(e, channel, k);
        sum += w * e->rest[k];
        area += w;
        squares += w * w;
        variance += w * w * e->poisson[k];
        error += w * e->error[k];
    }
    *net = sum * area / squares;
    return sum / sqrt(variance + error * error);
}

/* The channel of the strongest peak that may be a new element's; false when there is none. */
static bool strongest_peak(const edx_elements *e, uint32_t *channel, double *net)
{
    double most = PEAK_SIGMA, counts;
    bool any = false;
    for (uint32_t c = e->first; c < e->end; c++) {
        if (e->explained[c])
            continue;
        double z = significance(e, c, &counts);
        if (!(z > most))
            continue;
        most = z;
        *net = counts;
        *channel = c;
        any = true;
    }
    return any;
}

static void explain(edx_elements *e, uint32_t channel)
{
    uint32_t reach = channels_of(e, channel, 0.5);
    for (uint32_t k = below(e, channel, reach); k <= above(e, channel, reach); k++)
        e->explained[k] = true;
}

/* Counts of what is found within half a FWHM of an energy. */
static double lines_at(const edx_elements *e, double energy_eV)
{
    double sum = 0, half = 0.5 * fwhm_at(e, energy_eV);
    for (uint32_t c = e->first; c < e->end; c++)
        if (fabs(energy_at(e, c) - energy_eV) <= half)
            sum += e->lines[c];
    return sum;
}

/* An escape peak of a line 1.74 keV above, or a sum peak of two found lines that are one. */
static bool artefact(const edx_elements *e, double energy_eV, double net)
{
    return net < ARTEFACT * lines_at(e, energy_eV + ESCAPE_EV) ||
           net < ARTEFACT * lines_at(e, 0.5 * energy_eV);
}

/* ---- candidates ---- */

static const double *spectrum_of(const edx_elements *e, uint32_t template)
{
    return edx_templates_spectra(e->templates) + (size_t) template * e->channels;
}

/* Whether a series is near its highest in a channel: has it a principal line there? The template is
 * at its highest where it has one. */
static bool has_line_at(const edx_elements *e, int template, uint32_t channel)
{
    const double *t = spectrum_of(e, (uint32_t) template);
    uint32_t reach = channels_of(e, channel, NEAR), at = channel;
    double highest = 0;
    for (uint32_t c = e->first; c < e->end; c++)
        highest = fmax(highest, t[c]);
    for (uint32_t k = below(e, channel, reach); k <= above(e, channel, reach); k++)
        at = t[k] > t[at] ? k : at;
    bool top = at > e->first && at + 1 < e->end && t[at] >= t[at - 1] && t[at] >= t[at + 1];
    return top && t[at] > PRINCIPAL * highest;
}

/* Ratio of amplitudes to those of series main within what is possible: what is absorbed on its way
 * may be missing, what is not must be there. */
static void confine(const edx_elements *e, const int *series, int main, double *amplitudes)
{
    const edx_template *first = edx_templates_at(e->templates, (uint32_t)series[main]);
    for (int s = 0; s < SERIES; s++) {
        if (series[s] == NOWHERE || s == main)
            continue;
        const edx_template *other = edx_templates_at(e->templates, (uint32_t)series[s]);
        double ratio = other->weight / first->weight;
        double least = other->energy_eV < SURE_EV ? 0 : amplitudes[main] * ratio / FACTOR;
        amplitudes[s] = fmin(fmax(amplitudes[s], least), amplitudes[main] * ratio * FACTOR);
    }
}

/* What each series alone would take of what is left, and how much less chi-squared that leaves. */
static double project(const edx_elements *e, int template, double *amplitude)
{
    const double *t = spectrum_of(e, (uint32_t) template);
    double tt = 0, tr = 0;
    for (uint32_t c = e->first; c < e->end; c++) {
        tt += t[c] * t[c] * e->weights[c];
        tr += t[c] * e->rest[c] * e->weights[c];
    }
    *amplitude = tt > 0 && tr > 0 ? tr / tt : 0;
    return *amplitude * tr;
}

/* By how much an element lessens chi-squared, its series being in ratios that can be. */
static double merit(const edx_elements *e, int z)
{
    const int *series = e->index[z];
    double amplitudes[SERIES] = {0}, best = 0, sum = 0;
    int main = NOWHERE;
    for (int s = 0; s < SERIES; s++) {
        double alone = series[s] == NOWHERE ? 0 : project(e, series[s], &amplitudes[s]);
        if (alone <= best)
            continue;
        best = alone;
        main = s;
    }
    if (main == NOWHERE)
        return 0;
    confine(e, series, main, amplitudes);
    for (uint32_t c = e->first; c < e->end; c++) {
        double f = 0;
        for (int s = 0; s < SERIES; s++)
            f += series[s] == NOWHERE ? 0 : amplitudes[s] * spectrum_of(e, (uint32_t)series[s])[c];
        sum += e->weights[c] * f * (2 * e->rest[c] - f);
    }
    return sum;
}

static bool is_found(const edx_elements *e, int z)
{
    for (uint32_t i = 0; i < e->n; i++)
        if (e->found[i] == z)
            return true;
    return false;
}

/* The element that explains most, of those with a principal line at the peak; 0 for none. */
static int best_element(edx_elements *e, uint32_t channel)
{
    double most = 0;
    int best = 0;
    for (uint32_t c = e->first; c < e->end; c++)
        e->weights[c] = 1 / (e->poisson[c] + e->error[c] * e->error[c]);
    for (int z = FIRST_Z; z <= LAST_Z; z++) {
        bool here = false;
        for (int s = 0; s < SERIES && !is_found(e, z); s++)
            here = here || (e->index[z][s] != NOWHERE && has_line_at(e, e->index[z][s], channel));
        double m = here ? merit(e, z) : 0;
        if (m <= most)
            continue;
        most = m;
        best = z;
    }
    return best;
}

static edx_status search(edx_elements *e, const double *spectrum, edx_error *err)
{
    edx_status status = fit(e, spectrum, err);
    uint32_t channel = 0;
    double net = 0;

    while (status == EDX_OK && e->n < EDX_MAX_LINES && strongest_peak(e, &channel, &net)) {
        int z = artefact(e, energy_at(e, channel), net) ? 0 : best_element(e, channel);
        if (z > 0) {
            e->found[e->n++] = z;
            status = fit(e, spectrum, err);
        }
        explain(e, channel); /* by this element, or by nothing that is known */
    }
    return status;
}

/* ---- what comes of it ---- */

/* The series of an element that is seen best, its place in the fit; its counts and two sigmas: of
 * the counts, and with the errors. NOWHERE when the fit has none. */
static int best_place(const edx_elements *e, int z, double *net, double *sigma, double *sure)
{
    int best = NOWHERE;
    *net = *sigma = *sure = 0;
    for (uint32_t k = 0; k < e->used; k++) {
        const double *row = e->rows + (size_t)k * e->channels;
        double variance = 0, error = 0;
        if (edx_templates_at(e->templates, e->which[k])->z != z)
            continue;
        for (uint32_t c = e->first; c < e->end; c++) {
            variance += row[c] * row[c] * e->poisson[c];
            error += fabs(row[c]) * e->error[c];
        }
        double s = e->amplitudes[k] / sqrt(variance + error * error);
        if (!(s > *sure))
            continue;
        best = (int)k;
        *net = e->amplitudes[k];
        *sigma = sqrt(variance);
        *sure = s;
    }
    return best;
}

/* Leaves out, one after the other, the weakest that is not given and not seen in the fit of all. */
static edx_status prune(edx_elements *e, const double *spectrum, edx_error *err)
{
    for (;;) {
        double least = SURE_SIGMA, net, sigma, sure;
        uint32_t weakest = e->n;
        edx_status status = fit(e, spectrum, err);
        if (status != EDX_OK)
            return status;
        edx_lstsq_rows(e->lstsq, e->rows);
        for (uint32_t i = e->given; i < e->n; i++) {
            best_place(e, e->found[i], &net, &sigma, &sure);
            if (sure >= least)
                continue;
            least = sure;
            weakest = i;
        }
        if (weakest == e->n)
            return EDX_OK;
        e->n--;
        memmove(&e->found[weakest], &e->found[weakest + 1], sizeof *e->found * (e->n - weakest));
    }
}

/* Carbon, nitrogen, oxygen, aluminium, silicon, chlorine, copper: film, air, detector, grid;
 * zirconium, which detectors of four segments show on whatever specimen. */
static bool is_instrument(int z)
{
    static const int known[] = {6, 7, 8, 13, 14, 17, 29, 40};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == z)
            return true;
    return false;
}

/* Fills found, but for share and quantify; atoms in a unit common to all. */
static void describe(const edx_elements *e, uint32_t i, edx_found *found, double *atoms)
{
    static const char *const families[SERIES] = {"Ka", "La", "Ma"};
    double sure;
    int place = best_place(e, e->found[i], &found->net, &found->sigma, &sure);

    found->z = e->found[i];
    found->given = i < e->given;
    found->instrument = !found->given && is_instrument(found->z);
    edx_xray_symbol(found->z, found->symbol);
    found->line[0] = '\0';
    *atoms = 0;
    if (place == NOWHERE)
        return;
    const edx_template *t = edx_templates_at(e->templates, e->which[place]);
    snprintf(found->line, sizeof found->line, "%s_%s", found->symbol, families[t->series]);
    *atoms = found->instrument ? 0 : found->net / t->weight;
}

static int by_significance(const void *a, const void *b)
{
    const edx_found *x = a, *y = b;
    double left = x->net * y->sigma, right = y->net * x->sigma;
    return left < right ? 1 : left > right ? -1 : x->z - y->z;
}

static void report(const edx_elements *e, edx_found *out)
{
    double atoms[EDX_MAX_LINES], all = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        describe(e, i, &out[i], &atoms[i]);
        all += atoms[i];
    }
    for (uint32_t i = 0; i < e->n; i++) {
        out[i].share = all > 0 ? atoms[i] / all : 0;
        out[i].quantify = e->given > 0 ? out[i].given : out[i].share >= MINOR;
    }
    qsort(out + e->given, e->n - e->given, sizeof *out, by_significance);
}

static void begin(edx_elements *e, const double *spectrum, const edx_response *response,
                  const int *given, uint32_t n_given)
{
    e->resolution_eV = response->resolution_eV;
    e->n = 0;
    for (uint32_t i = 0; i < n_given && e->n < EDX_MAX_LINES; i++)
        if (given[i] >= FIRST_Z && given[i] <= LAST_Z && !is_found(e, given[i]))
            e->found[e->n++] = given[i];
    e->given = e->n;
    edx_templates_shape(e->templates, response);
    memset(e->explained, 0, sizeof *e->explained * e->channels);
    find_background(e, spectrum);
    smooth(e, spectrum, e->poisson);
    for (uint32_t c = e->first; c < e->end; c++)
        e->poisson[c] = fmax(e->poisson[c], LEAST_VARIANCE);
}

edx_status edx_elements_find(edx_elements *elements, const double *spectrum,
                             const edx_response *response, const int *given, uint32_t n_given,
                             edx_found *out, uint32_t *n, edx_error *err)
{
    edx_elements *e = elements;
    double sum = 0;

    *n = 0;
    for (uint32_t c = e->first; c < e->end; c++)
        sum += spectrum[c];
    if (!isfinite(sum))
        return edx_fail(err, EDX_E_NUMERIC, "a spectrum that is not finite");
    begin(e, spectrum, response, given, n_given);
    edx_status status = search(e, spectrum, err);
    if (status == EDX_OK)
        status = prune(e, spectrum, err);
    if (status != EDX_OK)
        return status;
    report(e, out);
    *n = e->n;
    return EDX_OK;
}
