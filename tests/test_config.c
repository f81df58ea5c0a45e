/* The configuration: the defaults of the published listing, files and their errors, single keys. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "tests/json_value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct fixture {
    edx_wire *wire;
    edx_pack *pack;
    edx_error err;
    edx_config config;
    char path[64]; /* a configuration file */
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f)
        return 1;
    f->wire = edx_wire_new(0);
    f->pack = edx_pack_new();
    edx_config_default(&f->config);
    snprintf(f->path, sizeof f->path, "/tmp/edx-config-XXXXXX");
    const int fd = mkstemp(f->path);
    return !f->wire || !f->pack || fd < 0 || close(fd) != 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    unlink(f->path);
    edx_wire_free(&f->wire);
    edx_pack_free(&f->pack);
    free(f);
    return 0;
}

static edx_status load(fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
    f->err = (edx_error){0};
    return edx_config_load(&f->config, f->path, &f->err);
}

static edx_status override(fixture *f, const char *assignment)
{
    f->err = (edx_error){0};
    return edx_config_override(&f->config, assignment, &f->err);
}

static void assert_get(fixture *f, const char *path, const char *json)
{
    edx_pack_reset(f->pack);
    assert_int_equal(edx_config_get(&f->config, path, f->pack, &f->err), EDX_OK);
    assert_packed(f->wire, f->pack, json);
}

/* ---- defaults ---- */

/* The listing of the interface. */
static const char *const listing[][2] = {
    {"ingest", "{\"endpoint\": \"tcp://127.0.0.1:5555\", \"pattern\": \"sub\", \"bind\": false, "
               "\"stop_endpoint\": \"\"}"},
    {"publish", "{\"endpoint\": \"tcp://127.0.0.1:5556\"}"},
    {"control", "{\"endpoint\": \"tcp://127.0.0.1:5557\"}"},
    {"output",
     "{\"dir\": \"/var/lib/edxd\", \"record\": true, \"sync\": \"frame\", \"keep_days\": 0}"},
    {"analysis",
     "{\"bin_energy\": 4, \"bin_pixels\": 2, \"energy_eV\": \"auto\", \"drift\": \"integer\", "
     "\"exclude\": false, "
     "\"pca\": {\"rank\": \"auto\", \"max_rank\": 16}, \"nmf\": {\"components\": \"auto\"}, "
     "\"replicates\": 10, \"radial_step_nm\": 0.5, \"profile\": {}, \"target_sigma\": 0.01}"},
    {"quant", "{\"method\": \"cliff-lorimer\", \"limit\": 10, \"background\": \"windows\", "
              "\"lines\": []}"},
    {"limits", "{\"max_message_MB\": 512, \"max_pixels\": 16777216, \"max_channels\": 16384, "
               "\"max_cube_GB\": 8, \"stall_s\": 60, \"min_free_GB\": 1}"},
    {"security", "{\"curve\": false, \"keys\": \"\", \"clients\": \"\"}"},
};

static void assert_listing(fixture *f)
{
    for (size_t i = 0; i < COUNT(listing); i++)
        assert_get(f, listing[i][0], listing[i][1]);
    assert_int_equal(edx_config_check(&f->config, &f->err), EDX_OK);
}

static void test_defaults(void **state)
{
    fixture *f = *state;
    assert_listing(f);
    const edx_limits limits = edx_config_limits(&f->config);
    const edx_limits expected = edx_limits_default();
    assert_memory_equal(&limits, &expected, sizeof limits);
}

/* Other values everywhere, then the shipped file: it says every default itself. */
static void test_shipped_file(void **state)
{
    fixture *f = *state;
    static const char *const others[] = {
        "ingest.endpoint=ipc:///x",
        "ingest.pattern=pull",
        "ingest.bind=true",
        "publish.endpoint=ipc://a",
        "control.endpoint=b",
        "output.dir=/x",
        "output.record=false",
        "output.sync=none",
        "analysis.bin_energy=1",
        "analysis.bin_pixels=1",
        "analysis.energy_eV=(0,9)",
        "analysis.pca.rank=2",
        "analysis.pca.max_rank=3",
        "analysis.nmf.components=0",
        "analysis.replicates=0",
        "analysis.radial_step_nm=2",
        "analysis.target_sigma=0.5",
        "quant.limit=1",
        "quant.lines=({line=\"Fe_Ka\";})",
        "limits.max_message_MB=1",
        "limits.max_pixels=1",
        "limits.max_channels=1",
        "limits.max_cube_GB=1",
        "limits.stall_s=1",
        "limits.min_free_GB=0",
        "security.curve=true",
        "security.keys=x",
        "security.clients=x",
    };
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(override(f, others[i]), EDX_OK);
    char path[4096];
    const char *top = getenv("EDX_SRCDIR");
    snprintf(path, sizeof path, "%s/etc/edxd.conf", top ? top : ".");
    const edx_status status = edx_config_load(&f->config, path, &f->err);
    if (status)
        fail_msg("%s", f->err.text);
    assert_listing(f);
}

