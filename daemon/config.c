#include "daemon/config.h"

#include <float.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libconfig.h>

#include "analysis/lines.h"
#include "daemon/conftext.h"

/* ---- the table ---- */

static const char *const patterns[] = {"sub", "pull", "router", NULL};
static const char *const syncs[] = {"none", "frame", "end", NULL};

#define AT(group, member) .offset = offsetof(edx_config, group.member) - offsetof(edx_config, group)
#define SIZE(group, member) .size = sizeof(((edx_config *)NULL)->group.member)

static const edx_field ingest_table[] = {
    {.key = "endpoint", .kind = EDX_FIELD_TEXT, AT(ingest, endpoint), SIZE(ingest, endpoint)},
    {.key = "pattern", .kind = EDX_FIELD_CHOICE, AT(ingest, pattern), .choices = patterns},
    {.key = "bind", .kind = EDX_FIELD_BOOL, AT(ingest, bind)},
    {.key = "stop_endpoint",
     .kind = EDX_FIELD_TEXT,
     AT(ingest, stop_endpoint),
     SIZE(ingest, stop_endpoint)},
    {0},
};

static const edx_field endpoint_table[] = {
    {.key = "endpoint", .kind = EDX_FIELD_TEXT, AT(publish, endpoint), SIZE(publish, endpoint)},
    {0},
};

static const edx_field output_table[] = {
    {.key = "dir", .kind = EDX_FIELD_TEXT, AT(output, dir), SIZE(output, dir)},
    {.key = "record", .kind = EDX_FIELD_BOOL, AT(output, record)},
    {.key = "sync", .kind = EDX_FIELD_CHOICE, AT(output, sync), .choices = syncs},
    {.key = "keep_days", .kind = EDX_FIELD_FLOAT, AT(output, keep_days), .min = 0, .max = 36500},
    {0},
};

#define WHOLE(name, lo, hi)                                                                        \
    {                                                                                              \
        .key = #name, .kind = EDX_FIELD_UINT, AT(limits, name), .min = (lo), .max = (hi)           \
    }
#define REAL(name, lo, hi)                                                                         \
    {                                                                                              \
        .key = #name, .kind = EDX_FIELD_FLOAT, AT(limits, name), .min = (lo), .max = (hi)          \
    }

static const edx_field limits_table[] = {
    WHOLE(max_message_MB, 1, 65536),
    WHOLE(max_pixels, 1, 1u << 30),
    WHOLE(max_channels, 1, 16384),
    REAL(max_cube_GB, 1e-6, 1e6),
    REAL(stall_s, 0.01, 1e9),
    REAL(min_free_GB, 0.0, 1e6),
    {0},
};

static const edx_field security_table[] = {
    {.key = "curve", .kind = EDX_FIELD_BOOL, AT(security, curve)},
    {.key = "keys", .kind = EDX_FIELD_TEXT, AT(security, keys), SIZE(security, keys)},
    {.key = "clients", .kind = EDX_FIELD_TEXT, AT(security, clients), SIZE(security, clients)},
    {0},
};

#define GROUP(name, table)                                                                         \
    {                                                                                              \
        .key = #name, .kind = EDX_FIELD_GROUP, .offset = offsetof(edx_config, name),               \
        .sub = (table)                                                                             \
    }

/* analysis and quant stand in edx_settings_table. */
static const edx_field config_table[] = {
    GROUP(ingest, ingest_table),
    GROUP(publish, endpoint_table),
    GROUP(control, endpoint_table),
    GROUP(output, output_table),
    GROUP(limits, limits_table),
    GROUP(security, security_table),
    {0},
};

static bool under(const char *path, const char *group)
{
    const size_t n = strlen(group);
    return strncmp(path, group, n) == 0 && (path[n] == '\0' || path[n] == '.');
}

static bool is_settings(const char *path)
{
    return under(path, "analysis") || under(path, "quant");
}

static bool is_known(const char *path)
{
    bool known = is_settings(path);
    for (const edx_field *field = config_table; !known && field->key; field++) {
        known = under(path, field->key);
    }
    return known;
}

static edx_status unknown(const char *path, edx_error *err)
{
    return edx_fail(err, EDX_E_UNKNOWN,
                    "%s: unknown key, expected one in ingest, publish, control, output, analysis, "
                    "quant, limits, security",
                    path);
}

/* ---- one key ---- */

