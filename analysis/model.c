#include "analysis/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lstsq.h"

#define BACKGROUND_TERMS 4u
#define REWEIGHTINGS 6
#define TIE_SIGMA 20.0
#define TIE_FACTOR 3.0
#define TIE_EV 1000.0
#define ANCHOR_SIGMA 5.0
#define FOREIGN 0.02
#define LEAST_EV 450.0 /* below, detectors lose charge and know noise */
#define EXPECTED 5.0   /* counts that chi-squared asks for */

static const int always[] = {6, 7, 8, 13, 14, 17, 29};
#define ALWAYS (sizeof always / sizeof *always)

struct edx_model {
    edx_axis axis;
    uint32_t n, channels, first, end;
    uint32_t t;
    bool floating;
    edx_templates *templates;
    edx_lstsq *lstsq;
    int template_of[EDX_MAX_LINES]; /* of each line; -1: none */
    int z[EDX_MAX_LINES];
    double *windows; /* [n, E] as they are */
    double *shapes;  /* [t, E], tied ones together */
    int *tied;       /* [t] template of its element that it is a part of now, -1: none */
    uint32_t *which; /* [used] templates in order of precedence */
    uint32_t used;
    double *weights;                   /* [E] */
    double *packed;                    /* [used] amplitudes */
    double *packed_rows;               /* [used, E] */
    double *amplitudes, *sigmas;       /* [t] */
    double *ratio;                     /* [t] to the amplitude of that one */
    double *rows, *anchors, *anchored; /* [n, E] */
    double *totals, *anchor_totals;    /* [n] */
    double *fitted, *background;       /* [E] */
    double chi2;
    uint32_t dof;
};

/* ---- life ---- */

static bool allocate(edx_model *m)
{
    size_t lines = (size_t)m->n * m->channels + 1, all = (size_t)m->t * m->channels;

    m->windows = calloc(lines, sizeof *m->windows);
    m->rows = calloc(lines, sizeof *m->rows);
    m->anchors = calloc(lines, sizeof *m->anchors);
    m->anchored = calloc(lines, sizeof *m->anchored);
    m->totals = calloc(m->n + 1, sizeof *m->totals);
    m->anchor_totals = calloc(m->n + 1, sizeof *m->anchor_totals);
    m->shapes = calloc(all, sizeof *m->shapes);
    m->packed_rows = calloc(all, sizeof *m->packed_rows);
    m->tied = calloc(m->t, sizeof *m->tied);
    m->which = calloc(m->t, sizeof *m->which);
    m->packed = calloc(m->t, sizeof *m->packed);
    m->amplitudes = calloc(m->t, sizeof *m->amplitudes);
    m->sigmas = calloc(m->t, sizeof *m->sigmas);
    m->ratio = calloc(m->t, sizeof *m->ratio);
    m->weights = calloc(m->channels, sizeof *m->weights);
    m->fitted = calloc(m->channels, sizeof *m->fitted);
    m->background = calloc(m->channels, sizeof *m->background);
    return m->windows && m->rows && m->anchors && m->anchored && m->totals && m->anchor_totals &&
           m->shapes && m->packed_rows && m->tied && m->which && m->packed && m->amplitudes &&
           m->sigmas && m->ratio && m->weights && m->fitted && m->background;
}

static bool has_element(const edx_templates *templates, int z)
{
    for (uint32_t i = 0; i < edx_templates_n(templates); i++)
        if (edx_templates_at(templates, i)->z == z)
            return true;
    return false;
}

static edx_status add_all_series(edx_templates *templates, int z, int but, edx_error *err)
{
    edx_status status = EDX_OK;
    int index;

    for (int s = 0; s < EDX_XRAY_SERIES && status == EDX_OK; s++)
        if (s != but)
            status = edx_templates_add(templates, z, (edx_xray_series)s, &index, err);
    return status;
}

/* The series of a line's name: "Ag_La" is L. */
static edx_xray_series series_of(const edx_line *line)
{
    const char *bar = strchr(line->name, '_');
    char shell = 'K';
    if (bar)
        shell = bar[1];
    return shell == 'K' ? EDX_XRAY_K : shell == 'L' ? EDX_XRAY_L : EDX_XRAY_M;
}