/* ---- files ---- */

static void test_file(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "ingest = { endpoint = \"tcp://m:1\"; pattern = \"router\"; };\n"
                             "limits : { stall_s = 5; max_cube_GB = 2; }\n"
                             "analysis = { energy_eV = (1000, 9000); pca = { rank = 3; }; };\n"
                             "quant = { lines = ( { line = \"Ag_La\"; k = 1; window_eV = [1, 2]; },"
                             " { line = \"Au_Ma\"; background_eV = ((1, 2.5), [3, 4]); } ); };\n"),
                     EDX_OK);
    assert_get(f, "ingest.endpoint", "\"tcp://m:1\"");
    assert_get(f, "ingest.pattern", "\"router\"");
    assert_get(f, "ingest.bind", "false");
    assert_get(f, "limits.stall_s", "5");
    assert_get(f, "limits.max_cube_GB", "2");
    assert_get(f, "analysis.energy_eV", "[1000, 9000]");
    assert_get(f, "analysis.pca", "{\"rank\": 3, \"max_rank\": 16}");
    assert_get(f, "quant.lines",
               "[{\"line\": \"Ag_La\", \"k\": 1, \"k_basis\": \"atomic\", \"window_eV\": [1, "
               "2]}, {\"line\": \"Au_Ma\", \"k_basis\": \"atomic\", \"background_eV\": [[1, "
               "2.5], [3, 4]]}]");
}

/* Both brackets serve, of any type; strings and comments stay as they are. */
static void test_brackets(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f,
                          "# it's [\n// ]\n/* \" [\n*/ analysis = { energy_eV = [100.5, 2000]; };"
                          "security = { keys = \"a[0](#\\\"]\"; clients = \"/*[\"; };\n"
                          "quant = { lines = [ { line = \"Ag_La\"; # [\n"
                          "background_eV = [[1, 2.5], [3, 4]]; } ]; };\n"),
                     EDX_OK);
    assert_get(f, "analysis.energy_eV", "[100.5, 2000]");
    assert_get(f, "security", "{\"curve\": false, \"keys\": \"a[0](#\"]\", \"clients\": \"/*[\"}");
    assert_get(f, "quant.lines",
               "[{\"line\": \"Ag_La\", \"k_basis\": \"atomic\", \"background_eV\": [[1, 2.5], [3, "
               "4]]}]");
}

/* Numbers keep their value, beyond 32 and 64 bits too. */
static void test_large_numbers(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "limits = { stall_s = 99999999.5; max_cube_GB = 1e-5; min_free_GB = "
                             "1E+5; max_message_MB = 0x10L; max_pixels = 1024L; };\n"),
                     EDX_OK);
    assert_get(f, "limits",
               "{\"max_message_MB\": 16, \"max_pixels\": 1024, \"max_channels\": 16384, "
               "\"max_cube_GB\": 1e-05, \"stall_s\": 99999999.5, \"min_free_GB\": 100000}");
    assert_int_equal(load(f, "quant = { limit = 99999999999; };\n"), EDX_OK);
    assert_true(f->config.settings.quant.limit == 99999999999.0);
    assert_int_equal(load(f, "quant = { limit = 99999999999999999999; };\n"), EDX_OK);
    assert_true(f->config.settings.quant.limit == 1e20);
    assert_int_equal(load(f, "quant = { limit = 0xffffffff; };\n"), EDX_OK);
    assert_true(f->config.settings.quant.limit == 4294967295.0);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

