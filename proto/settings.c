#include "proto/settings.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_RANK 64
#define MAX_COMPONENTS 64
#define MAX_REPLICATES 100
#define MAX_BIN 1024

/* ---- values with rules of their own ---- */

static edx_status read_window(const edx_node *node, const char *key, void *value, edx_error *err)
{
    double window[2];
    edx_status status = edx_node_floats(node, key, window, 2, err);
    if (status)
        return status;
    if (!isfinite(window[0]) || !isfinite(window[1]) || window[0] >= window[1])
        return edx_fail(err, EDX_E_RANGE, "%s: (%.10g, %.10g), expected (lo, hi) with lo < hi", key,
                        window[0], window[1]);
    memcpy(value, window, sizeof window);
    return EDX_OK;
}

static void write_window(edx_pack *pack, const void *value)
{
    double window[2];
    memcpy(window, value, sizeof window);
    edx_pack_floats(pack, window, 2);
}

static bool window_given(const void *value)
{
    double low;
    memcpy(&low, value, sizeof low);
    return !isnan(low);
}

static edx_status read_energy(const edx_node *node, const char *key, void *value, edx_error *err)
{
    double *energy = value;
    if (edx_node_is(node, "auto")) {
        energy[0] = energy[1] = NAN;
        return EDX_OK;
    }
    if (node && node->kind != EDX_LIST)
        return edx_fail(err, EDX_E_TYPE, "%s: expected \"auto\" or (lo, hi) in eV", key);
    return read_window(node, key, value, err);
}

static void write_energy(edx_pack *pack, const void *value)
{
    if (window_given(value))
        write_window(pack, value);
    else
        edx_pack_text(pack, "auto");
}

static edx_status read_background(const edx_node *node, const char *key, void *value,
                                  edx_error *err)
{
    double windows[2][2];
    if (!node || node->kind != EDX_LIST || node->count != 2)
        return edx_fail(err, EDX_E_TYPE, "%s: expected two windows ((lo, hi), (lo, hi))", key);
    const edx_node *first = edx_node_first(node);
    edx_status status = read_window(first, key, windows[0], err);
    if (!status)
        status = read_window(edx_node_next(first), key, windows[1], err);
    if (!status)
        memcpy(value, windows, sizeof windows);
    return status;
}

static void write_background(edx_pack *pack, const void *value)
{
    edx_pack_list(pack, 2);
    write_window(pack, value);
    write_window(pack, (const double *)value + 2);
}

/* "auto" or a whole number from min to max. */
static edx_status read_auto(const edx_node *node, const char *key, uint64_t min, uint64_t max,
                            bool *automatic, uint64_t *value, edx_error *err)
{
    *automatic = edx_node_is(node, "auto");
    if (*automatic)
        return EDX_OK;
    if (node && node->kind == EDX_STR)
        return edx_fail(err, EDX_E_TYPE, "%s: a string, expected \"auto\" or a whole number", key);
    edx_status status = edx_node_uint(node, key, max, value, err);
    if (!status && *value < min)
        status = edx_fail(err, EDX_E_RANGE, "%s: %d, expected \"auto\" or %d to %d", key,
                          (int)*value, (int)min, (int)max);
    return status;
}

static edx_status read_rank(const edx_node *node, const char *key, void *value, edx_error *err)
{
    bool automatic;
    uint64_t rank = 0;
    edx_status status = read_auto(node, key, 1, MAX_RANK, &automatic, &rank, err);
    if (!status)
        *(uint64_t *)value = automatic ? EDX_AUTO : rank;
    return status;
}

static void write_rank(edx_pack *pack, const void *value)
{
    uint64_t rank = *(const uint64_t *)value;
    if (rank == EDX_AUTO)
        edx_pack_text(pack, "auto");
    else
        edx_pack_uint(pack, rank);
}

/* The two members of analysis.nmf are one key on the wire. */
typedef struct components {
    bool automatic;
    uint64_t components;
} components;

#define NMF(member)                                                                                \
    (offsetof(edx_settings, analysis.nmf.member) - offsetof(edx_settings, analysis.nmf))
_Static_assert(offsetof(components, automatic) == NMF(automatic) &&
                   offsetof(components, components) == NMF(components),
               "components is analysis.nmf");