void edx_config_default(edx_config *config)
{
    *config = (edx_config){
        .ingest = {.endpoint = "tcp://127.0.0.1:5555", .pattern = EDX_PATTERN_SUB},
        .publish = {.endpoint = "tcp://127.0.0.1:5556"},
        .control = {.endpoint = "tcp://127.0.0.1:5557"},
        .output = {.dir = "/var/lib/edxd", .record = true, .sync = EDX_SYNC_FRAME},
        .limits = {.max_message_MB = 512,
                   .max_pixels = 16777216,
                   .max_channels = 16384,
                   .max_cube_GB = 8.0,
                   .stall_s = 60.0,
                   .min_free_GB = 1.0},
    };
    edx_settings_default(&config->settings);
}

edx_status edx_config_set(edx_config *config, const char *path, const edx_node *value,
                          edx_error *err)
{
    if (!is_known(path)) {
        return unknown(path, err);
    }
    edx_config *changed = malloc(sizeof *changed); /* a group may fail at its second key */
    if (!changed) {
        return edx_fail(err, EDX_E_NOMEM, "%s: no memory", path);
    }
    *changed = *config;
    const edx_status status =
        is_settings(path) ? edx_fields_set(edx_settings_table, &changed->settings, path, value, err)
                          : edx_fields_set(config_table, changed, path, value, err);
    if (status == EDX_OK) {
        *config = *changed;
    }
    free(changed);
    return status;
}

edx_status edx_config_get(const edx_config *config, const char *path, edx_pack *pack,
                          edx_error *err)
{
    if (!is_known(path)) {
        return unknown(path, err);
    }
    return is_settings(path)
               ? edx_fields_get(edx_settings_table, &config->settings, path, pack, err)
               : edx_fields_get(config_table, config, path, pack, err);
}

static edx_status check_endpoint(const char *key, const char *endpoint, edx_error *err)
{
    const size_t scheme = strlen("tcp://");
    const bool known =
        strncmp(endpoint, "tcp://", scheme) == 0 || strncmp(endpoint, "ipc://", scheme) == 0;
    return known && endpoint[scheme]
               ? EDX_OK
               : edx_fail(err, EDX_E_RANGE, "%s: \"%.99s\", expected tcp://HOST:PORT or ipc://PATH",
                          key, endpoint);
}

static edx_status check_places(const edx_config *config, edx_error *err)
{
    edx_status status = check_endpoint("ingest.endpoint", config->ingest.endpoint, err);
    if (status == EDX_OK) {
        status = check_endpoint("publish.endpoint", config->publish.endpoint, err);
    }
    if (status == EDX_OK) {
        status = check_endpoint("control.endpoint", config->control.endpoint, err);
    }
    if (status == EDX_OK && config->ingest.stop_endpoint[0] != '\0') {
        status = check_endpoint("ingest.stop_endpoint", config->ingest.stop_endpoint, err);
    }
    if (status == EDX_OK && config->output.dir[0] == '\0') {
        status = edx_fail(err, EDX_E_RANGE, "output.dir: \"\", expected a directory");
    }
    return status;
}

static edx_status check_security(const edx_config *config, edx_error *err)
{
    if (config->security.curve && config->security.keys[0] == '\0') {
        return edx_fail(err, EDX_E_RANGE,
                        "security.keys: \"\", expected a secret certificate with security.curve = "
                        "true: edxctl keygen -o FILE");
    }
    if (config->security.curve && config->security.clients[0] == '\0') {
        return edx_fail(err, EDX_E_RANGE,
                        "security.clients: \"\", expected a file or folder with the public "
                        "certificates of those who may connect, with security.curve = true");
    }
    return EDX_OK;
}

static edx_status check_lines(const edx_settings *settings, edx_error *err)
{
    edx_status status = EDX_OK;
    double energy_eV = 0.0;
    for (uint32_t i = 0; i < settings->quant.n_lines && status == EDX_OK; i++) {
        status = edx_lines_energy(settings->quant.lines[i].line, &energy_eV, err);
        if (status) {
            edx_error_prefix(err, "quant.lines[%u].line", (unsigned)i);
        }
    }
    return status;
}

edx_status edx_config_check(const edx_config *config, edx_error *err)
{
    if (config->ingest.pattern == EDX_PATTERN_ROUTER && !config->output.record) {
        return edx_fail(err, EDX_E_RANGE,
                        "output.record: false, expected true with ingest.pattern = \"router\" "
                        "(what is acknowledged must be recorded)");
    }
    edx_status status = check_places(config, err);
    if (status == EDX_OK) {
        status = check_security(config, err);
    }
    if (status == EDX_OK) {
        status = edx_settings_check(&config->settings, err);
    }
    return status == EDX_OK ? check_lines(&config->settings, err) : status;
}

edx_limits edx_config_limits(const edx_config *config)
{
    return (edx_limits){
        .max_message_bytes = config->limits.max_message_MB << 20,
        .max_pixels = config->limits.max_pixels,
        .max_channels = config->limits.max_channels,
        .max_cube_bytes = (uint64_t)(config->limits.max_cube_GB * (double)(1u << 30)),
    };
}

