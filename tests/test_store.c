/* The run's folder: what stands there is whole, old or new; equal input gives equal bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/store_example.h"

#define ROWS 6u
#define COLS 7u
#define CHANNELS 512u
#define VOXELS 21504u

/* ---- files ---- */

typedef struct folder {
    char path[64];
} folder;

typedef struct content {
    unsigned char *bytes;
    size_t size;
} content;

static void path_in(const folder *f, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", f->path, name);
}

static int make_folder(void **state)
{
    folder *f = calloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->path, sizeof f->path, "%.30s/edx-store-XXXXXX", tmp ? tmp : "/tmp");
    *state = f;
    return mkdtemp(f->path) ? 0 : -1;
}

static unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    unsigned n = 0;
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n - 2;
}

static void remove_in(const folder *f, const char *name)
{
    char path[128];
    path_in(f, name, path);
    remove(path);
}

static int remove_folder(void **state)
{
    folder *f = *state;
    remove_in(f, "cube.hspy");
    remove_in(f, "maps.hspy");
    remove_in(f, "results.h5");
    const int rc = rmdir(f->path);
    free(f);
    return rc;
}

static content read_file(const folder *f, const char *name)
{
    char path[128];
    path_in(f, name, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    content c = {.size = (size_t)ftell(file)};
    rewind(file);
    c.bytes = malloc(c.size);
    assert_non_null(c.bytes);
    assert_int_equal(fread(c.bytes, 1, c.size, file), c.size);
    fclose(file);
    return c;
}

static void write_file(const folder *f, const char *name, const char *text)
{
    char path[128];
    path_in(f, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_same(content a, content b)
{
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.bytes, b.bytes, a.size);
}

/* ---- writing the example ---- */

static edx_status store_cube(const folder *f, uint32_t extra, const char *title, edx_error *err)
{
    edx_begin begin = example_begin(ROWS, COLS, CHANNELS);
    snprintf(begin.title, sizeof begin.title, "%s", title);
    edx_scene *scene = example_scene(ROWS, COLS, CHANNELS, extra);
    double *live = example_live_time(ROWS * COLS);
    const edx_store_lines used = {example_lines, EXAMPLE_LINES, 1};
    const edx_status status = edx_store_cube(f->path, scene, &begin, &used, live, err);
    free(live);
    edx_scene_free(&scene);
    return status;
}

static edx_status store_results(const folder *f, uint32_t particles, const char *version,
                                edx_error *err)
{
    example_messages m = example_results(particles);
    const edx_status status = edx_store_results(f->path, m.message, EXAMPLE_MESSAGES, m.config,
                                                m.config_size, version, err);
    example_results_clear(&m);
    return status;
}

static edx_status store_maps(const folder *f, uint32_t particles, edx_error *err)
{
    edx_store_message messages[EXAMPLE_SIGNALS];
    const edx_begin begin = example_begin(ROWS, COLS, CHANNELS);
    example_signals(particles, messages);
    const edx_status status =
        edx_store_maps(f->path, &begin, EXAMPLE_BIN, messages, EXAMPLE_SIGNALS, err);
    for (size_t i = 0; i < EXAMPLE_SIGNALS; i++) {
        free((void *)messages[i].body);
    }
    return status;
}

/* ---- reading it back with HDF5 ---- */

static hid_t open_file(const folder *f, const char *name)
{
    char path[128];
    path_in(f, name, path);
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/* Reads a dataset of n elements as type. */
static void read_set(hid_t file, const char *name, hid_t type, hssize_t n, void *out)
{
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    if (set < 0) {
        fail_msg("no dataset %s", name);
    }
    const hid_t space = H5Dget_space(set);
    assert_int_equal(H5Sget_simple_extent_npoints(space), n);
    if (n > 0) {
        assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    }
    H5Sclose(space);
    H5Dclose(set);
}

static double read_double(hid_t file, const char *name)
{
    double value = 0.0;
    read_set(file, name, H5T_NATIVE_DOUBLE, 1, &value);
    return value;
}

static void assert_counts(const folder *f, const char *title, uint32_t extra, size_t width)
{
    char name[600];
    static uint32_t counts[VOXELS];
    const hid_t file = open_file(f, "cube.hspy");
    snprintf(name, sizeof name, "/Experiments/%s/data", title);
    read_set(file, name, H5T_NATIVE_UINT32, VOXELS, counts);
    const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    const hid_t type = H5Dget_type(set);
    assert_int_equal(H5Tget_size(type), width);
    H5Tclose(type);
    H5Dclose(set);
    H5Fclose(file);
    for (uint32_t p = 0; p < ROWS * COLS; p++) {
        for (uint32_t e = 0; e < CHANNELS; e++) {
            const uint32_t truth = example_count(p, e) + (p + e == 0 ? extra : 0);
            assert_int_equal(counts[p * CHANNELS + e], truth);
        }
    }
}

static void cube_holds_every_count(void **state)
{
    const folder *f = *state;
    assert_int_equal(store_cube(f, 0, "narrow", NULL), EDX_OK);
    assert_counts(f, "narrow", 0, 2);
    assert_int_equal(store_cube(f, 70000, "wide", NULL), EDX_OK);
    assert_counts(f, "wide", 70000, 4);
    assert_int_equal(count_entries(f->path), 1);
}

static void odd_titles_become_names(void **state)
{
    const folder *f = *state;
    char longest[EDX_TITLE_SIZE];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    const struct {
        const char *title, *name;
    } cases[] = {{"", "example-1"},
                 {".", "example-1"},
                 {"a/b//c", "a-b--c"},
                 {"/", "-"},
                 {"..", ".."},
                 {"Au@Ag \xc3\xa9\n%s", "Au@Ag \xc3\xa9\n%s"},
                 {"  spaces ", "  spaces "},
                 {longest, longest}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(store_cube(f, 0, cases[i].title, NULL), EDX_OK);
        assert_counts(f, cases[i].name, 0, 2);
    }
}

static void results_hold_what_was_published(void **state)
{
    const folder *f = *state;
    assert_int_equal(store_results(f, 3, "1.2.3", NULL), EDX_OK);
    const hid_t file = open_file(f, "results.h5");
    uint32_t exposure[3];
    read_set(file, "/maps/exposure", H5T_NATIVE_UINT32, 3, exposure);
    assert_int_equal(exposure[2], UINT32_MAX);
    static float large[60000];
    read_set(file, "/maps/large", H5T_NATIVE_FLOAT, 60000, large);
    assert_true(large[59999] == (float)(59999 % 1013));
    double pair[2];
    read_set(file, "/particles/2/composition/Au", H5T_NATIVE_DOUBLE, 2, pair);
    assert_true(pair[0] == 0.51 && pair[1] == 0.01);
    assert_true(read_double(file, "/particles/2/id") == 2.0);
    assert_true(read_double(file, "/particles/1/radial/denoised_check/dof") == 8.0);
    assert_true(read_double(file, "/particles/systematic/Au") == 0.007);
    assert_true(read_double(file, "/alarm/below") == -5.0);
    assert_true(read_double(file, "/config/quant/lines/0/k") == 1.25);
    double table[6];
    read_set(file, "/alarm/table", H5T_NATIVE_DOUBLE, 6, table);
    assert_true(table[5] == 2.5);
    read_set(file, "/alarm/none", H5T_NATIVE_DOUBLE, 0, NULL);
    assert_true(H5Lexists(file, "/alarm/nothing", H5P_DEFAULT) == 0);
    assert_true(H5Lexists(file, "/particles/particles", H5P_DEFAULT) == 0);
    H5Fclose(file);
}

static double read_attribute(hid_t file, const char *group, const char *name)
{
    double value = NAN;
    const hid_t attribute = H5Aopen_by_name(file, group, name, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0);
    assert_true(H5Aread(attribute, H5T_NATIVE_DOUBLE, &value) >= 0);
    H5Aclose(attribute);
    return value;
}

/* The middle of pixels of 2 x 2 scan pixels, of 4 channels, of rings. */
static void assert_axes(hid_t file)
{
    static const struct {
        const char *group;
        double offset, scale;
    } axes[] = {{"/Experiments/intensity/axis-1", 0.25, 1.0},
                {"/Experiments/total/axis-1", 0.125, 0.5},
                {"/Experiments/sum/axis-0", -0.4, 0.04},
                {"/Experiments/radial counts/axis-2", 0.25, 0.5}};
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++) {
        assert_float_equal(read_attribute(file, axes[i].group, "offset"), axes[i].offset, 1e-12);
        assert_float_equal(read_attribute(file, axes[i].group, "scale"), axes[i].scale, 1e-12);
    }
}

static void maps_are_signals(void **state)
{
    const folder *f = *state;
    assert_int_equal(store_maps(f, 3, NULL), EDX_OK);
    const hid_t file = open_file(f, "maps.hspy");
    float net[18];
    read_set(file, "/Experiments/intensity/data", H5T_NATIVE_FLOAT, 18, net);
    assert_true(net[2] == 3.0F && net[9] == 4.0F && isnan(net[11]));
    uint32_t total[9];
    read_set(file, "/Experiments/total/data", H5T_NATIVE_UINT32, 9, total);
    assert_true(total[0] == 9 && total[8] == 1);
    assert_axes(file);
    double counts[3][EXAMPLE_LINES][3];
    read_set(file, "/Experiments/radial counts/data", H5T_NATIVE_DOUBLE, 18, counts);
    for (uint32_t i = 0; i < 18; i++) { /* particle p has p + 1 rings */
        const uint32_t p = i / 6;
        const uint32_t line = i / 3 % 2;
        const uint32_t ring = i % 3;
        const double got = counts[p][line][ring];
        assert_true(ring <= p ? got == example_ring(p, line, ring) : isnan(got));
    }
    assert_true(H5Lexists(file, "/Experiments/atoms", H5P_DEFAULT) == 0);
    assert_true(H5Lexists(file, "/Experiments/fit", H5P_DEFAULT) == 0);
    H5Fclose(file);
}

static void without_particles_no_rings(void **state)
{
    const folder *f = *state;
    assert_int_equal(store_maps(f, 0, NULL), EDX_OK);
    const hid_t file = open_file(f, "maps.hspy");
    assert_true(H5Lexists(file, "/Experiments/radial counts", H5P_DEFAULT) == 0);
    assert_true(H5Lexists(file, "/Experiments/sum", H5P_DEFAULT) > 0);
    H5Fclose(file);
}

/* ---- equal bytes ---- */

/* What HDF5 leaves in its free lists must not reach the file. */
static void equal_input_gives_equal_bytes(void **state)
{
    const folder *f = *state;
    assert_int_equal(store_cube(f, 0, "same", NULL), EDX_OK);
    assert_int_equal(store_results(f, 3, "1", NULL), EDX_OK);
    assert_int_equal(store_maps(f, 3, NULL), EDX_OK);
    const content cube = read_file(f, "cube.hspy");
    const content maps = read_file(f, "maps.hspy");
    const content results = read_file(f, "results.h5");
    assert_int_equal(store_cube(f, 70000, "quite another and longer title", NULL), EDX_OK);
    assert_int_equal(store_results(f, 200, "a version that is longer than the other", NULL),
                     EDX_OK);
    assert_int_equal(store_maps(f, 40, NULL), EDX_OK);
    sleep(1); /* a stored time would be another now */
    assert_int_equal(store_cube(f, 0, "same", NULL), EDX_OK);
    assert_int_equal(store_results(f, 3, "1", NULL), EDX_OK);
    assert_int_equal(store_maps(f, 3, NULL), EDX_OK);
    const content cube_again = read_file(f, "cube.hspy");
    const content maps_again = read_file(f, "maps.hspy");
    const content results_again = read_file(f, "results.h5");
    assert_same(cube, cube_again);
    assert_same(results, results_again);
    assert_same(maps, maps_again);
    free(maps.bytes);
    free(maps_again.bytes);
    free(cube.bytes);
    free(results.bytes);
    free(cube_again.bytes);
    free(results_again.bytes);
}

/* ---- failures ---- */

typedef edx_status write_new(const folder *f, edx_error *err);

static edx_status write_new_cube(const folder *f, edx_error *err)
{
    return store_cube(f, 70000, "new", err);
}

static edx_status write_new_results(const folder *f, edx_error *err)
{
    return store_results(f, 400, "new", err); /* more than HDF5 keeps in memory */
}

static edx_status write_new_maps(const folder *f, edx_error *err)
{
    return store_maps(f, 200, err);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Writes with room for bytes only; the old file must stand. */
static void fail_at(const folder *f, const char *name, write_new *write, size_t bytes)
{
    edx_error err = {0};
    const content old = read_file(f, name);
    const unsigned entries = count_entries(f->path);
    const unsigned descriptors = count_entries("/proc/self/fd");
    limit_files(bytes);
    const edx_status status = write(f, &err);
    limit_files(RLIM_INFINITY);
    assert_int_equal(status, EDX_E_IO);
    if (!strstr(err.text, name) || !strstr(err.text, strerror(EFBIG))) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(count_entries(f->path), entries);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    const content now = read_file(f, name);
    assert_same(old, now);
    free(old.bytes);
    free(now.bytes);
}

static void fail_everywhere(const folder *f, const char *name, write_new *write, const char *old)
{
    assert_int_equal(write(f, NULL), EDX_OK);
    const content whole = read_file(f, name);
    write_file(f, name, old);
    for (size_t i = 0; i < 24; i++) {
        fail_at(f, name, write, whole.size * i / 24);
    }
    fail_at(f, name, write, whole.size - 1);
    limit_files(whole.size + 65536); /* HDF5 cuts off at the end what it reserved */
    assert_int_equal(write(f, NULL), EDX_OK);
    limit_files(RLIM_INFINITY);
    const content again = read_file(f, name);
    assert_same(whole, again);
    free(whole.bytes);
    free(again.bytes);
}

static void full_disk_leaves_the_old_file(void **state)
{
    const folder *f = *state;
    signal(SIGXFSZ, SIG_IGN);
    fail_everywhere(f, "cube.hspy", write_new_cube, "the old cube");
    fail_everywhere(f, "maps.hspy", write_new_maps, "the old maps");
    fail_everywhere(f, "results.h5", write_new_results, "the old results");
}

static void no_folder_is_an_error(void **state)
{
    (void)state;
    const folder nowhere = {.path = "/nonexistent/edx"};
    edx_error err = {0};
    assert_int_equal(store_cube(&nowhere, 0, "", &err), EDX_E_IO);
    assert_non_null(strstr(err.text, strerror(ENOENT)));
    assert_int_equal(store_results(&nowhere, 1, "", &err), EDX_E_IO);
    assert_int_equal(store_maps(&nowhere, 1, &err), EDX_E_IO);
}

/* A rename that cannot be done takes the partial file with it. */
static void folder_in_the_way_is_an_error(void **state)
{
    const folder *f = *state;
    char path[128];
    path_in(f, "cube.hspy", path);
    assert_int_equal(mkdir(path, 0700), 0);
    edx_error err = {0};
    assert_int_equal(store_cube(f, 0, "", &err), EDX_E_IO);
    assert_non_null(strstr(err.text, strerror(EISDIR)));
    assert_int_equal(count_entries(f->path), 1);
    assert_int_equal(rmdir(path), 0);
}

static void stale_partial_is_replaced(void **state)
{
    const folder *f = *state;
    assert_int_equal(store_cube(f, 0, "", NULL), EDX_OK);
    const content truth = read_file(f, "cube.hspy");
    char *junk = malloc(3 * truth.size);
    assert_non_null(junk);
    memset(junk, 'x', 3 * truth.size - 1);
    junk[3 * truth.size - 1] = '\0';
    write_file(f, "cube.hspy.partial", junk);
    assert_int_equal(store_cube(f, 0, "", NULL), EDX_OK);
    const content again = read_file(f, "cube.hspy");
    assert_same(truth, again);
    assert_int_equal(count_entries(f->path), 1);
    free(junk);
    free(truth.bytes);
    free(again.bytes);
}

static void bad_messages_are_named(void **state)
{
    const folder *f = *state;
    write_file(f, "results.h5", "old");
    const struct {
        edx_store_message message;
        edx_status status;
    } cases[] = {{{"edx.maps", "\x93\x01", 2}, EDX_E_DECODE},
                 {{"edx.maps", "\x07", 1}, EDX_E_TYPE},
                 {{"edx.maps", "", 0}, EDX_E_DECODE},
                 {{"edx.maps",
                   "\x82\xa1"
                   "a\x01\xa1"
                   "a\x02", /* {"a": 1, "a": 2} */
                   7},
                  EDX_E_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edx_error err = {0};
        assert_int_equal(edx_store_results(f->path, &cases[i].message, 1, NULL, 0, "1", &err),
                         cases[i].status);
        assert_non_null(strstr(err.text, "results.h5"));
        assert_int_equal(count_entries(f->path), 1);
    }
    const content old = read_file(f, "results.h5");
    assert_int_equal(old.size, 3);
    free(old.bytes);
}

static void bad_maps_are_named(void **state)
{
    const folder *f = *state;
    const edx_begin begin = example_begin(ROWS, COLS, CHANNELS);
    const struct {
        edx_store_message message;
        edx_status status;
        const char *text;
    } cases[] = {{{"edx.maps", "\x93\x01", 2}, EDX_E_DECODE, "maps.hspy: edx.maps: "},
                 {{"edx.spectrum", "\x80", 1}, EDX_E_MISSING, "maps.hspy: edx.spectrum: "},
                 {{"edx.other", "", 0}, EDX_E_MISSING, "maps.hspy: no message edx.spectrum"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edx_error err = {0};
        assert_int_equal(edx_store_maps(f->path, &begin, 1, &cases[i].message, 1, &err),
                         cases[i].status);
        assert_ptr_equal(strstr(err.text, cases[i].text), err.text);
        assert_int_equal(count_entries(f->path), 0);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(cube_holds_every_count),          IN_FOLDER(odd_titles_become_names),
        IN_FOLDER(results_hold_what_was_published), IN_FOLDER(equal_input_gives_equal_bytes),
        IN_FOLDER(full_disk_leaves_the_old_file),   cmocka_unit_test(no_folder_is_an_error),
        IN_FOLDER(folder_in_the_way_is_an_error),   IN_FOLDER(stale_partial_is_replaced),
        IN_FOLDER(bad_messages_are_named),          IN_FOLDER(maps_are_signals),
        IN_FOLDER(without_particles_no_rings),      IN_FOLDER(bad_maps_are_named),
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