/* Beside the file or by a whole path; errors name the file that they are in. */
static void test_include(void **state)
{
    fixture *f = *state;
    char other[80], text[400], where[200];
    snprintf(other, sizeof other, "%s.inc", f->path);
    write_file(other, "analysis = { energy_eV = [100.5, 2000]; }; # no newline");
    snprintf(text, sizeof text, "\n  @include \"%s\" output = { dir = 5; };\n",
             strrchr(other, '/') + 1);
    assert_int_equal(load(f, text), EDX_E_TYPE);
    snprintf(where, sizeof where, "%s:2: output.dir", f->path);
    assert_memory_equal(f->err.text, where, strlen(where));
    assert_get(f, "analysis.energy_eV", "[100.5, 2000]");
    write_file(other, "\nanalysis = {\n energy_eV = [5, 4]; };\n");
    snprintf(text, sizeof text, "\n@include \"%s\"\n", other);
    assert_int_equal(load(f, text), EDX_E_RANGE);
    snprintf(where, sizeof where, "%s:3: analysis.energy_eV", other);
    assert_memory_equal(f->err.text, where, strlen(where));
    write_file(other, "@include \"nothing.inc\"\n");
    assert_int_equal(load(f, text), EDX_E_IO);
    snprintf(where, sizeof where, "%s:2: @include: /tmp/nothing.inc", f->path);
    assert_memory_equal(f->err.text, where, strlen(where));
    write_file(other, text); /* itself, for ever */
    assert_int_equal(load(f, text), EDX_E_SYNTAX);
    unlink(other);
}

static void test_empty_file_and_groups(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, ""), EDX_OK);
    assert_int_equal(load(f, "ingest = { }; analysis = { profile = { }; };\n"), EDX_OK);
    assert_listing(f);
}

/* Every error names file, line and key. */
static void test_file_errors(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text;
        int line;
        const char *key;
        edx_status status;
    } bad[] = {
        {"\noutput = {\n  dirr = \"x\";\n};\n", 3, "output.dirr", EDX_E_UNKNOWN},
        {"\n\nnonsense = 3;\n", 3, "nonsense", EDX_E_UNKNOWN},
        {"strange = { };\n", 1, "strange", EDX_E_UNKNOWN},
        {"strange = {\n a = 1;\n};\n", 2, "strange.a", EDX_E_UNKNOWN},
        {"output = 3;\n", 1, "output", EDX_E_TYPE},
        {"output = { record = 1; };\n", 1, "output.record", EDX_E_TYPE},
        {"output = {\n\n dir = 5; };\n", 3, "output.dir", EDX_E_TYPE},
        {"output = { sync = \"never\"; };\n", 1, "output.sync", EDX_E_RANGE},
        {"ingest = { pattern = \"dealer\"; };\n", 1, "ingest.pattern", EDX_E_RANGE},
        {"limits = { max_pixels = 0; };\n", 1, "limits.max_pixels", EDX_E_RANGE},
        {"limits = { max_pixels = -5; };\n", 1, "limits.max_pixels", EDX_E_RANGE},
        {"limits = { max_pixels = 1.5; };\n", 1, "limits.max_pixels", EDX_E_RANGE},
        {"limits = { stall_s = \"long\"; };\n", 1, "limits.stall_s", EDX_E_TYPE},
        {"limits = { stall_s = 0; };\n", 1, "limits.stall_s", EDX_E_RANGE},
        {"limits = { max_channels = 16385; };\n", 1, "limits.max_channels", EDX_E_RANGE},
        {"analysis = {\n pca = {\n  rank = 0;\n }; };\n", 3, "analysis.pca.rank", EDX_E_RANGE},
        {"analysis = { pca = { rnk = 0; }; };\n", 1, "analysis.pca.rnk", EDX_E_UNKNOWN},
        {"analysis = {\n energy_eV = (5, 4);\n};\n", 2, "analysis.energy_eV", EDX_E_RANGE},
        {"analysis = {\n energy_eV = (5, \"x\");\n};\n", 2, "analysis.energy_eV", EDX_E_TYPE},
        {"analysis = { profile = { from_nm = 3; }; };\n", 1, "analysis.profile.from_nm",
         EDX_E_TYPE},
        {"quant = {\n lines = ( { line = \"Agla\"; } );\n};\n", 2, "quant.lines[0].line",
         EDX_E_RANGE},
        {"quant = {\n lines = ( { line = \"Ag_La\"; },\n { k = 1; } );\n};\n", 3,
         "quant.lines[1].line", EDX_E_MISSING},
        {"quant = {\n lines = (\n  { line = \"Ag_La\"; k = 0.0; }\n );\n};\n", 3,
         "quant.lines[0].k", EDX_E_RANGE},
        {"quant = {\n lines = (\n  { line = \"Ag_La\";\n    kk = 1; }\n );\n};\n", 4,
         "quant.lines[0].kk", EDX_E_UNKNOWN},
        {"ingest = {\n pattern = \"router\"; };\noutput = {\n record = false;\n};\n", 4,
         "output.record", EDX_E_RANGE},
        {"\nquant = {\n lines = ({line = \"Ag_La\";},\n {line = \"Ag_Ka\";});\n};\n", 3,
         "quant.lines", EDX_E_RANGE},
        {"output = { dir = \"a\"\n", 2, "syntax", EDX_E_SYNTAX},
        {"output = {\n dir = \"\"; };\n", 2, "output.dir", EDX_E_RANGE},
        {"ingest = {\n endpoint = \"inproc://x\"; };\n", 2, "ingest.endpoint", EDX_E_RANGE},
        {"quant = {\n lines = [{line = \"Ag_La\";},\n {line = \"Xx_Ka\";}];\n};\n", 3,
         "quant.lines[1].line", EDX_E_UNKNOWN},
        {"# [\n/* [\n\" */\nsecurity = { keys = \"[\n\\\"]\"; };\nlimits = {\n"
         " max_pixels = 99999999999; };\n",
         7, "limits.max_pixels: 99999999999, ", EDX_E_RANGE},
        {"output = { };\noutput = { };\n", 2, "duplicate", EDX_E_SYNTAX},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char where[100];
        edx_config_default(&f->config);
        const edx_status status = load(f, bad[i].text);
        snprintf(where, sizeof where, "%s:%d: ", f->path, bad[i].line);
        if (status != bad[i].status || strncmp(f->err.text, where, strlen(where)) != 0 ||
            !strstr(f->err.text, bad[i].key) || strchr(f->err.text, '\n'))
            fail_msg("%s gives %d '%s', expected %d %s… %s", bad[i].text, (int)status, f->err.text,
                     (int)bad[i].status, where, bad[i].key);
    }
}

