/* The analysis settings: the defaults and values that the interface promises, what is refused and
 * with which words, and the way through a recording and back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/settings.h"
#include "tests/json_value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct fixture {
    edx_wire *wire;
    edx_pack *pack;
    edx_error err;
    edx_settings settings;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.wire = edx_wire_new(0), .pack = edx_pack_new()};
    edx_settings_default(&f.settings);
    *state = &f;
    return !f.wire || !f.pack;
}

static int teardown(void **state)
{
    fixture *f = *state;
    edx_wire_free(&f->wire);
    edx_pack_free(&f->pack);
    return 0;
}

static edx_status set(fixture *f, const char *path, const char *json)
{
    f->err = (edx_error){0};
    return edx_fields_set(edx_settings_table, &f->settings, path,
                          parse_json(f->wire, f->pack, json), &f->err);
}

static void assert_get(fixture *f, const char *path, const char *json)
{
    edx_pack_reset(f->pack);
    edx_status status = edx_fields_get(edx_settings_table, &f->settings, path, f->pack, &f->err);
    assert_int_equal(status, EDX_OK);
    assert_packed(f->wire, f->pack, json);
}

#define DEFAULTS                                                                                   \
    "\"analysis\": {\"bin_energy\": 4, \"bin_pixels\": 2, \"energy_eV\": \"auto\", \"drift\": "    \
    "\"integer\", \"exclude\": false, \"pca\": {\"rank\": \"auto\", \"max_rank\": 16}, "           \
    "\"nmf\": {\"components\": "                                                                   \
    "\"auto\"}, \"replicates\": 10, \"radial_step_nm\": 0.5, \"profile\": {}, \"target_sigma\": "  \
    "0.01}, \"quant\": {\"method\": \"cliff-lorimer\", \"limit\": 10, \"background\": "            \
    "\"windows\", \"lines\": []}"

static void test_defaults(void **state)
{
    fixture *f = *state;
    assert_get(f, "", "{" DEFAULTS "}");
    assert_int_equal(edx_settings_check(&f->settings, &f->err), EDX_OK);
}

/* What is set comes back as it was spelled. */
static void test_accepted(void **state)
{
    static const char *const accepted[][2] = {
        {"analysis.bin_energy", "1"},
        {"analysis.bin_energy", "1024"},
        {"analysis.bin_pixels", "1024"},
        {"analysis.energy_eV", "[-100, 20000]"},
        {"analysis.energy_eV", "\"auto\""},
        {"analysis.drift", "\"none\""},
        {"analysis.drift", "\"integer\""},
        {"analysis.exclude", "true"},
        {"analysis.exclude", "false"},
        {"analysis.pca.rank", "64"},
        {"analysis.pca.rank", "\"auto\""},
        {"analysis.pca", "{\"rank\": 1, \"max_rank\": 64}"},
        {"analysis.nmf.components", "0"},
        {"analysis.nmf.components", "64"},
        {"analysis.nmf.components", "\"auto\""},
        {"analysis.replicates", "0"},
        {"analysis.replicates", "100"},
        {"analysis.radial_step_nm", "0.125"},
        {"analysis.profile", "{\"from_nm\": [0, -1], \"to_nm\": [3.5, 4], \"width_nm\": 2}"},
        {"analysis.target_sigma", "0.999"},
        {"quant.method", "\"cliff-lorimer\""},
        {"quant.limit", "0"},
        {"quant.background", "\"windows\""},
        {"quant.lines",
         "[{\"line\": \"Ag_La\", \"k\": 1.44, \"k_sigma\": 0.01, \"k_basis\": \"weight\", "
         "\"window_eV\": [2900, 3100], \"background_eV\": [[2700, 2800], [3200, 3300]], \"zeta\": "
         "0.5, \"cross_section_barn\": 12}, {\"line\": \"C_Ka1\", \"k_basis\": \"atomic\"}]"},
        {"quant.lines", "[]"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        if (set(f, accepted[i][0], accepted[i][1]))
            fail_msg("%s", f->err.text);
        assert_get(f, accepted[i][0], accepted[i][1]);
    }
}

typedef struct refusal {
    const char *path, *json;
    edx_status status;
    const char *text;
} refusal;

#define LINE(rest) "[{\"line\": \"Ag_La\", " rest "}]"

static const refusal refusals[] = {
    {"analysis.bin_enrgy", "1", EDX_E_UNKNOWN,
     "analysis.bin_enrgy: unknown key, expected one of bin_energy, bin_pixels, energy_eV, drift, "
     "exclude, pca, nmf, replicates, radial_step_nm, profile, target_sigma"},
    {"ingest.bind", "true", EDX_E_UNKNOWN,
     "ingest.bind: unknown key, expected one of analysis, quant"},
    {"analysis.bin_energy", "0", EDX_E_RANGE,
     "analysis.bin_energy: 0, expected at least 1 and at most 1024"},
    {"analysis.bin_energy", "1025", EDX_E_RANGE, NULL},
    {"analysis.bin_energy", "\"four\"", EDX_E_TYPE,
     "analysis.bin_energy: a string, expected an integer"},
    {"analysis.bin_pixels", "0", EDX_E_RANGE, NULL},
    {"analysis.energy_eV", "[5, 5]", EDX_E_RANGE,
     "analysis.energy_eV: (5, 5), expected (lo, hi) with lo < hi"},
    {"analysis.energy_eV", "[5, \"@nan\"]", EDX_E_RANGE, NULL},
    {"analysis.energy_eV", "[5, \"@inf\"]", EDX_E_RANGE, NULL},
    {"analysis.energy_eV", "\"all\"", EDX_E_TYPE,
     "analysis.energy_eV: expected \"auto\" or (lo, hi) in eV"},
    {"analysis.drift", "\"wild\"", EDX_E_RANGE,
     "analysis.drift: \"wild\", expected none or integer"},
    {"analysis.exclude", "1", EDX_E_TYPE, "analysis.exclude: an integer, expected true or false"},
    {"analysis.pca.rank", "0", EDX_E_RANGE, "analysis.pca.rank: 0, expected \"auto\" or 1 to 64"},
    {"analysis.pca.rank", "65", EDX_E_RANGE, NULL},
    {"analysis.pca.rank", "\"many\"", EDX_E_TYPE,
     "analysis.pca.rank: a string, expected \"auto\" or a whole number"},
    {"analysis.pca.max_rank", "0", EDX_E_RANGE, NULL},
    {"analysis.pca.max_rank", "65", EDX_E_RANGE, NULL},
    {"analysis.pca.max_rank", "\"auto\"", EDX_E_TYPE, NULL},
    {"analysis.nmf.components", "65", EDX_E_RANGE, NULL},
    {"analysis.nmf.components", "-1", EDX_E_RANGE, NULL},
    {"analysis.replicates", "101", EDX_E_RANGE, NULL},
    {"analysis.radial_step_nm", "0", EDX_E_RANGE,
     "analysis.radial_step_nm: 0, expected more than 0"},
    {"analysis.profile.width_nm", "0", EDX_E_RANGE, NULL},
    {"analysis.profile.from_nm", "[1]", EDX_E_RANGE, NULL},
    {"analysis.profile", "{\"width\": 1}", EDX_E_UNKNOWN, NULL},
    {"analysis.target_sigma", "0", EDX_E_RANGE, NULL},
    {"analysis.target_sigma", "1", EDX_E_RANGE,
     "analysis.target_sigma: 1, expected more than 0 and less than 1"},
    {"quant.method", "\"bulk\"", EDX_E_RANGE,
     "quant.method: \"bulk\", expected cliff-lorimer, zeta or cross-section"},
    {"quant.background", "\"none\"", EDX_E_RANGE,
     "quant.background: \"none\", expected windows or model"},
    {"quant.limit", "-1", EDX_E_RANGE, "quant.limit: -1, expected at least 0"},
    {"quant.limit", "\"@inf\"", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"k\": 1}]", EDX_E_MISSING,
     "quant.lines[0].line: missing, expected in every element"},
    {"quant.lines", "[{\"line\": \"Ag_La\", \"kk\": 1}]", EDX_E_UNKNOWN,
     "quant.lines[0].kk: unknown key, expected one of line, k, k_sigma, k_basis, window_eV, "
     "background_eV, zeta, cross_section_barn"},
    {"quant.lines", "[{\"line\": \"Ag\"}]", EDX_E_RANGE,
     "quant.lines[0].line: \"Ag\", expected an element and a line, as in Ag_La"},
    {"quant.lines", "[{\"line\": \"\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"line\": \"ag_La\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"line\": \"Agg_La\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"line\": \"Ag_\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"line\": \"Ag_N\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"line\": \"Ag_K\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"line\": \"Ag_LA\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", "[{\"line\": \"Ag_La12\"}]", EDX_E_RANGE, NULL},
    {"quant.lines", LINE("\"k\": 0"), EDX_E_RANGE, "quant.lines[0].k: 0, expected more than 0"},
    {"quant.lines", LINE("\"k\": \"@nan\""), EDX_E_RANGE, NULL},
    {"quant.lines", LINE("\"k_sigma\": -0.1"), EDX_E_RANGE, NULL},
    {"quant.lines", LINE("\"k_basis\": \"mass\""), EDX_E_RANGE,
     "quant.lines[0].k_basis: \"mass\", expected atomic or weight"},
    {"quant.lines", LINE("\"window_eV\": [3, 2]"), EDX_E_RANGE, NULL},
    {"quant.lines", LINE("\"window_eV\": 3"), EDX_E_TYPE, NULL},
    {"quant.lines", LINE("\"background_eV\": [1, 2]"), EDX_E_TYPE, NULL},
    {"quant.lines", LINE("\"background_eV\": [[1, 2]]"), EDX_E_TYPE,
     "quant.lines[0].background_eV: expected two windows ((lo, hi), (lo, hi))"},
    {"quant.lines", LINE("\"background_eV\": [[1, 2], [4, 3]]"), EDX_E_RANGE, NULL},
    {"quant.lines", LINE("\"zeta\": 0"), EDX_E_RANGE, NULL},
    {"quant.lines", LINE("\"cross_section_barn\": 0"), EDX_E_RANGE, NULL},
};

static void test_refusals(void **state)
{
    fixture *f = *state;
    edx_settings before;
    assert_int_equal(set(f, "quant.lines", "[{\"line\": \"Cu_Ka\"}]"), EDX_OK);
    memcpy(&before, &f->settings, sizeof before);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const refusal *r = &refusals[i];
        edx_status status = set(f, r->path, r->json);
        if (status != r->status || (r->text && strcmp(f->err.text, r->text) != 0))
            fail_msg("%s = %s: %d \"%s\", expected %d \"%s\"", r->path, r->json, status,
                     f->err.text, r->status, r->text ? r->text : "");
        assert_memory_equal(&before, &f->settings, sizeof before);
    }
}

