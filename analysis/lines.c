#include "analysis/lines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/windows.h"
#include "analysis/xray.h"

#define DEFAULT_RESOLUTION 130.0 /* eV at Mn Ka: a silicon drift detector */
#define AXIS_MARGIN 100.0        /* eV that a default line stays above the axis' start */
#define EXCITES 2.0              /* overvoltage that a default line asks for */
#define STROBE_END 100.0         /* eV: below lies a strobe peak, not X-rays */
/* Relative error of a computed k: the cross sections of outer shells are known less well, and the
 * Au M lines of one measured AgAu film are off by two thirds (Moreira 2024: 1.44, computed 2.4). */
#define BARN_M2 1e-28
#define COMPUTED_K_SIGMA_K 0.2
#define COMPUTED_K_SIGMA_L 0.3
#define COMPUTED_K_SIGMA_M 0.6
#define TRACE 0.25     /* atoms of what is always about, per atom of a listed element */
#define TOLERABLE 0.02 /* foreign counts that a default line may take, as part of its own */

#define ALWAYS 5

double edx_lines_fwhm(double energy_eV, double resolution_eV)
{
    return edx_windows_fwhm(energy_eV, resolution_eV);
}

void edx_lines_range(const edx_settings *settings, const edx_begin *begin, const edx_axis *axis,
                     double range_eV[2])
{
    bool automatic = isnan(settings->analysis.energy_eV[0]);
    range_eV[0] = automatic ? -INFINITY : settings->analysis.energy_eV[0];
    range_eV[1] = automatic ? INFINITY : settings->analysis.energy_eV[1];
    if (automatic && begin->offset_eV < 0 && edx_windows_first(axis, STROBE_END) < axis->channels)
        range_eV[0] = STROBE_END;
}

/* ---- names ---- */

static edx_status no_family(const char *name, const char *family, edx_error *err)
{
    char known[160];
    size_t used = 0;
    for (int i = 0; edx_xray_family_name(i); i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 edx_xray_family_name(i));
    return edx_fail(err, EDX_E_UNKNOWN, "%s: no family %s, expected one of %s", name, family,
                    known);
}

/* Splits "Ag_La" and looks both halves up; fills name, element, z and energy_eV of out. */
static edx_status identify(const char *name, edx_line *out, int *family, edx_error *err)
{
    const char *bar = strchr(name, '_');
    size_t n = bar ? (size_t)(bar - name) : 0;
    if (n < 1 || n >= EDX_SYMBOL_SIZE || strlen(name) >= EDX_LINE_SIZE)
        return edx_fail(err, EDX_E_UNKNOWN, "%.32s: no line, expected a name such as Ag_La", name);
    memset(out, 0, sizeof *out);
    memcpy(out->name, name, strlen(name));
    memcpy(out->element, name, n);
    out->z = edx_xray_z(out->element);
    if (out->z <= 0)
        return edx_fail(err, EDX_E_UNKNOWN, "%s: no element %s, expected a symbol such as Ag", name,
                        out->element);
    *family = edx_xray_family(bar + 1);
    if (*family < 0)
        return no_family(name, bar + 1, err);
    out->energy_eV = edx_xray_family_energy(out->z, *family);
    if (out->energy_eV <= 0)
        return edx_fail(err, EDX_E_UNKNOWN, "%s: %s has no such line, expected another family",
                        name, out->element);
    out->atomic_weight = edx_xray_atomic_weight(out->z);
    return EDX_OK;
}

edx_status edx_lines_energy(const char *name, double *energy_eV, edx_error *err)
{
    edx_line line;
    int family;
    edx_status status = identify(name, &line, &family, err);
    if (status == EDX_OK)
        *energy_eV = line.energy_eV;
    return status;
}

/* ---- surroundings ---- */

static void add_element(edx_surroundings *around, edx_emission *memory, double beam_eV, int z,
                        double amount)
{
    edx_xray_line lines[EDX_XRAY_LINES];
    for (size_t i = 0; i < around->n; i++)
        if (memory[i].z == z)
            return;
    size_t n = z > 0 ? edx_xray_lines(z, beam_eV, lines) : 0;
    for (size_t i = 0; i < n; i++)
        memory[around->n++] = (edx_emission){lines[i].energy_eV, lines[i].weight * amount, z};
}

/* All emissions (in *owned, the caller's to free) of the settings' and begin's elements and of what
 * is in every specimen's neighbourhood: film, oxide, grid and detector. */