static edx_status add_templates(edx_templates *t, const edx_model_setup *setup, int *of_line,
                                edx_error *err)
{
    const edx_line *lines = setup->lines;
    edx_status status = EDX_OK;

    for (uint32_t i = 0; i < setup->n && status == EDX_OK; i++)
        status = edx_templates_add(t, lines[i].z, series_of(&lines[i]), &of_line[i], err);
    for (uint32_t i = 0; i < setup->n && status == EDX_OK; i++)
        status = add_all_series(t, lines[i].z, (int)series_of(&lines[i]), err);
    for (size_t i = 0; i < setup->n_others + ALWAYS && status == EDX_OK; i++) {
        int z = i < ALWAYS ? always[i] : setup->others[i - ALWAYS];
        if (!has_element(t, z))
            status = add_all_series(t, z, -1, err);
    }
    return status == EDX_OK ? edx_templates_add_background(t, BACKGROUND_TERMS, err) : status;
}

edx_status edx_model_make_templates(const edx_axis *axis, const edx_model_setup *setup,
                                    edx_templates **out, int *of_line, edx_error *err)
{
    uint32_t most =
        EDX_XRAY_SERIES * (setup->n + setup->n_others + (uint32_t)ALWAYS) + BACKGROUND_TERMS;
    const double range_eV[2] = {fmax(setup->range_eV[0], LEAST_EV), setup->range_eV[1]};
    edx_status status = edx_templates_new(axis, range_eV, setup->beam_keV, most, out, err);
    if (status == EDX_OK)
        status = add_templates(*out, setup, of_line, err);
    if (status != EDX_OK)
        edx_templates_free(out);
    return status;
}

static edx_status take_windows(edx_model *m, const edx_model_setup *setup, edx_error *err)
{
    for (uint32_t i = 0; i < m->n; i++) {
        edx_windows windows = edx_lines_windows(&setup->lines[i]);
        if (!edx_windows_row(&m->axis, &windows, m->windows + (size_t)i * m->channels))
            return edx_fail(err, EDX_E_RANGE,
                            "%s: a window without channels, expected one at least",
                            setup->lines[i].name);
    }
    return EDX_OK;
}

static edx_status build(edx_model *m, const edx_model_setup *setup, edx_error *err)
{
    edx_status status =
        edx_model_make_templates(&m->axis, setup, &m->templates, m->template_of, err);
    if (status != EDX_OK)
        return status;
    for (uint32_t i = 0; i < setup->n; i++)
        m->z[i] = setup->lines[i].z;
    edx_templates_channels(m->templates, &m->first, &m->end);
    m->t = edx_templates_n(m->templates);
    if (!allocate(m))
        return edx_fail(err, EDX_E_NOMEM, "no memory for a model of %u templates", m->t);
    status = edx_lstsq_new(m->t, m->channels, &m->lstsq, err);
    if (status == EDX_OK)
        status = take_windows(m, setup, err);
    if (status == EDX_OK)
        edx_model_set_response(m, &setup->response);
    return status;
}

edx_status edx_model_new(const edx_axis *axis, const edx_model_setup *setup, edx_model **out,
                         edx_error *err)
{
    edx_model *m = calloc(1, sizeof *m);

    *out = NULL;
    if (!m)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a model");
    m->axis = *axis;
    m->channels = axis->channels;
    m->n = setup->n;
    m->floating = setup->floating;
    edx_status status =
        setup->n <= EDX_MAX_LINES
            ? build(m, setup, err)
            : edx_fail(err, EDX_E_RANGE, "%u lines, expected %u at most", setup->n, EDX_MAX_LINES);
    if (status != EDX_OK)
        edx_model_free(&m);
    *out = m;
    return status;
}

void edx_model_free(edx_model **model)
{
    edx_model *m = *model;

    *model = NULL;
    if (!m)
        return;
    edx_templates_free(&m->templates);
    edx_lstsq_free(&m->lstsq);
    double *const memory[] = {m->windows, m->rows,          m->anchors,   m->anchored,
                              m->totals,  m->anchor_totals, m->shapes,    m->packed_rows,
                              m->packed,  m->amplitudes,    m->sigmas,    m->ratio,
                              m->weights, m->fitted,        m->background};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        free(memory[i]);
    free(m->tied);
    free(m->which);
    free(m);
}