/* 33 lines do not fit, 32 do. */
static void test_many_lines(void **state)
{
    fixture *f = *state;
    char json[2000];
    for (int n = 32; n <= 33; n++) {
        size_t used = 0;
        for (int i = 0; i < n; i++)
            used += (size_t)snprintf(json + used, sizeof json - used, "%c{\"line\": \"%c%c_Ka\"}",
                                     i ? ',' : '[', 'A' + i / 26, 'a' + i % 26);
        snprintf(json + used, sizeof json - used, "]");
        assert_int_equal(set(f, "quant.lines", json), n == 32 ? EDX_OK : EDX_E_RANGE);
        assert_int_equal(f->settings.quant.n_lines, 32);
    }
    assert_int_equal(edx_settings_check(&f->settings, &f->err), EDX_OK);
}

/* What no single key can tell. */
static void test_check(void **state)
{
    static const refusal cases[] = {
        {"quant.lines", "[{\"line\": \"Ag_La\"}, {\"line\": \"Au_La\"}, {\"line\": \"Ag_La\"}]",
         EDX_E_RANGE, "quant.lines: Ag_La twice, expected each line once"},
        {"quant.lines", "[{\"line\": \"Ag_La\"}, {\"line\": \"Ag_Ka\"}]", EDX_E_RANGE,
         "quant.lines: Ag_La and Ag_Ka, expected one line per element"},
        {"quant.lines", "[{\"line\": \"C_Ka\"}, {\"line\": \"Cu_Ka\"}]", EDX_OK, ""},
        {"quant.lines",
         "[{\"line\": \"Ag_La\", \"k\": 1}, {\"line\": \"Au_La\", \"k\": 1, \"k_basis\": "
         "\"weight\"}]",
         EDX_E_RANGE,
         "quant.lines: k_basis atomic for Ag_La and weight for Au_La, expected one for all lines"},
        {"quant.lines",
         "[{\"line\": \"Ag_La\"}, {\"line\": \"Au_La\", \"k\": 1, \"k_basis\": "
         "\"weight\"}]",
         EDX_E_RANGE,
         "quant.lines: k_basis atomic for Ag_La and weight for Au_La, expected one for all lines"},
        {"quant.lines", "[{\"line\": \"Ag_La\"}, {\"line\": \"Au_La\", \"k_basis\": \"weight\"}]",
         EDX_OK, ""},
        {"quant.lines", "[{\"line\": \"Ag_La\", \"background_eV\": [[1, 4], [2, 3]]}]", EDX_E_RANGE,
         "quant.lines: the background windows of Ag_La have one midpoint, 2.5 eV, expected two"},
        {"quant.lines", "[{\"line\": \"Ag_La\", \"background_eV\": [[1, 4], [2, 3.5]]}]", EDX_OK,
         ""},
        {"analysis.pca", "{\"rank\": 9, \"max_rank\": 8}", EDX_E_RANGE,
         "analysis.pca.rank: 9, expected at most max_rank, 8"},
        {"analysis.pca", "{\"rank\": 8, \"max_rank\": 8}", EDX_OK, ""},
        {"analysis.profile", "{\"from_nm\": [0, 0], \"to_nm\": [1, 1]}", EDX_E_MISSING,
         "analysis.profile: expected from_nm, to_nm and width_nm, or none of them"},
        {"analysis.profile", "{\"from_nm\": [1, 1], \"width_nm\": 1}", EDX_E_RANGE,
         "analysis.profile: from_nm and to_nm are one point, expected two"},
        {"analysis.profile", "{\"from_nm\": [1, 0]}", EDX_OK, ""},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(set(f, cases[i].path, cases[i].json), EDX_OK);
        assert_int_equal(edx_settings_check(&f->settings, &f->err), cases[i].status);
        assert_string_equal(f->err.text, cases[i].text);
    }
}