static edx_status surround(const edx_settings *settings, const edx_begin *begin,
                           const edx_axis *axis, edx_surroundings *out, edx_emission **owned,
                           edx_error *err)
{
    static const char *const always[ALWAYS] = {"C", "O", "Si", "Cu", "Cl"};
    size_t elements = settings->quant.n_lines + begin->n_elements + ALWAYS;
    edx_emission *memory = calloc(elements * EDX_XRAY_LINES, sizeof *memory);
    double beam_eV = begin->beam_keV * 1e3;
    if (!memory)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the lines of %zu elements", elements);
    *owned = memory;
    *out = (edx_surroundings){.axis = *axis, .emissions = memory};
    edx_lines_range(settings, begin, axis, out->range_eV);
    out->resolution_eV = begin->resolution_eV > 0 ? begin->resolution_eV : DEFAULT_RESOLUTION;
    for (uint32_t i = 0; i < settings->quant.n_lines; i++) {
        char symbol[EDX_SYMBOL_SIZE] = "";
        sscanf(settings->quant.lines[i].line, "%3[^_]", symbol);
        add_element(out, memory, beam_eV, edx_xray_z(symbol), 1);
    }
    for (uint32_t i = 0; i < begin->n_elements; i++)
        add_element(out, memory, beam_eV, edx_xray_z(begin->elements[i]), 1);
    for (size_t i = 0; i < ALWAYS; i++)
        add_element(out, memory, beam_eV, edx_xray_z(always[i]), TRACE);
    return EDX_OK;
}

/* ---- windows ---- */

static edx_status check_window(const edx_surroundings *around, const edx_line *line,
                               const char *key, const double window_eV[2], edx_error *err)
{
    const edx_axis *a = &around->axis;
    if (!(window_eV[0] < window_eV[1]))
        return edx_fail(err, EDX_E_RANGE, "quant.lines: %s %s (%g, %g), expected lo < hi",
                        line->name, key, window_eV[0], window_eV[1]);
    if (edx_windows_channels(a, NULL, window_eV) == 0)
        return edx_fail(
            err, EDX_E_RANGE,
            "quant.lines: %s %s (%g, %g) holds no channel, expected it on the axis from "
            "%g to %g eV in steps of %g",
            line->name, key, window_eV[0], window_eV[1], a->offset_eV,
            a->offset_eV + a->scale_eV * (a->channels - 1.0), a->scale_eV);
    return EDX_OK;
}

static edx_status check_windows(const edx_surroundings *around, const edx_line *line,
                                edx_error *err)
{
    edx_status status = check_window(around, line, "window_eV", line->window_eV, err);
    for (size_t b = 0; b < 2 && status == EDX_OK; b++)
        status = check_window(around, line, "background_eV", line->background_eV[b], err);
    double apart = line->background_eV[0][0] + line->background_eV[0][1] -
                   line->background_eV[1][0] - line->background_eV[1][1];
    if (status == EDX_OK && fabs(apart) < 1e-6 * around->axis.scale_eV)
        return edx_fail(err, EDX_E_RANGE,
                        "quant.lines: %s background_eV have one midpoint, expected two places",
                        line->name);
    return status;
}

edx_windows edx_lines_windows(const edx_line *line)
{
    edx_windows w = {.z = line->z, .energy_eV = line->energy_eV};
    memcpy(w.window_eV, line->window_eV, sizeof w.window_eV);
    memcpy(w.background_eV, line->background_eV, sizeof w.background_eV);
    return w;
}

/* Windows as the setting gives them, the rest chosen. */
static edx_status place(const edx_surroundings *around, const edx_line_setting *given,
                        edx_line *line, edx_error *err)
{
    bool peak = !isnan(given->window_eV[0]), background = !isnan(given->background_eV[0][0]);
    edx_windows w = edx_lines_windows(line);
    bool room = true;
    if (peak && check_window(around, line, "window_eV", given->window_eV, err) != EDX_OK)
        return EDX_E_RANGE;
    if (peak)
        memcpy(w.window_eV, given->window_eV, sizeof w.window_eV);
    else
        room = edx_windows_peak(around, &w);
    if (background)
        memcpy(w.background_eV, given->background_eV, sizeof w.background_eV);
    else
        room = room && edx_windows_background(around, &w);
    memcpy(line->window_eV, w.window_eV, sizeof line->window_eV);
    memcpy(line->background_eV, w.background_eV, sizeof line->background_eV);
    line->default_windows = !peak && !background;
    if (!room)
        return edx_fail(err, EDX_E_RANGE,
                        "quant.lines: %s at %.0f eV has no room for its windows on the axis, "
                        "expected another line or window_eV and background_eV",
                        line->name, line->energy_eV);
    return check_windows(around, line, err);
}

/* ---- factors ---- */