static void test_no_file(void **state)
{
    fixture *f = *state;
    assert_int_equal(edx_config_load(&f->config, "/nowhere/edxd.conf", &f->err), EDX_E_IO);
    assert_non_null(strstr(f->err.text, "/nowhere/edxd.conf"));
}

/* What single keys cannot tell: each of these is right by itself. */
static void test_check(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *set[2];
        const char *key;
    } bad[] = {
        {{"ingest.pattern=router", "output.record=false"}, "output.record"},
        {{"security.curve=true", NULL}, "security.keys"},
        {{"security.curve=true", "security.keys=x"}, "security.clients"},
        {{"analysis.pca.rank=9", "analysis.pca.max_rank=8"}, "analysis.pca.rank"},
        {{"analysis.profile.from_nm=(0, 0)", NULL}, "analysis.profile"},
        {{"quant.lines=({line=\"Ag_La\";}, {line=\"Ag_Ka\";})", NULL}, "quant.lines"},
        {{"quant.lines=({line=\"Ag_La\"; k=1; k_basis=\"weight\";}, {line=\"Au_Ma\"; k=1;})", NULL},
         "quant.lines"},
        {{"quant.lines=[{line=\"Ag_La\";}, {line=\"Au_Ma\"; k=1; k_basis=\"weight\";}]", NULL},
         "quant.lines: k_basis"},
        {{"quant.lines=[{line=\"Ag_La\"; background_eV=[[1, 4], [2, 3]];}]", NULL},
         "quant.lines: the background"},
        {{"quant.lines=[{line=\"Xx_Ka\";}]", NULL}, "quant.lines[0].line"},
        {{"quant.lines=[{line=\"Ag_La\";}, {line=\"C_Ma\";}]", NULL}, "quant.lines[1].line"},
        {{"output.dir=", NULL}, "output.dir"},
        {{"ingest.endpoint=tcp://", NULL}, "ingest.endpoint"},
        {{"publish.endpoint=nowhere", NULL}, "publish.endpoint"},
        {{"control.endpoint=", NULL}, "control.endpoint"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        edx_config_default(&f->config);
        for (size_t k = 0; k < 2 && bad[i].set[k]; k++)
            assert_int_equal(override(f, bad[i].set[k]), EDX_OK);
        assert_int_not_equal(edx_config_check(&f->config, &f->err), EDX_OK);
        if (!strstr(f->err.text, bad[i].key))
            fail_msg("'%s' does not name %s", f->err.text, bad[i].key);
    }
}