static void test_config_keys(void **state)
{
    fixture *f = *state;
    edx_head head = {.acq = "run-1", .t = 1234.5};
    edx_config_write(f->pack, &head, &f->settings, NULL, 0);
    assert_packed(f->wire, f->pack, "{\"v\": 1, \"acq\": \"run-1\", \"t\": 1234.5, " DEFAULTS "}");
    size_t n = 1;
    assert_null(edx_config_begin(packed_root(f->wire, f->pack), &n));
    edx_config_write(f->pack, &head, &f->settings, "begin", 5);
    const void *begin = edx_config_begin(packed_root(f->wire, f->pack), &n);
    assert_int_equal(n, 5);
    assert_memory_equal(begin, "begin", 5);
}

static double random_positive(rng *r)
{
    return ldexp((double)(rng_next(r) >> 11) + 1, -40);
}

static void random_window(rng *r, double out[2])
{
    out[0] = random_positive(r) - random_positive(r);
    out[1] = out[0] + 1 + random_positive(r);
}

static void random_line(rng *r, edx_line_setting *line, int i, int basis)
{
    snprintf(line->line, sizeof line->line, "%c%c_%ca", 'A' + i, 'a' + (int)rng_below(r, 26),
             "KLM"[rng_below(r, 3)]);
    line->k_basis = basis;
    if (rng_below(r, 2))
        line->k = random_positive(r);
    if (rng_below(r, 2))
        line->k_sigma = random_positive(r);
    if (rng_below(r, 2))
        random_window(r, line->window_eV);
    if (rng_below(r, 2)) {
        random_window(r, line->background_eV[0]);
        random_window(r, line->background_eV[1]);
    }
    if (rng_below(r, 2))
        line->zeta = random_positive(r);
    if (rng_below(r, 2))
        line->cross_section_barn = random_positive(r);
}