static edx_status read_components(const edx_node *node, const char *key, void *value,
                                  edx_error *err)
{
    components read = {0};
    edx_status status =
        read_auto(node, key, 0, MAX_COMPONENTS, &read.automatic, &read.components, err);
    if (!status)
        memcpy(value, &read, sizeof read);
    return status;
}

static void write_components(edx_pack *pack, const void *value)
{
    const components *nmf = value;
    if (nmf->automatic)
        edx_pack_text(pack, "auto");
    else
        edx_pack_uint(pack, nmf->components);
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

/* [A-Z][a-z]?_[KLM][a-z][0-9]? */
static bool line_name(const char *text)
{
    if (!is_upper(*text++))
        return false;
    text += is_lower(*text);
    if (*text++ != '_' || !*text || !strchr("KLM", *text++) || !is_lower(*text++))
        return false;
    text += *text >= '0' && *text <= '9';
    return *text == '\0';
}

static edx_status read_line(const edx_node *node, const char *key, void *value, edx_error *err)
{
    char line[EDX_LINE_SIZE] = "";
    edx_status status = edx_node_text(node, key, line, sizeof line, err);
    if (status)
        return status;
    if (!line_name(line))
        return edx_fail(err, EDX_E_RANGE, "%s: \"%s\", expected an element and a line, as in Ag_La",
                        key, line);
    memcpy(value, line, sizeof line);
    return EDX_OK;
}

static void write_line(edx_pack *pack, const void *value)
{
    edx_pack_text(pack, value);
}

/* ---- the tables ---- */

static const char *const drifts[] = {"none", "integer", NULL};
static const char *const methods[] = {"cliff-lorimer", "zeta", "cross-section", NULL};
static const char *const backgrounds[] = {"windows", "model", NULL};
static const char *const bases[] = {"atomic", "weight", NULL};

/* How many of each this version computes; the others are known and refused. */
#define DRIFTS_COMPUTED 2
#define METHODS_COMPUTED 3
#define BACKGROUNDS_COMPUTED 2

#define LINE(member) offsetof(edx_line_setting, member)
#define POSITIVE .min = EDX_FIELD_ABOVE_ZERO, .max = INFINITY
#define NOT_NEGATIVE .min = 0, .max = INFINITY

static void line_reset(void *element)
{
    edx_line_setting line = {.k = NAN,
                             .k_sigma = NAN,
                             .k_basis = EDX_BASIS_ATOMIC,
                             .window_eV = {NAN, NAN},
                             .background_eV = {{NAN, NAN}, {NAN, NAN}},
                             .zeta = NAN,
                             .cross_section_barn = NAN};
    memcpy(element, &line, sizeof line);
}

static const edx_field line_table[] = {
    {"line", EDX_FIELD_CUSTOM, LINE(line), .required = true, .read = read_line,
     .write = write_line},
    {"k", EDX_FIELD_FLOAT, LINE(k), POSITIVE},
    {"k_sigma", EDX_FIELD_FLOAT, LINE(k_sigma), NOT_NEGATIVE},
    {"k_basis", EDX_FIELD_CHOICE, LINE(k_basis), .choices = bases},
    {"window_eV", EDX_FIELD_CUSTOM, LINE(window_eV), .read = read_window, .write = write_window,
     .given = window_given},
    {"background_eV", EDX_FIELD_CUSTOM, LINE(background_eV), .read = read_background,
     .write = write_background, .given = window_given},
    {"zeta", EDX_FIELD_FLOAT, LINE(zeta), POSITIVE},
    {"cross_section_barn", EDX_FIELD_FLOAT, LINE(cross_section_barn), POSITIVE},
    {0}};

#define PROFILE(member)                                                                            \
    (offsetof(edx_settings, analysis.profile.member) - offsetof(edx_settings, analysis.profile))

static const edx_field profile_table[] = {
    {"from_nm", EDX_FIELD_PAIR, .offset = PROFILE(from_nm)},
    {"to_nm", EDX_FIELD_PAIR, .offset = PROFILE(to_nm)},
    {"width_nm", EDX_FIELD_FLOAT, PROFILE(width_nm), POSITIVE},
    {0}};

#define PCA(member)                                                                                \
    (offsetof(edx_settings, analysis.pca.member) - offsetof(edx_settings, analysis.pca))

static const edx_field pca_table[] = {
    {"rank", EDX_FIELD_CUSTOM, PCA(rank), .read = read_rank, .write = write_rank},
    {"max_rank", EDX_FIELD_UINT, PCA(max_rank), .min = 1, .max = MAX_RANK},
    {0}};

static const edx_field nmf_table[] = {
    {"components", EDX_FIELD_CUSTOM, 0, .read = read_components, .write = write_components}, {0}};

#define ANALYSIS(member)                                                                           \
    (offsetof(edx_settings, analysis.member) - offsetof(edx_settings, analysis))

static const edx_field analysis_table[] = {
    {"bin_energy", EDX_FIELD_UINT, ANALYSIS(bin_energy), .min = 1, .max = MAX_BIN},
    {"bin_pixels", EDX_FIELD_UINT, ANALYSIS(bin_pixels), .min = 1, .max = MAX_BIN},
    {"energy_eV", EDX_FIELD_CUSTOM, ANALYSIS(energy_eV), .read = read_energy,
     .write = write_energy},
    {"drift", EDX_FIELD_CHOICE, ANALYSIS(drift), DRIFTS_COMPUTED, .choices = drifts},
    {.key = "exclude", .kind = EDX_FIELD_BOOL, .offset = ANALYSIS(exclude)},
    {"pca", EDX_FIELD_GROUP, ANALYSIS(pca), .sub = pca_table},
    {"nmf", EDX_FIELD_GROUP, ANALYSIS(nmf), .sub = nmf_table},
    {"replicates", EDX_FIELD_UINT, ANALYSIS(replicates), .min = 0, .max = MAX_REPLICATES},
    {"radial_step_nm", EDX_FIELD_FLOAT, ANALYSIS(radial_step_nm), POSITIVE},
    {"profile", EDX_FIELD_GROUP, ANALYSIS(profile), .sub = profile_table},
    {"target_sigma", EDX_FIELD_FLOAT, ANALYSIS(target_sigma), .min = EDX_FIELD_ABOVE_ZERO,
     .max = EDX_FIELD_BELOW_ONE},
    {0}};

#define QUANT(member) (offsetof(edx_settings, quant.member) - offsetof(edx_settings, quant))

static const edx_field quant_table[] = {
    {"method", EDX_FIELD_CHOICE, QUANT(method), METHODS_COMPUTED, .choices = methods},
    {"limit", EDX_FIELD_FLOAT, QUANT(limit), NOT_NEGATIVE},
    {"background", EDX_FIELD_CHOICE, QUANT(background), BACKGROUNDS_COMPUTED,
     .choices = backgrounds},
    {"lines", EDX_FIELD_LIST, QUANT(lines), sizeof(edx_line_setting), .sub = line_table,
     .max_count = EDX_MAX_LINES, .count_offset = QUANT(n_lines), .reset = line_reset},
    {0}};

const edx_field edx_settings_table[] = {
    {"analysis", EDX_FIELD_GROUP, offsetof(edx_settings, analysis), .sub = analysis_table},
    {"quant", EDX_FIELD_GROUP, offsetof(edx_settings, quant), .sub = quant_table},
    {0}};

void edx_settings_default(edx_settings *settings)
{
    *settings = (edx_settings){
        .analysis = {.bin_energy = 4,
                     .bin_pixels = 2,
                     .energy_eV = {NAN, NAN},
                     .drift = EDX_DRIFT_INTEGER,
                     .pca = {.rank = EDX_AUTO, .max_rank = 16},
                     .nmf = {.automatic = true},
                     .replicates = 10,
                     .radial_step_nm = 0.5,
                     .profile = {.from_nm = {NAN, NAN}, .to_nm = {NAN, NAN}, .width_nm = NAN},
                     .target_sigma = 0.01},
        .quant = {
            .method = EDX_CLIFF_LORIMER, .limit = 10.0, .background = EDX_BACKGROUND_WINDOWS}};
    for (int i = 0; i < EDX_MAX_LINES; i++)
        line_reset(&settings->quant.lines[i]);
}

/* ---- what several keys must agree on ---- */

static edx_status check_profile(const edx_settings *settings, edx_error *err)
{
    const double *from = settings->analysis.profile.from_nm, *to = settings->analysis.profile.to_nm;
    int given = !isnan(from[0]) + !isnan(to[0]) + !isnan(settings->analysis.profile.width_nm);
    if (given != 0 && given != 3)
        return edx_fail(err, EDX_E_MISSING,
                        "analysis.profile: expected from_nm, to_nm and width_nm, or none of them");
    if (given == 3 && !(from[0] < to[0] || from[0] > to[0] || from[1] < to[1] || from[1] > to[1]))
        return edx_fail(err, EDX_E_RANGE,
                        "analysis.profile: from_nm and to_nm are one point, expected two");
    return EDX_OK;
}

static edx_status check_two_lines(const edx_line_setting *a, const edx_line_setting *b,
                                  edx_error *err)
{
    size_t element = strcspn(a->line, "_") + 1;
    if (strcmp(a->line, b->line) == 0)
        return edx_fail(err, EDX_E_RANGE, "quant.lines: %s twice, expected each line once",
                        a->line);
    if (strncmp(a->line, b->line, element) == 0)
        return edx_fail(err, EDX_E_RANGE, "quant.lines: %s and %s, expected one line per element",
                        a->line, b->line);
    if ((!isnan(a->k) || !isnan(b->k)) && a->k_basis != b->k_basis)
        return edx_fail(err, EDX_E_RANGE,
                        "quant.lines: k_basis %s for %s and %s for %s, expected one for all lines",
                        bases[a->k_basis], a->line, bases[b->k_basis], b->line);
    return EDX_OK;
}

static edx_status check_background(const edx_line_setting *line, edx_error *err)
{
    const double *a = line->background_eV[0], *b = line->background_eV[1];
    if (a[0] + a[1] == b[0] + b[1])
        return edx_fail(err, EDX_E_RANGE,
                        "quant.lines: the background windows of %s have one midpoint, %.10g eV, "
                        "expected two",
                        line->line, 0.5 * (a[0] + a[1]));
    return EDX_OK;
}

edx_status edx_settings_check(const edx_settings *settings, edx_error *err)
{
    if (settings->analysis.pca.rank > settings->analysis.pca.max_rank)
        return edx_fail(err, EDX_E_RANGE, "analysis.pca.rank: %d, expected at most max_rank, %d",
                        (int)settings->analysis.pca.rank, (int)settings->analysis.pca.max_rank);
    edx_status status = check_profile(settings, err);
    for (uint32_t i = 0; i < settings->quant.n_lines && !status; i++) {
        status = check_background(&settings->quant.lines[i], err);
        for (uint32_t j = 0; j < i && !status; j++)
            status = check_two_lines(&settings->quant.lines[j], &settings->quant.lines[i], err);
    }
    return status;
}

/* ---- edx.config ---- */

static void write_group(edx_pack *pack, const edx_settings *settings, const char *key)
{
    edx_pack_text(pack, key);
    (void)edx_fields_get(edx_settings_table, settings, key, pack, NULL); /* the key is known */
}

void edx_config_write(edx_pack *pack, const edx_head *head, const edx_settings *settings,
                      const void *begin, size_t begin_size)
{
    edx_pack_reset(pack);
    edx_pack_map(pack, begin ? 6 : 5);
    edx_pack_text(pack, "v");
    edx_pack_uint(pack, 1);
    edx_pack_text(pack, "acq");
    edx_pack_text(pack, head->acq);
    edx_pack_text(pack, "t");
    edx_pack_float(pack, head->t);
    write_group(pack, settings, "analysis");
    write_group(pack, settings, "quant");
    if (begin) {
        edx_pack_text(pack, "begin");
        edx_pack_bin(pack, begin, begin_size);
    }
}

const void *edx_config_begin(const edx_node *body, size_t *size)
{
    const edx_node *begin = edx_map_get(body, "begin");
    *size = begin && begin->kind == EDX_BIN ? begin->count : 0;
    return *size ? begin->as.bytes : NULL;
}

edx_status edx_config_read(const edx_node *body, edx_settings *out, edx_error *err)
{
    edx_head head;
    edx_status status = edx_head_read(body, &head, err);
    if (status)
        return status;
    edx_settings_default(out);
    status = edx_fields_read(edx_settings_table, out, body, err);
    return status ? status : edx_settings_check(out, err);
}