void edx_model_set_response(edx_model *model, const edx_response *response)
{
    edx_templates_shape(model->templates, response);
}

/* ---- the fit ---- */

static double *row_of(const edx_model *m, double *rows, uint32_t i)
{
    return rows + (size_t)i * m->channels;
}

static double dot(const edx_model *m, const double *a, const double *b)
{
    double sum = 0;
    for (uint32_t c = 0; c < m->channels; c++)
        sum += a[c] * b[c];
    return sum;
}

static double variance(const edx_model *m, const double *row, const double *spectrum)
{
    double sum = 0;
    for (uint32_t c = 0; c < m->channels; c++)
        sum += row[c] * row[c] * spectrum[c];
    return sum;
}

static bool is_zero(const edx_model *m, const double *row)
{
    uint32_t c = m->first;

    while (c < m->end && row[c] == 0)
        c++;
    return c == m->end;
}

static int line_of(const edx_model *m, uint32_t template)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (m->template_of[i] == (int)template)
            return (int)i;
    return -1;
}

static int listed_element(const edx_model *m, int z)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (m->z[i] == z)
            return (int)i;
    return -1;
}

/* 0: a listed line's, 1: bremsstrahlung, 2: other series of listed elements, 3: other elements. */
static int rank_of(const edx_model *m, uint32_t template)
{
    int z = edx_templates_at(m->templates, template)->z;
    if (line_of(m, template) >= 0)
        return 0;
    return z == 0 ? 1 : listed_element(m, z) >= 0 ? 2 : 3;
}

static void order(edx_model *m)
{
    m->used = 0;
    for (int rank = 0; rank < 4; rank++)
        for (uint32_t i = 0; i < m->t; i++)
            if (rank_of(m, i) == rank && m->tied[i] < 0)
                m->which[m->used++] = i;
}

static edx_status fit(edx_model *m, const double *spectrum, edx_error *err)
{
    order(m);
    edx_lstsq_problem problem = {m->shapes, m->channels, m->first, m->end, m->which, m->used};
    edx_status status = edx_lstsq_poisson(m->lstsq, &problem, REWEIGHTINGS, spectrum, m->weights,
                                          m->packed, m->fitted, err);
    if (status != EDX_OK)
        return status;
    edx_lstsq_rows(m->lstsq, m->packed_rows);
    for (uint32_t i = 0; i < m->t; i++)
        m->amplitudes[i] = m->sigmas[i] = NAN;
    for (uint32_t k = 0; k < m->used; k++) {
        const double *row = row_of(m, m->packed_rows, k);
        if (is_zero(m, row))
            continue;
        m->amplitudes[m->which[k]] = m->packed[k];
        m->sigmas[m->which[k]] = sqrt(variance(m, row, spectrum));
    }
    return EDX_OK;
}

/* ---- ties ---- */

/* The ratio of two series' counts that xraylib gives. */
static double computed_ratio(const edx_model *m, uint32_t a, uint32_t to)
{
    return edx_templates_at(m->templates, a)->weight / edx_templates_at(m->templates, to)->weight;
}

static bool above(const edx_model *m, uint32_t i, double energy_eV)
{
    return edx_templates_at(m->templates, i)->energy_eV >= energy_eV;
}

static bool seen(const edx_model *m, uint32_t i, double sigma)
{
    return m->amplitudes[i] > sigma * m->sigmas[i];
}

/* Makes template i a part of another; the amplitude of the two stays that of the other. */
static void tie(edx_model *m, uint32_t i, uint32_t to, double ratio)
{
    const double *part = row_of(m, m->shapes, i);
    double *shape = row_of(m, m->shapes, to);

    for (uint32_t c = m->first; c < m->end; c++)
        shape[c] += ratio * part[c];
    m->tied[i] = (int)to;
    m->ratio[i] = ratio;
}

/* A listed line measures with another series of its element when their ratio is known well and is
 * about what it should be. */
