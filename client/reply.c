#include "client/reply.h"

#include <string.h>

#include "client/canvas.h"
#include "client/number.h"
#include "client/value.h"
#include "proto/settings.h"

edx_status edx_reply_check(const edx_node *reply, edx_error *err)
{
    bool ok = false;
    char why[EDX_ERROR_TEXT] = "refused without a reason";
    edx_status status = edx_node_bool(edx_map_get(reply, "ok"), "ok", &ok, err);
    if (status || ok)
        return status;
    edx_node_text(edx_map_get(reply, "error"), "error", why, sizeof why, NULL);
    return edx_fail(err, EDX_E_STATE, "%s", why);
}

/* ---- tables ---- */

/* The names of rows: elements or lines of the reply, else their numbers. */
static void row_name(const edx_node *reply, uint32_t i, char out[EDX_LINE_SIZE])
{
    static const char *const keys[] = {"elements", "lines"};
    snprintf(out, EDX_LINE_SIZE, "%u", i);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const edx_node *list = edx_map_get(reply, keys[k]);
        if (!list || list->kind != EDX_LIST || i >= list->count)
            continue;
        const edx_node *name = edx_node_first(list);
        while (i--)
            name = edx_node_next(name);
        edx_node_text(name, "name", out, EDX_LINE_SIZE, NULL);
        return;
    }
}

/* The array of key, of one or two dimensions. */
static bool table_of(const edx_node *reply, const char *key, edx_array *out)
{
    return edx_node_array(edx_map_get(reply, key), key, out, NULL) == EDX_OK && out->ndim >= 1 &&
           out->ndim <= 2;
}

static uint64_t width_of(const edx_array *array)
{
    return array->ndim == 2 ? array->shape[1] : 1;
}

static bool same_size(const edx_array *a, const edx_array *b)
{
    return a->shape[0] == b->shape[0] && width_of(a) == width_of(b);
}

/* What a table of compositions is made of; [n] or [n, m] each. */
typedef struct composition {
    edx_array counts, fraction, sigma;
} composition;

static bool composition_of(const edx_node *reply, composition *out)
{
    return table_of(reply, "counts", &out->counts) && table_of(reply, "fraction", &out->fraction) &&
           table_of(reply, "sigma", &out->sigma) && same_size(&out->counts, &out->fraction) &&
           same_size(&out->counts, &out->sigma);
}

static const char *percent(const composition *c, uint64_t at, char out[EDX_NUMBER])
{
    return edx_number_pm(out, 100 * edx_array_get(&c->fraction, at),
                         100 * edx_array_get(&c->sigma, at));
}

static void print_profile_row(FILE *to, const edx_array *d, const composition *c, uint64_t k)
{
    fprintf(to, "%10.3f", edx_array_get(d, k));
    for (uint64_t i = 0; i < c->counts.shape[0]; i++) {
        char text[EDX_NUMBER];
        uint64_t at = i * d->shape[0] + k;
        percent(c, at, text);
        fprintf(to, "  %15.1f  %*s%s", edx_array_get(&c->counts, at), 18 - edx_text_width(text), "",
                text);
    }
    fputc('\n', to);
}

/* d_nm, then for every element its counts and fraction: [n, m] each. */
static bool print_profile(FILE *to, const edx_node *reply)
{
    edx_array d;
    composition c;
    if (!table_of(reply, "d_nm", &d) || !composition_of(reply, &c) || c.counts.ndim != 2 ||
        c.counts.shape[1] != d.shape[0])
        return false;
    fprintf(to, "%10s", "d, nm");
    for (uint32_t i = 0; i < c.counts.shape[0]; i++) {
        char name[EDX_LINE_SIZE];
        row_name(reply, i, name);
        fprintf(to, "  %8s counts  %12s, at.%%", name, name);
    }
    fputc('\n', to);
    for (uint64_t k = 0; k < d.shape[0]; k++)
        print_profile_row(to, &d, &c, k);
    return true;
}

/* counts, fraction and sigma [n], a line per element. */
static bool print_region(FILE *to, const edx_node *reply)
{
    composition c;
    if (!composition_of(reply, &c) || c.counts.ndim != 1)
        return false;
    for (uint32_t i = 0; i < c.counts.shape[0]; i++) {
        char name[EDX_LINE_SIZE], text[EDX_NUMBER];
        row_name(reply, i, name);
        fprintf(to, "%-6s %14.1f counts   %s at.%%\n", name, edx_array_get(&c.counts, i),
                percent(&c, i, text));
    }
    return true;
}

/* k {el: [k, sigma]}, a line per element. */
static bool print_factors(FILE *to, const edx_node *reply)
{
    const edx_node *k = edx_map_get(reply, "k");
    if (!k || k->kind != EDX_MAP)
        return false;
    const edx_node *name = edx_node_first(k);
    for (uint32_t i = 0; i < k->count; i++) {
        const edx_node *pair = edx_node_next(name);
        double value[2];
        char text[EDX_NUMBER];
        if (edx_node_floats(pair, "k", value, 2, NULL))
            return false;
        fprintf(to, "%-6.*s k = %s\n", (int)name->count, name->as.bytes,
                edx_number_pm(text, value[0], value[1]));
        name = edx_node_next(pair);
    }
    return true;
}

/* ---- anything ---- */

/* Columns of the longest key. */
static int key_width(const edx_node *map)
{
    uint32_t width = 0;
    const edx_node *key = edx_node_first(map);
    for (uint32_t i = 0; i < map->count; i++) {
        width = key->count > width ? key->count : width;
        key = edx_node_next(edx_node_next(key));
    }
    return width < 40 ? (int)width : 40;
}

static void print_keys(FILE *to, const edx_node *map)
{
    const edx_node *key = edx_node_first(map);
    int width = key_width(map);
    for (uint32_t i = 0; i < map->count; i++) {
        const edx_node *value = edx_node_next(key);
        if (!edx_node_is(key, "ok")) {
            fprintf(to, "%-*.*s  ", width, (int)key->count, key->as.bytes);
            edx_value_print(to, value, 0);
            fputc('\n', to);
        }
        key = edx_node_next(value);
    }
    if (map->count == 1)
        fputs("done\n", to);
}

void edx_reply_print(FILE *to, const char *command, const edx_node *reply)
{
    const edx_node *value = edx_map_get(reply, "value");
    const edx_node *message = edx_map_get(reply, "message");
    if (strcmp(command, "get") == 0 && value) {
        edx_value_print(to, value, 0);
        fputc('\n', to);
    } else if (strcmp(command, "history") == 0 && message && message->kind == EDX_MAP) {
        print_keys(to, message);
    } else if (!(strcmp(command, "profile") == 0 && print_profile(to, reply)) &&
               !(strcmp(command, "region") == 0 && print_region(to, reply)) &&
               !(strcmp(command, "calibrate") == 0 && print_factors(to, reply))) {
        print_keys(to, reply);
    }
}
