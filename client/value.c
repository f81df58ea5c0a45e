#include "client/value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 16
#define ENDS_WORD "()[]{},;=\""

/* Items in the order of MessagePack, containers before what they hold, so that a count known only
 * at the end can still go first. */
typedef struct item {
    edx_kind kind;
    size_t count; /* LIST: values, MAP: pairs */
    union {
        bool boolean;
        uint64_t u;
        int64_t i;
        double f;
        const char *text;
    } as;
} item;

typedef struct parser {
    const char *text, *at;
    char *room; /* for strings: never longer than the text they come from */
    item *items;
    size_t n, capacity;
    edx_error *err;
} parser;

static edx_status complain(const parser *p, const char *expected)
{
    size_t position = (size_t)(p->at - p->text) + 1;
    if (!*p->at)
        return edx_fail(p->err, EDX_E_SYNTAX, "position %zu: text ends, expected %s", position,
                        expected);
    return edx_fail(p->err, EDX_E_SYNTAX, "position %zu: '%c', expected %s", position, *p->at,
                    expected);
}

static void skip_blanks(parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* The index of a new item, SIZE_MAX without memory. */
static size_t add(parser *p, item value)
{
    if (p->n == p->capacity) {
        size_t capacity = 2 * p->capacity + 16;
        item *items = realloc(p->items, capacity * sizeof *items);
        if (!items)
            return SIZE_MAX;
        p->items = items;
        p->capacity = capacity;
    }
    p->items[p->n] = value;
    return p->n++;
}

static edx_status add_leaf(parser *p, item value)
{
    if (add(p, value) == SIZE_MAX)
        return edx_fail(p->err, EDX_E_NOMEM, "no memory for the value");
    return EDX_OK;
}

/* ---- words and strings ---- */

static bool whole_number(const char *word, item *out)
{
    const char *digits = word + (*word == '-' || *word == '+');
    int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
    char *end;
    errno = 0;
    if (*word == '-')
        *out = (item){.kind = EDX_INT, .as.i = strtoll(word, &end, base)};
    else
        *out = (item){.kind = EDX_UINT, .as.u = strtoull(word, &end, base)};
    end += strcmp(end, "L") == 0 ? 1 : 0;
    return *end == '\0' && errno == 0;
}

static bool number(const char *word, item *out)
{
    const char *first = word + (*word == '-' || *word == '+');
    if (!isdigit((unsigned char)*first) && !(*first == '.' && isdigit((unsigned char)first[1])))
        return false;
    if (whole_number(word, out))
        return true;
    char *end;
    double f = strtod(word, &end);
    *out = (item){.kind = EDX_FLOAT, .as.f = f};
    return *end == '\0' && isfinite(f);
}

static item word_value(const char *word)
{
    item value;
    if (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0)
        return (item){.kind = EDX_BOOL, .as.boolean = (*word | ' ') == 't'};
    if (number(word, &value))
        return value;
    return (item){.kind = EDX_STR, .as.text = word};
}

/* Copies n bytes of the text into the room for strings. */
static char *store(parser *p, const char *from, size_t n)
{
    char *to = p->room;
    memcpy(to, from, n);
    to[n] = '\0';
    p->room += n + 1;
    return to;
}

static edx_status escape(parser *p, char *out)
{
    static const char names[] = "\"\\/nrtf", values[] = "\"\\/\n\r\t\f";
    const char *name = *p->at ? strchr(names, *p->at) : NULL;
    if (!name)
        return complain(p, "one of \" \\ / n r t f after a backslash");
    *out = values[name - names];
    return EDX_OK;
}

static edx_status quoted(parser *p, const char **out)
{
    char *to = p->room;
    *out = to;
    for (p->at++; *p->at != '"'; p->at++) {
        char c = *p->at;
        if (!c)
            return complain(p, "a closing \"");
        if (c == '\\') {
            p->at++;
            edx_status status = escape(p, &c);
            if (status)
                return status;
        }
        *to++ = c;
    }
    p->at++;
    *to++ = '\0';
    p->room = to;
    return EDX_OK;
}

static size_t word_length(const char *at)
{
    size_t n = 0;
    while (at[n] && !isspace((unsigned char)at[n]) && !strchr(ENDS_WORD, at[n]))
        n++;
    return n;
}

static edx_status word(parser *p)
{
    size_t n = word_length(p->at);
    if (!n)
        return complain(p, "a value: number, true, false, \"text\", word, ( [ or {");
    item value = word_value(store(p, p->at, n));
    p->at += n;
    return add_leaf(p, value);
}

/* ---- lists and groups ---- */

static edx_status value(parser *p, int depth);

static edx_status list(parser *p, char close, int depth)
{
    char expected[16] = {'\'', ',', '\'', ' ', 'o', 'r', ' ', '\'', close, '\''};
    size_t self = add(p, (item){.kind = EDX_LIST}), count = 0;
    if (self == SIZE_MAX)
        return edx_fail(p->err, EDX_E_NOMEM, "no memory for the value");
    p->at++;
    for (skip_blanks(p); *p->at != close; count++) {
        edx_status status = value(p, depth);
        if (status)
            return status;
        skip_blanks(p);
        if (*p->at != ',' && *p->at != close)
            return complain(p, expected);
        p->at += *p->at == ',';
        skip_blanks(p);
    }
    p->at++;
    p->items[self].count = count;
    return EDX_OK;
}

/* A key and its '='. */
static edx_status key(parser *p)
{
    const char *name = NULL;
    edx_status status = EDX_OK;
    if (*p->at == '"') {
        status = quoted(p, &name);
    } else {
        size_t n = 0;
        while (isalnum((unsigned char)p->at[n]) || (p->at[n] && strchr("_-.*", p->at[n])))
            n++;
        if (!n)
            return complain(p, "a key or '}'");
        name = store(p, p->at, n);
        p->at += n;
    }
    if (status)
        return status;
    skip_blanks(p);
    if (*p->at != '=' && *p->at != ':')
        return complain(p, "'=' after the key");
    p->at++;
    return add_leaf(p, (item){.kind = EDX_STR, .as.text = name});
}

static edx_status group(parser *p, int depth)
{
    size_t self = add(p, (item){.kind = EDX_MAP}), count = 0;
    if (self == SIZE_MAX)
        return edx_fail(p->err, EDX_E_NOMEM, "no memory for the value");
    p->at++;
    for (skip_blanks(p); *p->at != '}'; count++) {
        edx_status status = key(p);
        if (!status)
            status = value(p, depth);
        if (status)
            return status;
        skip_blanks(p);
        if (*p->at != ';' && *p->at != ',' && *p->at != '}')
            return complain(p, "';' or '}'");
        p->at += *p->at != '}';
        skip_blanks(p);
    }
    p->at++;
    p->items[self].count = count;
    return EDX_OK;
}

static edx_status value(parser *p, int depth)
{
    skip_blanks(p);
    if (strchr("([{", *p->at) && *p->at && depth == DEEPEST)
        return complain(p, "lists and groups nested at most 16 deep");
    switch (*p->at) {
    case '(':
        return list(p, ')', depth + 1);
    case '[':
        return list(p, ']', depth + 1);
    case '{':
        return group(p, depth + 1);
    case '"': {
        item text = {.kind = EDX_STR};
        edx_status status = quoted(p, &text.as.text);
        return status ? status : add_leaf(p, text);
    }
    default:
        return word(p);
    }
}

/* ---- the whole ---- */

static void emit(edx_pack *pack, const item *value)
{
    switch (value->kind) {
    case EDX_BOOL:
        edx_pack_bool(pack, value->as.boolean);
        break;
    case EDX_UINT:
        edx_pack_uint(pack, value->as.u);
        break;
    case EDX_INT:
        edx_pack_int(pack, value->as.i);
        break;
    case EDX_FLOAT:
        edx_pack_float(pack, value->as.f);
        break;
    case EDX_LIST:
        edx_pack_list(pack, value->count);
        break;
    case EDX_MAP:
        edx_pack_map(pack, value->count);
        break;
    default:
        edx_pack_text(pack, value->as.text);
    }
}

static edx_status parse(parser *p)
{
    skip_blanks(p);
    if (*p->at && !strchr(ENDS_WORD, *p->at)) {
        size_t n = strlen(p->at);
        while (isspace((unsigned char)p->at[n - 1]))
            n--;
        return add_leaf(p, word_value(store(p, p->at, n)));
    }
    edx_status status = value(p, 0);
    skip_blanks(p);
    if (!status && *p->at)
        return complain(p, "the end of the value");
    return status;
}

edx_status edx_value_parse(const char *text, edx_pack *pack, edx_error *err)
{
    char *room = malloc(2 * strlen(text) + 2);
    if (!room)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the value");
    parser p = {.text = text, .at = text, .room = room, .err = err};
    edx_status status = parse(&p);
    for (size_t i = 0; !status && i < p.n; i++)
        emit(pack, &p.items[i]);
    free(p.items);
    free(room);
    return status;
}

/* ---- back to text ---- */

static void print_text(FILE *to, const edx_node *node)
{
    fputc('"', to);
    for (uint32_t i = 0; i < node->count; i++) {
        static const char names[] = "\"\\nrtf", values[] = "\"\\\n\r\t\f";
        char c = node->as.bytes[i];
        const char *special = c ? strchr(values, c) : NULL;
        if (special)
            fprintf(to, "\\%c", names[special - values]);
        else
            fputc((unsigned char)c < ' ' || c == 127 ? '?' : c, to);
    }
    fputc('"', to);
}

static void print_float(FILE *to, double f)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, f);
        if (strtod(text, NULL) == f)
            break;
    }
    fprintf(to, "%s%s", text, isfinite(f) && !strpbrk(text, ".e") ? ".0" : "");
}