static bool tie_listed(edx_model *m, uint32_t i, int line)
{
    if (m->template_of[line] < 0 || m->template_of[line] == (int)i)
        return false;
    uint32_t to = (uint32_t)m->template_of[line];
    if (!above(m, i, TIE_EV) || !above(m, to, TIE_EV) || !seen(m, i, TIE_SIGMA) ||
        !seen(m, to, TIE_SIGMA))
        return false;
    double ratio = m->amplitudes[i] / m->amplitudes[to], computed = computed_ratio(m, i, to);
    if (!(ratio < TIE_FACTOR * computed && ratio * TIE_FACTOR > computed))
        return false;
    tie(m, i, to, ratio);
    return true;
}

/* The series of another element that is seen best; -1 when none is. */
static int best_series(const edx_model *m, int z)
{
    int best = -1;
    double most = 0;
    for (uint32_t i = 0; i < m->t; i++) {
        double significance = m->amplitudes[i] / m->sigmas[i];
        if (edx_templates_at(m->templates, i)->z != z || !above(m, i, TIE_EV) ||
            !(significance > most))
            continue;
        best = (int)i;
        most = significance;
    }
    return best;
}

/* Of an element that is not listed, no series is more than the factor away from what the one that
 * is seen best makes of it: else it may soak up what is wrong with a listed line's template. */
static bool tie_other(edx_model *m, uint32_t i, int z)
{
    int to = best_series(m, z);
    if (to < 0 || to == (int)i || !above(m, i, TIE_EV) || isnan(m->amplitudes[i]))
        return false;
    double ratio = m->amplitudes[i] / m->amplitudes[to];
    double computed = computed_ratio(m, i, (uint32_t)to);
    double most = TIE_FACTOR * computed, least = computed / TIE_FACTOR;
    if (ratio >= least && ratio <= most)
        return false;
    tie(m, i, (uint32_t)to, fmin(fmax(ratio, least), most));
    return true;
}

static bool tie_all(edx_model *m)
{
    bool any = false;

    for (uint32_t i = 0; i < m->t; i++) {
        int z = edx_templates_at(m->templates, i)->z, line = listed_element(m, z);
        if (z != 0 && (line >= 0 ? tie_listed(m, i, line) : tie_other(m, i, z)))
            any = true;
    }
    return any;
}

/* What is tied has the amplitude that its ratio gives it. */
static void share_amplitudes(edx_model *m)
{
    for (uint32_t i = 0; i < m->t; i++) {
        if (m->tied[i] < 0)
            continue;
        m->amplitudes[i] = m->ratio[i] * m->amplitudes[m->tied[i]];
        m->sigmas[i] = m->ratio[i] * m->sigmas[m->tied[i]];
    }
}

static void untie(edx_model *m)
{
    memcpy(m->shapes, edx_templates_spectra(m->templates), sizeof *m->shapes * m->t * m->channels);
    for (uint32_t i = 0; i < m->t; i++)
        m->tied[i] = -1;
}

/* ---- what comes of it ---- */

static int place_of(const edx_model *m, uint32_t template)
{
    for (uint32_t k = 0; k < m->used; k++)
        if (m->which[k] == template)
            return (int)k;
    return -1;
}

static void take_rows(edx_model *m)
{
    for (uint32_t i = 0; i < m->n; i++) {
        int t = m->template_of[i];
        const double *from = t < 0 ? row_of(m, m->windows, i)
                                   : row_of(m, m->packed_rows, (uint32_t)place_of(m, (uint32_t)t));
        memcpy(row_of(m, m->rows, i), from, sizeof *from * m->channels);
    }
}

/* The windows of line i, less the other elements that count in them. */
static void take_anchor(edx_model *m, uint32_t i)
{
    const double *windows = row_of(m, m->windows, i);
    double *anchor = row_of(m, m->anchors, i);

    memcpy(anchor, windows, sizeof *anchor * m->channels);
    for (uint32_t k = 0; k < m->used; k++) {
        int z = edx_templates_at(m->templates, m->which[k])->z;
        double share = dot(m, windows, row_of(m, m->shapes, m->which[k]));
        if (z == 0 || z == m->z[i] || fabs(share) < FOREIGN)
            continue;
        for (uint32_t c = 0; c < m->channels; c++)
            anchor[c] -= share * row_of(m, m->packed_rows, k)[c];
    }
}