/* ---- -s ---- */

static void test_overrides(void **state)
{
    fixture *f = *state;
    static const char *const good[][3] = {
        {"ingest.endpoint=tcp://127.0.0.1:5555", "ingest.endpoint", "\"tcp://127.0.0.1:5555\""},
        {"ingest.endpoint=\"ipc:///a b\"", "ingest.endpoint", "\"ipc:///a b\""},
        {"ingest.endpoint=ipc:///tmp/x=y", "ingest.endpoint", "\"ipc:///tmp/x=y\""},
        {"ingest.pattern=pull", "ingest.pattern", "\"pull\""},
        {"ingest.pattern=\"router\"", "ingest.pattern", "\"router\""},
        {"ingest.bind=true", "ingest.bind", "true"},
        {"ingest.bind=False", "ingest.bind", "false"},
        {"output.dir=/data/runs", "output.dir", "\"/data/runs\""},
        {"output.dir=runs", "output.dir", "\"runs\""},
        {"output.dir=", "output.dir", "\"\""},
        {"output.sync=none", "output.sync", "\"none\""},
        {"limits.stall_s=2", "limits.stall_s", "2"},
        {"limits.stall_s=2.5", "limits.stall_s", "2.5"},
        {"limits.max_cube_GB=1", "limits.max_cube_GB", "1"},
        {"limits.max_message_MB=0x10", "limits.max_message_MB", "16"},
        {"analysis.energy_eV=(100, 9000)", "analysis.energy_eV", "[100, 9000]"},
        {"analysis.energy_eV=[100.5, 9000.5]", "analysis.energy_eV", "[100.5, 9000.5]"},
        {"analysis.energy_eV=[100.5, 2000]", "analysis.energy_eV", "[100.5, 2000]"},
        {"quant.lines=[{line=\"Fe_Ka\"; background_eV=[[1, 2.5], [3, 4]];}]", "quant.lines",
         "[{\"line\": \"Fe_Ka\", \"k_basis\": \"atomic\", \"background_eV\": [[1, 2.5], [3, 4]]}]"},
        {"output.dir=/data[0]", "output.dir", "\"/data[0]\""},
        {"analysis.energy_eV=[100, 9000]", "analysis.energy_eV", "[100, 9000]"},
        {"analysis.energy_eV=auto", "analysis.energy_eV", "\"auto\""},
        {"analysis.pca.rank=5", "analysis.pca.rank", "5"},
        {"analysis.pca={rank=\"auto\"; max_rank=8;}", "analysis.pca",
         "{\"rank\": \"auto\", \"max_rank\": 8}"},
        {"analysis.profile={from_nm=(0,0); to_nm=[1,2]; width_nm=1;}", "analysis.profile",
         "{\"from_nm\": [0, 0], \"to_nm\": [1, 2], \"width_nm\": 1}"},
        {"quant.lines=({line=\"Fe_Ka\"; k=1.45;})", "quant.lines",
         "[{\"line\": \"Fe_Ka\", \"k\": 1.45, \"k_basis\": \"atomic\"}]"},
        {"quant.lines=()", "quant.lines", "[]"},
        {"quant.lines=[]", "quant.lines", "[]"},
        {"quant.limit=3", "quant.limit", "3"},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        if (override(f, good[i][0]))
            fail_msg("%s: %s", good[i][0], f->err.text);
        assert_get(f, good[i][1], good[i][2]);
    }
}

