#include "instrument/jsondoc.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct edx_jsondoc {
    json_t *root;
};

edx_status edx_jsondoc_parse(const char *text, size_t n, edx_jsondoc **out, edx_error *err)
{
    json_error_t why;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return edx_fail(err, EDX_E_NOMEM, "no memory for JSON");
    (*out)->root = json_loadb(text, strnlen(text, n), JSON_REJECT_DUPLICATES, &why);
    if ((*out)->root)
        return EDX_OK;
    edx_jsondoc_free(out);
    for (char *c = why.text; *c; c++) /* it quotes what it found there */
        *c = *c >= ' ' && *c <= '~' ? *c : '?';
    return edx_fail(err, EDX_E_DECODE, "line %d: %.100s, expected JSON", why.line, why.text);
}

void edx_jsondoc_free(edx_jsondoc **doc)
{
    if (!*doc)
        return;
    json_decref((*doc)->root);
    free(*doc);
    *doc = NULL;
}

static json_t *find(const edx_jsondoc *doc, const char *path)
{
    json_t *at = doc ? doc->root : NULL;
    while (at && *path) {
        size_t n = strcspn(path, "/");
        char key[128];
        if (n >= sizeof key)
            return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        at = json_object_get(at, key);
        path += n + (path[n] == '/');
    }
    return at;
}

static double number(const json_t *value)
{
    if (json_is_number(value))
        return json_number_value(value);
    const char *text = json_string_value(value);
    char *end = NULL;
    double read = text ? strtod(text, &end) : (double)NAN;
    return text && end != text && *end == '\0' ? read : (double)NAN;
}

const char *edx_jsondoc_text(const edx_jsondoc *doc, const char *path)
{
    return json_string_value(find(doc, path));
}

double edx_jsondoc_number(const edx_jsondoc *doc, const char *path)
{
    return number(find(doc, path));
}

size_t edx_jsondoc_count(const edx_jsondoc *doc, const char *path)
{
    const json_t *value = find(doc, path);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const char *edx_jsondoc_key(const edx_jsondoc *doc, const char *path, size_t i)
{
    json_t *map = find(doc, path);
    void *at = json_object_iter(map);
    for (; at && i > 0; i--)
        at = json_object_iter_next(map, at);
    return at ? json_object_iter_key(at) : NULL;
}

double edx_jsondoc_item(const edx_jsondoc *doc, const char *path, size_t i)
{
    return number(json_array_get(find(doc, path), i));
}