static void random_settings(rng *r, edx_settings *s)
{
    edx_settings_default(s);
    s->analysis.bin_energy = 1 + rng_below(r, 1024);
    s->analysis.bin_pixels = 1 + rng_below(r, 1024);
    if (rng_below(r, 2))
        random_window(r, s->analysis.energy_eV);
    s->analysis.pca.max_rank = 1 + rng_below(r, 64);
    s->analysis.pca.rank = rng_below(r, s->analysis.pca.max_rank + 1);
    s->analysis.nmf.automatic = rng_below(r, 2);
    s->analysis.nmf.components = s->analysis.nmf.automatic ? 0 : rng_below(r, 65);
    s->analysis.replicates = rng_below(r, 101);
    s->analysis.radial_step_nm = random_positive(r);
    if (rng_below(r, 2)) {
        random_window(r, s->analysis.profile.from_nm);
        random_window(r, s->analysis.profile.to_nm);
        s->analysis.profile.width_nm = random_positive(r);
    }
    s->analysis.target_sigma = ldexp(random_positive(r), -14);
    s->quant.limit = random_positive(r);
    s->quant.n_lines = (uint32_t)rng_below(r, 27);
    int basis = (int)rng_below(r, 2);
    for (uint32_t i = 0; i < s->quant.n_lines; i++)
        random_line(r, &s->quant.lines[i], (int)i, basis);
}