/* ---- libconfig to MessagePack, so that one decoder judges every value ---- */

static void pack_setting(edx_pack *pack, const config_setting_t *setting);

static void pack_children(edx_pack *pack, const config_setting_t *setting, bool named)
{
    const int n = config_setting_length(setting);
    for (int i = 0; i < n; i++) {
        const config_setting_t *child = config_setting_get_elem(setting, (unsigned)i);
        if (named) {
            edx_pack_text(pack, config_setting_name(child));
        }
        pack_setting(pack, child);
    }
}

static void pack_setting(edx_pack *pack, const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        edx_pack_int(pack, config_setting_get_int64(setting));
        break;
    case CONFIG_TYPE_FLOAT:
        edx_pack_float(pack, config_setting_get_float(setting));
        break;
    case CONFIG_TYPE_BOOL:
        edx_pack_bool(pack, config_setting_get_bool(setting) != 0);
        break;
    case CONFIG_TYPE_STRING:
        edx_pack_text(pack, config_setting_get_string(setting));
        break;
    case CONFIG_TYPE_GROUP:
        edx_pack_map(pack, (size_t)config_setting_length(setting));
        pack_children(pack, setting, true);
        break;
    default:
        edx_pack_list(pack, (size_t)config_setting_length(setting));
        pack_children(pack, setting, false);
    }
}

typedef struct loader {
    edx_conftext *text;
    edx_config *config;
    edx_pack *pack;
    edx_wire *wire;
} loader;

static edx_status apply_packed(loader *l, const char *path, edx_error *err)
{
    const edx_node *node;
    edx_status status = edx_pack_status(l->pack);
    if (status) {
        return edx_fail(err, status, "%s: %s", path, edx_status_text(status));
    }
    status = edx_wire_parse(l->wire, edx_pack_data(l->pack), edx_pack_size(l->pack), &node, err);
    if (status) {
        edx_error_prefix(err, "%s", path);
        return status;
    }
    return edx_config_set(l->config, path, node, err);
}

static edx_status apply_setting(loader *l, const char *path, const config_setting_t *setting,
                                edx_error *err)
{
    edx_pack_reset(l->pack);
    pack_setting(l->pack, setting);
    return apply_packed(l, path, err);
}

/* What the first step of path (".k" or "[1]") names inside setting; *step gets its length. NULL: no
 * such thing. */
static const config_setting_t *step_into(const config_setting_t *setting, const char *path,
                                         size_t *step)
{
    char name[64];
    char *end = NULL;
    if (path[0] == '[') {
        const unsigned long index = strtoul(path + 1, &end, 10);
        *step = (size_t)(end - path) + 1;
        return *end == ']' ? config_setting_get_elem(setting, (unsigned)index) : NULL;
    }
    const size_t n = path[0] == '.' ? strcspn(path + 1, ".[: ") : 0;
    if (n == 0 || n >= sizeof name) {
        return NULL;
    }
    memcpy(name, path + 1, n);
    name[n] = '\0';
    *step = n + 1;
    return config_setting_get_member(setting, name);
}

/* The line of what path (".lines[1].k: …") names below setting, as deep as it is there. */
static unsigned line_of(const config_setting_t *setting, const char *path)
{
    size_t step = 0;
    for (const config_setting_t *inner = step_into(setting, path, &step); inner;
         inner = step_into(setting, path, &step)) {
        setting = inner;
        path += step;
    }
    return config_setting_source_line(setting);
}

/* Every key by itself, so that an error can name its line. */
static edx_status apply_group(loader *l, const char *path, const config_setting_t *group,
                              edx_error *err)
{
    const int n = config_setting_length(group);
    for (int i = 0; i < n; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        char key[256];
        snprintf(key, sizeof key, "%s%s%s", path, path[0] ? "." : "", config_setting_name(setting));
        const bool inner = config_setting_is_group(setting) && config_setting_length(setting) > 0;
        const edx_status status =
            inner ? apply_group(l, key, setting, err) : apply_setting(l, key, setting, err);
        if (status) {
            if (!inner) {
                const bool named = err && strncmp(err->text, key, strlen(key)) == 0;
                edx_conftext_at(l->text, line_of(setting, named ? err->text + strlen(key) : ""),
                                err);
            }
            return status;
        }
    }
    return EDX_OK;
}