/* Atomic from what is given: C_at is proportional to C_wt / A. */
static void take_k(const edx_line_setting *given, edx_line *line)
{
    double unit = given->k_basis == EDX_BASIS_WEIGHT ? 1 / line->atomic_weight : 1;
    line->k = given->k * unit;
    line->k_sigma = isnan(given->k_sigma) ? 0 : given->k_sigma * unit;
}

static double computed_k_sigma(const char *name)
{
    const char *underscore = strchr(name, '_');
    const char shell = underscore ? underscore[1] : 'K';
    return shell == 'K'   ? COMPUTED_K_SIGMA_K
           : shell == 'L' ? COMPUTED_K_SIGMA_L
                          : COMPUTED_K_SIGMA_M;
}

/* k is one over the counts that an atom yields in these windows. */
static edx_status compute_k(const edx_surroundings *around, edx_line *line, edx_error *err)
{
    edx_windows windows = edx_lines_windows(line);
    double response = edx_windows_response(around, &windows);
    if (!(response > 0))
        return edx_fail(err, EDX_E_RANGE,
                        "quant.lines: %s yields no counts in its windows under this beam, so its k "
                        "cannot be computed; expected k or another line",
                        line->name);
    line->k = 1 / response;
    line->k_sigma = computed_k_sigma(line->name) * line->k;
    line->computed_k = true;
    return EDX_OK;
}

static double absolute_factor(int method, const edx_line_setting *given)
{
    return method == EDX_ZETA ? given->zeta : given->cross_section_barn;
}

/* names: of lines that the settings may not name. */
static edx_status check_absolute(int method, const edx_line_setting *given, const edx_line *names,
                                 uint32_t n, edx_error *err)
{
    bool zeta = method == EDX_ZETA;
    for (uint32_t i = 0; i < n; i++)
        if (isnan(absolute_factor(method, &given[i])))
            return edx_fail(
                err, EDX_E_MISSING, "quant.lines: %s: expected %s, since quant.method is %s",
                names ? names[i].name : given[i].line,
                zeta ? "zeta in kg/m2" : "cross_section_barn", zeta ? "zeta" : "cross-section");
    return EDX_OK;
}

/* The factor of a method that counts atoms, and k = factor on the atomic basis: C_at is
 * proportional to zeta N / A (Watanabe & Williams 2006) or N / cross-section (MacArthur et al.
 * 2016). */
static edx_status absolute_factors(int method, const edx_line_setting *given, uint32_t n,
                                   edx_line *lines, edx_error *err)
{
    bool zeta = method == EDX_ZETA;
    edx_status status = check_absolute(method, given, lines, n, err);
    for (uint32_t i = 0; i < n && status == EDX_OK; i++) {
        double factor = absolute_factor(method, &given[i]);
        double relative = given[i].k_sigma / given[i].k;
        lines[i].factor = zeta ? factor : factor * BARN_M2;
        lines[i].k = zeta ? factor / lines[i].atomic_weight : 1 / factor;
        lines[i].k_sigma = isnan(relative) ? 0 : relative * lines[i].k;
    }
    return status;
}

/* All lines have a k or none has; given: whether they have. */
static edx_status check_k(const edx_line_setting *lines, uint32_t n, bool *given, edx_error *err)
{
    uint32_t with = n, without = n;
    for (uint32_t i = n; i-- > 0;)
        *(isnan(lines[i].k) ? &without : &with) = i;
    *given = with < n;
    if (with < n && without < n)
        return edx_fail(err, EDX_E_RANGE,
                        "quant.lines: %s has no k while %s has one; give all or none",
                        lines[without].line, lines[with].line);
    return EDX_OK;
}

static edx_status factors(const edx_surroundings *around, const edx_line_setting *given, uint32_t n,
                          edx_line *lines, edx_error *err)
{
    bool known = false;
    edx_status status = check_k(given, n, &known, err);
    for (uint32_t i = 0; i < n && status == EDX_OK; i++)
        if (known)
            take_k(&given[i], &lines[i]);
        else
            status = compute_k(around, &lines[i], err);
    if (status != EDX_OK || known)
        return status;
    double scale = n ? 1 / lines[n - 1].k : 1; /* only ratios mean something: the last one is 1 */
    for (uint32_t i = 0; i < n; i++) {
        lines[i].k *= scale;
        lines[i].k_sigma *= scale;
    }
    return EDX_OK;
}