/* Bit for bit through a recording and back. */
static void test_config_round_trip(void **state)
{
    fixture *f = *state;
    rng r = rng_new();
    static edx_settings in, out;
    edx_head head = {.acq = "a", .t = 1};
    for (int i = 0; i < 2000; i++) {
        memset(&in, 0, sizeof in);
        memset(&out, 0, sizeof out);
        random_settings(&r, &in);
        edx_config_write(f->pack, &head, &in, NULL, 0);
        if (edx_config_read(packed_root(f->wire, f->pack), &out, &f->err))
            fail_msg("%s", f->err.text);
        edx_pack *again = edx_pack_new();
        edx_config_write(again, &head, &out, NULL, 0);
        assert_int_equal(edx_pack_size(again), edx_pack_size(f->pack));
        assert_memory_equal(edx_pack_data(again), edx_pack_data(f->pack), edx_pack_size(again));
        edx_pack_free(&again);
        assert_memory_equal(&in.analysis.profile, &out.analysis.profile,
                            sizeof in.analysis.profile);
        assert_int_equal(in.analysis.pca.rank, out.analysis.pca.rank);
        assert_int_equal(in.analysis.nmf.automatic, out.analysis.nmf.automatic);
        assert_memory_equal(in.quant.lines, out.quant.lines, sizeof in.quant.lines);
    }
}

/* A newer version's recording is read; an impossible or unhonest one is not. */
static void test_config_read(void **state)
{
    static const refusal cases[] = {
        {"",
         "{\"v\": 1, \"acq\": \"a\", \"t\": 1, \"new\": 3, \"analysis\": {\"new\": [1], "
         "\"replicates\": 3}}",
         EDX_OK, ""},
        {"", "{\"v\": 1, \"acq\": \"a\", \"t\": 1}", EDX_OK, ""},
        {"", "{\"v\": 1, \"acq\": \"a\", \"t\": 1, \"analysis\": {\"replicates\": 300}}",
         EDX_E_RANGE, "analysis.replicates: 300, expected at least 0 and at most 100"},
        {"",
         "{\"v\": 1, \"acq\": \"a\", \"t\": 1, \"quant\": {\"lines\": [{\"line\": \"Ag_La\"}, "
         "{\"line\": \"Ag_La\"}]}}",
         EDX_E_RANGE, "quant.lines: Ag_La twice, expected each line once"},
        {"", "{\"v\": 2, \"acq\": \"a\", \"t\": 1}", EDX_E_VERSION, NULL},
        {"", "{\"v\": 1, \"t\": 1}", EDX_E_MISSING, NULL},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        f->err = (edx_error){0};
        const edx_node *body = parse_json(f->wire, f->pack, cases[i].json);
        edx_settings out;
        assert_int_equal(edx_config_read(body, &out, &f->err), cases[i].status);
        if (cases[i].text)
            assert_string_equal(f->err.text, cases[i].text);
        if (i == 0) {
            assert_int_equal(out.analysis.replicates, 3);
            assert_int_equal(out.analysis.bin_energy, 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config_read, setup, teardown),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