/* What names the keys is not for everybody to read. */
static edx_status check_secrecy(const loader *l, const config_setting_t *root, edx_error *err)
{
    struct stat info;
    const config_setting_t *group = config_setting_get_member(root, "security");
    const config_setting_t *keys = group ? config_setting_get_member(group, "keys") : NULL;
    const unsigned line = keys ? config_setting_source_line(keys) : 0;
    const char *file = keys ? edx_conftext_source(l->text, line) : NULL;
    if (!file || l->config->security.keys[0] == '\0' || stat(file, &info) != 0 ||
        !S_ISREG(info.st_mode) || !(info.st_mode & S_IROTH)) {
        return EDX_OK;
    }
    const edx_status status =
        edx_fail(err, EDX_E_STATE,
                 "security.keys: everybody may read the file that names the keys (mode %03o), "
                 "expected 640: chmod o= %.80s",
                 (unsigned)info.st_mode & 0777U, file);
    edx_conftext_at(l->text, line, err);
    return status;
}

/* What no single key can tell, with the line of the key that the error names. */
static edx_status check_file(const loader *l, const config_setting_t *root, edx_error *err)
{
    char path[EDX_ERROR_TEXT + 1];
    const edx_status status = edx_config_check(l->config, err);
    if (status && err) {
        snprintf(path, sizeof path, ".%s", err->text);
        const unsigned line = line_of(root, path);
        edx_conftext_at(l->text, line > 0 ? line : 1, err);
    }
    return status;
}

static edx_status loader_init(loader *l, edx_config *config, edx_error *err)
{
    *l = (loader){.config = config, .pack = edx_pack_new(), .wire = edx_wire_new(0)};
    return l->pack && l->wire ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory");
}

static void loader_clear(loader *l)
{
    edx_pack_free(&l->pack);
    edx_wire_free(&l->wire);
    edx_conftext_free(&l->text);
}

static edx_status parse_text(const loader *l, config_t *file, edx_error *err)
{
    if (config_read_string(file, edx_conftext_get(l->text))) {
        return EDX_OK;
    }
    const edx_status status = edx_fail(
        err, EDX_E_SYNTAX, "%s, expected libconfig syntax like output = { dir = \"/data\"; };",
        config_error_text(file));
    edx_conftext_at(l->text, (unsigned)config_error_line(file), err);
    return status;
}

edx_status edx_config_load(edx_config *config, const char *path, edx_error *err)
{
    loader l;
    config_t file;
    config_init(&file);
    edx_status status = loader_init(&l, config, err);
    if (status == EDX_OK) {
        status = edx_conftext_file(path, &l.text, err);
    }
    if (status == EDX_OK) {
        status = parse_text(&l, &file, err);
    }
    if (status == EDX_OK) {
        status = apply_group(&l, "", config_root_setting(&file), err);
    }
    if (status == EDX_OK) {
        status = check_secrecy(&l, config_root_setting(&file), err);
    }
    if (status == EDX_OK) {
        status = check_file(&l, config_root_setting(&file), err);
    }
    loader_clear(&l);
    config_destroy(&file);
    return status;
}

/* VALUE as libconfig reads it, else as a string. */
static edx_status apply_value(loader *l, const char *path, const char *value, edx_error *err)
{
    config_t parsed;
    char text[8192];
    const int n = snprintf(text, sizeof text, "v = %s;", value);
    if (n < 0 || (size_t)n >= sizeof text) {
        return edx_fail(err, EDX_E_RANGE, "%s: value too long, expected at most %zu characters",
                        path, sizeof text - 8);
    }
    edx_status status = edx_conftext_text(text, &l->text, err);
    if (status) {
        return status;
    }
    config_init(&parsed);
    const config_setting_t *setting = NULL;
    if (value[0] != '\0' && config_read_string(&parsed, edx_conftext_get(l->text)) &&
        config_setting_length(config_root_setting(&parsed)) == 1) {
        setting = config_lookup(&parsed, "v");
    }
    edx_pack_reset(l->pack);
    if (setting) {
        pack_setting(l->pack, setting);
    } else {
        edx_pack_text(l->pack, value);
    }
    status = apply_packed(l, path, err);
    config_destroy(&parsed);
    return status;
}

edx_status edx_config_override(edx_config *config, const char *assignment, edx_error *err)
{
    const char *equals = strchr(assignment, '=');
    char path[256];
    loader l;
    if (!equals || equals == assignment || (size_t)(equals - assignment) >= sizeof path) {
        return edx_fail(err, EDX_E_SYNTAX,
                        "-s %s: expected key=value, like "
                        "-s analysis.bin_pixels=1",
                        assignment);
    }
    snprintf(path, sizeof path, "%.*s", (int)(equals - assignment), assignment);
    edx_status status = loader_init(&l, config, err);
    if (status == EDX_OK) {
        status = apply_value(&l, path, equals + 1, err);
    }
    if (status) {
        edx_error_prefix(err, "-s");
    }
    loader_clear(&l);
    return status;
}
