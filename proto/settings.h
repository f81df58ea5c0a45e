/* The analysis settings: the groups analysis and quant of the configuration. They go into the
 * recording as edx.config, so that a replay computes the same. */
#ifndef EDX_PROTO_SETTINGS_H
#define EDX_PROTO_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/fields.h"
#include "proto/frame.h"

#define EDX_MAX_LINES 32
#define EDX_LINE_SIZE 16

typedef enum edx_drift_mode { EDX_DRIFT_NONE, EDX_DRIFT_INTEGER } edx_drift_mode;
typedef enum edx_method { EDX_CLIFF_LORIMER, EDX_ZETA, EDX_CROSS_SECTION } edx_method;
typedef enum edx_background { EDX_BACKGROUND_WINDOWS, EDX_BACKGROUND_MODEL } edx_background;
typedef enum edx_basis { EDX_BASIS_ATOMIC, EDX_BASIS_WEIGHT } edx_basis;

/* One line of quant.lines. NaN: not given. */
typedef struct edx_line_setting {
    char line[EDX_LINE_SIZE]; /* "Ag_La" */
    double k, k_sigma;
    int k_basis;
    double window_eV[2];
    double background_eV[2][2];
    double zeta, cross_section_barn;
} edx_line_setting;

#define EDX_AUTO 0u

typedef struct edx_settings {
    struct {
        uint64_t bin_energy, bin_pixels;
        double energy_eV[2]; /* NaN: auto */
        int drift;
        bool exclude;
        struct {
            uint64_t rank; /* EDX_AUTO */
            uint64_t max_rank;
        } pca;
        struct {
            bool automatic;
            uint64_t components; /* 0: off */
        } nmf;
        uint64_t replicates;
        double radial_step_nm;
        struct {
            double from_nm[2], to_nm[2]; /* NaN: none */
            double width_nm;
        } profile;
        double target_sigma;
    } analysis;
    struct {
        int method;
        double limit;
        int background;
        uint32_t n_lines;
        edx_line_setting lines[EDX_MAX_LINES];
    } quant;
} edx_settings;

/* Two groups, analysis and quant, over an edx_settings. */
extern const edx_field edx_settings_table[];

void edx_settings_default(edx_settings *settings);
/* What no single key can tell: one k_basis for all lines, two places for a background, no line
 * twice, no element twice. */
edx_status edx_settings_check(const edx_settings *settings, edx_error *err);

/* The body of an edx.config record: head, both groups, and the body of the edx.begin that they are
 * for (begin may be NULL), in case that one's own record is damaged. read starts from the defaults.
 */
void edx_config_write(edx_pack *pack, const edx_head *head, const edx_settings *settings,
                      const void *begin, size_t begin_size);
edx_status edx_config_read(const edx_node *body, edx_settings *out, edx_error *err);
/* That begin's bytes, inside the parsed message; NULL when there are none. */
const void *edx_config_begin(const edx_node *body, size_t *size);

#endif