static void test_override_errors(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *assignment, *key;
        edx_status status;
    } bad[] = {
        {"output.dirr=x", "output.dirr", EDX_E_UNKNOWN},
        {"ingest.endpoint.port=1", "ingest.endpoint.port", EDX_E_UNKNOWN},
        {"nothing=1", "nothing", EDX_E_UNKNOWN},
        {"analysisx.bin_energy=1", "analysisx", EDX_E_UNKNOWN},
        {"ingest=3", "ingest", EDX_E_TYPE},
        {"ingest.bind=maybe", "ingest.bind", EDX_E_TYPE},
        {"ingest.pattern=dealer", "ingest.pattern", EDX_E_RANGE},
        {"output.dir=5", "output.dir", EDX_E_TYPE},
        {"limits.max_message_MB=99999999999", "limits.max_message_MB: 99999999999,", EDX_E_RANGE},
        {"limits.max_message_MB=4294967297", "limits.max_message_MB: 4294967297,", EDX_E_RANGE},
        {"limits.max_message_MB=-99999999999", "limits.max_message_MB: -99999999999,", EDX_E_RANGE},
        {"limits.max_message_MB=99999999999999999999", "limits.max_message_MB: 1e+20,",
         EDX_E_RANGE},
        {"limits.stall_s=soon", "limits.stall_s", EDX_E_TYPE},
        {"limits.stall_s=1e400", "limits.stall_s", EDX_E_RANGE},
        {"limits.max_message_MB=-1", "limits.max_message_MB", EDX_E_RANGE},
        {"analysis.energy_eV=(1, 2, 3)", "analysis.energy_eV", EDX_E_RANGE},
        {"analysis.energy_eV=5", "analysis.energy_eV", EDX_E_TYPE},
        {"analysis.bin_energy=0", "analysis.bin_energy", EDX_E_RANGE},
        {"analysis.bin_energy=1.5", "analysis.bin_energy", EDX_E_RANGE},
        {"analysis.drift=wild", "analysis.drift", EDX_E_RANGE},
        {"quant.lines=({line=\"Fe_Ka\"; k=-1;})", "quant.lines[0].k", EDX_E_RANGE},
        {"novalue", "novalue", EDX_E_SYNTAX},
        {"=5", "key=value", EDX_E_SYNTAX},
        {"", "key=value", EDX_E_SYNTAX},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        const edx_status status = override(f, bad[i].assignment);
        if (status != bad[i].status || !strstr(f->err.text, bad[i].key) ||
            strncmp(f->err.text, "-s", 2) != 0 || strchr(f->err.text, '\n'))
            fail_msg("-s %s gives %d '%s', expected %d with %s", bad[i].assignment, (int)status,
                     f->err.text, (int)bad[i].status, bad[i].key);
    }
    assert_listing(f); /* nothing was changed */
}

/* What libconfig takes as more than one setting is a string, not a way round the key. */
static void test_override_injects_nothing(void **state)
{
    fixture *f = *state;
    assert_int_equal(override(f, "output.dir=\"a\"; w = \"b\""), EDX_OK);
    assert_string_equal(f->config.output.dir, "\"a\"; w = \"b\"");
    char *longest = malloc(10000);
    assert_non_null(longest);
    memset(longest, 'x', 9999);
    longest[9999] = '\0';
    memcpy(longest, "output.dir=", 11);
    assert_int_equal(override(f, longest), EDX_E_RANGE);
    free(longest);
}

/* ---- set and get ---- */

static void test_set_get(void **state)
{
    fixture *f = *state;
    const edx_node *value = parse_json(f->wire, f->pack, "7");
    assert_int_equal(edx_config_set(&f->config, "analysis.replicates", value, &f->err), EDX_OK);
    assert_get(f, "analysis.replicates", "7");
    value = parse_json(f->wire, f->pack, "\"x\"");
    const edx_config before = f->config;
    assert_int_equal(edx_config_set(&f->config, "analysis.replicates", value, &f->err), EDX_E_TYPE);
    assert_int_equal(edx_config_set(&f->config, "analysis.nothing", value, &f->err), EDX_E_UNKNOWN);
    assert_int_equal(edx_config_set(&f->config, "", value, &f->err), EDX_E_UNKNOWN);
    assert_memory_equal(&before, &f->config, sizeof before);
    edx_pack_reset(f->pack);
    assert_int_equal(edx_config_get(&f->config, "limits.x", f->pack, &f->err), EDX_E_UNKNOWN);
    assert_int_equal(edx_config_get(&f->config, "", f->pack, &f->err), EDX_E_UNKNOWN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_shipped_file),
        TEST(test_file),
        TEST(test_brackets),
        TEST(test_large_numbers),
        TEST(test_include),
        TEST(test_empty_file_and_groups),
        TEST(test_file_errors),
        TEST(test_no_file),
        TEST(test_check),
        TEST(test_overrides),
        TEST(test_override_errors),
        TEST(test_override_injects_nothing),
        TEST(test_set_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