/* v_i . S / g_i . S, or what it should be while that is not known. */
static double anchor_ratio(const edx_model *m, uint32_t i, const double *spectrum)
{
    const double *row = row_of(m, m->rows, i), *anchor = row_of(m, m->anchors, i);
    double v = m->anchor_totals[i], g = m->totals[i];

    if (m->template_of[i] < 0)
        return 1;
    if (v > ANCHOR_SIGMA * sqrt(variance(m, anchor, spectrum)) &&
        g > ANCHOR_SIGMA * sqrt(variance(m, row, spectrum)))
        return v / g;
    return dot(m, row_of(m, m->windows, i), row_of(m, m->shapes, (uint32_t)m->template_of[i]));
}

static void anchor(edx_model *m, const double *spectrum)
{
    for (uint32_t i = 0; i < m->n; i++) {
        take_anchor(m, i);
        m->totals[i] = dot(m, row_of(m, m->rows, i), spectrum);
        m->anchor_totals[i] = dot(m, row_of(m, m->anchors, i), spectrum);
        double ratio = anchor_ratio(m, i, spectrum);
        for (uint32_t c = 0; c < m->channels; c++)
            row_of(m, m->anchored, i)[c] = ratio * row_of(m, m->rows, i)[c];
    }
}

static void take_background(edx_model *m)
{
    memset(m->background, 0, sizeof *m->background * m->channels);
    for (uint32_t k = 0; k < m->used; k++)
        for (uint32_t c = m->first;
             edx_templates_at(m->templates, m->which[k])->z == 0 && c < m->end; c++)
            m->background[c] += m->packed[k] * row_of(m, m->shapes, m->which[k])[c];
}

/* Channels of which less is expected join their neighbours; the last ones join the last group. */
static void judge(edx_model *m, const double *spectrum)
{
    double expected = 0, seen = 0, left = 0;
    uint32_t groups = 0, fitted = 0;

    m->chi2 = 0;
    for (uint32_t c = m->end; c-- > m->first;)
        left += fmax(m->fitted[c], 0);
    for (uint32_t c = m->first; c < m->end; c++) {
        expected += fmax(m->fitted[c], 0);
        seen += spectrum[c];
        left -= fmax(m->fitted[c], 0);
        if (expected < EXPECTED || (left < EXPECTED && c + 1 < m->end))
            continue;
        m->chi2 += (seen - expected) * (seen - expected) / expected;
        groups++;
        expected = seen = 0;
    }
    for (uint32_t k = 0; k < m->used; k++)
        fitted += isnan(m->sigmas[m->which[k]]) ? 0 : 1;
    m->dof = groups > fitted ? groups - fitted : 0;
}

edx_status edx_model_fit(edx_model *model, const double *spectrum, edx_error *err)
{
    edx_model *m = model;

    untie(m);
    edx_status status = fit(m, spectrum, err);
    if (status == EDX_OK && !m->floating && tie_all(m)) {
        status = fit(m, spectrum, err);
        share_amplitudes(m);
    }
    if (status != EDX_OK)
        return status;
    take_rows(m);
    anchor(m, spectrum);
    take_background(m);
    judge(m, spectrum);
    return EDX_OK;
}

/* ---- asking ---- */

const double *edx_model_rows(const edx_model *model)
{
    return model->rows;
}

const double *edx_model_anchors(const edx_model *model)
{
    return model->anchors;
}

const double *edx_model_anchored_rows(const edx_model *model)
{
    return model->anchored;
}

const double *edx_model_totals(const edx_model *model)
{
    return model->totals;
}

const double *edx_model_anchor_totals(const edx_model *model)
{
    return model->anchor_totals;
}

const double *edx_model_fitted(const edx_model *model)
{
    return model->fitted;
}

const double *edx_model_background(const edx_model *model)
{
    return model->background;
}

double edx_model_chi2(const edx_model *model, uint32_t *dof)
{
    *dof = model->dof;
    return model->chi2;
}

uint32_t edx_model_templates(const edx_model *model)
{
    return model->t;
}

const edx_template *edx_model_template(const edx_model *model, uint32_t index)
{
    return edx_templates_at(model->templates, index);
}

double edx_model_amplitude(const edx_model *model, uint32_t index, double *sigma)
{
    *sigma = model->sigmas[index];
    return model->amplitudes[index];
}

int edx_model_line_template(const edx_model *model, uint32_t i)
{
    return model->template_of[i];
}