edx_status edx_lines_check(const edx_settings *settings, edx_error *err)
{
    bool known;
    int method = settings->quant.method;
    uint32_t n = settings->quant.n_lines;
    if (method == EDX_CLIFF_LORIMER)
        return check_k(settings->quant.lines, n, &known, err);
    if (n == 0)
        return edx_fail(err, EDX_E_MISSING,
                        "quant.lines: empty, expected every line with its %s, since quant.method "
                        "is %s",
                        method == EDX_ZETA ? "zeta in kg/m2" : "cross_section_barn",
                        method == EDX_ZETA ? "zeta" : "cross-section");
    return check_absolute(method, settings->quant.lines, NULL, n, err);
}

/* ---- which lines ---- */

static const edx_line_setting nothing_given = {.k = NAN,
                                               .k_sigma = NAN,
                                               .window_eV = {NAN, NAN},
                                               .background_eV = {{NAN, NAN}, {NAN, NAN}},
                                               .zeta = NAN,
                                               .cross_section_barn = NAN};

/* The a line of one family, if the beam excites it well and the axis holds its windows. */
static bool candidate(const edx_surroundings *around, double beam_eV, const char *symbol,
                      const char *family_name, edx_line *out)
{
    char name[EDX_LINE_SIZE];
    int family;
    double start = fmax(around->axis.offset_eV, around->range_eV[0]);
    snprintf(name, sizeof name, "%s_%s", symbol, family_name);
    if (identify(name, out, &family, NULL) != EDX_OK)
        return false;
    double edge = edx_xray_family_edge(out->z, family);
    return edge > 0 && EXCITES * edge <= beam_eV && out->energy_eV > start + AXIS_MARGIN &&
           place(around, &nothing_given, out, NULL) == EDX_OK;
}

/* The first family in the order of custom whose windows hold next to nothing of other elements,
 * else the one that holds least. False when there is none at all. */
static bool choose(const edx_surroundings *around, double beam_eV, const char *symbol,
                   edx_line *out)
{
    static const char *const orders[3][3] = {
        {"Ka", "La", "Ma"}, {"La", "Ka", "Ma"}, {"Ma", "La", "Ka"}};
    int z = edx_xray_z(symbol);
    const char *const *order = orders[(z > 32) + (z > 71)];
    double least = INFINITY;
    for (size_t i = 0; i < 3; i++) {
        edx_line line;
        if (!candidate(around, beam_eV, symbol, order[i], &line))
            continue;
        edx_windows windows = edx_lines_windows(&line);
        double response = edx_windows_response(around, &windows);
        double foreign = edx_windows_foreign(around, &windows) / response;
        if (!(response > 0) || !(foreign < least))
            continue;
        least = foreign <= TOLERABLE ? -INFINITY : foreign;
        *out = line;
    }
    return isfinite(least) || least < 0;
}

static bool listed(const edx_line *lines, uint32_t n, const char *symbol)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(lines[i].element, symbol) == 0)
            return true;
    return false;
}

/* One line for each of begin's elements that has one. */
static uint32_t choose_all(const edx_surroundings *around, const edx_begin *begin, edx_line *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < begin->n_elements && n < EDX_MAX_LINES; i++)
        if (!listed(out, n, begin->elements[i]) &&
            choose(around, begin->beam_keV * 1e3, begin->elements[i], &out[n]))
            n++;
    return n;
}

static edx_status take_all(const edx_surroundings *around, const edx_settings *settings,
                           edx_line *out, edx_error *err)
{
    edx_status status = EDX_OK;
    for (uint32_t i = 0; i < settings->quant.n_lines && status == EDX_OK; i++) {
        const edx_line_setting *given = &settings->quant.lines[i];
        int family;
        status = identify(given->line, &out[i], &family, err);
        if (status != EDX_OK)
            edx_error_prefix(err, "quant.lines");
        else
            status = place(around, given, &out[i], err);
    }
    return status;
}

edx_status edx_lines_resolve(const edx_settings *settings, const edx_begin *begin,
                             const edx_axis *axis, edx_line *out, uint32_t *n, edx_error *err)
{
    edx_line_setting given[EDX_MAX_LINES];
    edx_surroundings around;
    edx_emission *memory = NULL;
    edx_status status = surround(settings, begin, axis, &around, &memory, err);
    if (status != EDX_OK)
        return status;
    *n = settings->quant.n_lines;
    for (uint32_t i = 0; i < EDX_MAX_LINES; i++)
        given[i] = i < *n ? settings->quant.lines[i] : nothing_given;
    if (*n > 0)
        status = take_all(&around, settings, out, err);
    else
        *n = choose_all(&around, begin, out);
    if (status == EDX_OK && settings->quant.method != EDX_CLIFF_LORIMER)
        status = absolute_factors(settings->quant.method, given, *n, out, err);
    else if (status == EDX_OK)
        status = factors(&around, given, *n, out, err);
    free(memory);
    return status;
}