static void print_array(FILE *to, const edx_node *node)
{
    edx_array array;
    if (edx_node_array(node, "array", &array, NULL)) {
        fputs("<array>", to);
        return;
    }
    fprintf(to, "%s [", edx_dtype_name(array.dtype));
    for (uint32_t i = 0; i < array.ndim; i++)
        fprintf(to, "%s%llu", i ? ", " : "", (unsigned long long)array.shape[i]);
    fputc(']', to);
}

static void print_list(FILE *to, const edx_node *node, int indent)
{
    const edx_node *child = edx_node_first(node);
    fputc('(', to);
    for (uint32_t i = 0; i < node->count; i++, child = edx_node_next(child)) {
        fputs(i ? ", " : "", to);
        edx_value_print(to, child, indent);
    }
    fputc(')', to);
}

static void print_group(FILE *to, const edx_node *node, int indent)
{
    const edx_node *name = edx_node_first(node);
    fputs(node->count ? "{\n" : "{", to);
    for (uint32_t i = 0; i < node->count; i++) {
        const edx_node *child = edx_node_next(name);
        fprintf(to, "%*s%.*s = ", indent + 2, "", (int)name->count, name->as.bytes);
        edx_value_print(to, child, indent + 2);
        fputs(";\n", to);
        name = edx_node_next(child);
    }
    fprintf(to, "%*s}", node->count ? indent : 0, "");
}

void edx_value_print(FILE *to, const edx_node *node, int indent)
{
    switch (node->kind) {
    case EDX_NIL:
        fputs("none", to);
        break;
    case EDX_BOOL:
        fputs(node->as.boolean ? "true" : "false", to);
        break;
    case EDX_UINT:
        fprintf(to, "%llu", (unsigned long long)node->as.u);
        break;
    case EDX_INT:
        fprintf(to, "%lld", (long long)node->as.i);
        break;
    case EDX_FLOAT:
        print_float(to, node->as.f);
        break;
    case EDX_STR:
        print_text(to, node);
        break;
    case EDX_BIN:
        fprintf(to, "<%lu bytes>", (unsigned long)node->count);
        break;
    case EDX_LIST:
        print_list(to, node, indent);
        break;
    case EDX_MAP:
        if (edx_node_is_array(node))
            print_array(to, node);
        else
            print_group(to, node, indent);
        break;
    }
}
