#include "client/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/message.h"
#include "client/value.h"

#define COMMANDS                                                                                   \
    "status, save, stop, reset, get, set, profile, region, calibrate, history, keygen, export or " \
    "report"

/* How a command's arguments become keys: pairs besides cmd, words after the command. */
typedef struct command {
    const char *name, *usage;
    size_t pairs;
    int least, most; /* words, -1: any number */
    edx_status (*write)(char *const *words, int n, edx_pack *pack, edx_error *err);
} command;

/* ---- numbers ---- */

/* One finite number that ends at one of ends; *rest is behind it. */
static bool number(const char *text, const char *ends, double *out, const char **rest)
{
    char *end;
    *out = strtod(text, &end);
    *rest = *end ? end + 1 : end;
    return end != text && isfinite(*out) && (*end == '\0' || strchr(ends, *end)) &&
           (strlen(ends) == 0) == (*end == '\0');
}

static edx_status point(const char *text, edx_pack *pack, edx_error *err)
{
    double at[2];
    const char *rest;
    if (!number(text, ",", &at[0], &rest) || !number(rest, "", &at[1], &rest))
        return edx_fail(err, EDX_E_SYNTAX, "\"%.40s\": expected a point Y,X in nm, such as 3.5,12",
                        text);
    edx_pack_floats(pack, at, 2);
    return EDX_OK;
}

static edx_status polygon(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    edx_pack_text(pack, "polygon_nm");
    edx_pack_list(pack, (size_t)n);
    edx_status status = EDX_OK;
    for (int i = 0; !status && i < n; i++)
        status = point(words[i], pack, err);
    return status;
}

/* ---- arguments of each command ---- */

static edx_status write_nothing(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    (void)words;
    (void)n;
    (void)pack;
    (void)err;
    return EDX_OK;
}

static edx_status write_get(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    (void)n;
    (void)err;
    edx_pack_text(pack, "key");
    edx_pack_text(pack, words[0]);
    return EDX_OK;
}

static edx_status write_set(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    write_get(words, n, pack, err);
    edx_pack_text(pack, "value");
    edx_status status = edx_value_parse(words[1], pack, err);
    if (status)
        edx_error_prefix(err, "VALUE");
    return status;
}

static edx_status write_profile(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    static const char *const keys[] = {"from_nm", "to_nm"};
    (void)n;
    for (int i = 0; i < 2; i++) {
        edx_pack_text(pack, keys[i]);
        edx_status status = point(words[i], pack, err);
        if (status)
            return status;
    }
    double width;
    const char *rest;
    if (!number(words[2], "", &width, &rest) || width <= 0)
        return edx_fail(err, EDX_E_SYNTAX, "\"%.40s\": expected a width in nm, more than 0",
                        words[2]);
    edx_pack_text(pack, "width_nm");
    edx_pack_float(pack, width);
    return EDX_OK;
}

/* EL=FRACTION,EL=FRACTION… */
static edx_status fractions(const char *text, edx_pack *pack, edx_error *err)
{
    size_t n = 1;
    for (const char *c = text; *c; c++)
        n += *c == ',';
    edx_pack_text(pack, "fractions");
    edx_pack_map(pack, n);
    for (const char *at = text; n; n--) {
        char element[8] = "";
        size_t length = strcspn(at, "=,");
        double fraction;
        const char *rest = at;
        if (length == 0 || length > 3 || at[length] != '=' ||
            !number(at + length + 1, n > 1 ? "," : "", &fraction, &rest) || fraction < 0 ||
            fraction > 1)
            return edx_fail(err, EDX_E_SYNTAX,
                            "\"%.40s\": expected fractions from 0 to 1, such as Ag=0.5,Au=0.5", at);
        memcpy(element, at, length);
        edx_pack_text(pack, element);
        edx_pack_float(pack, fraction);
        at = rest;
    }
    return EDX_OK;
}

static edx_status write_calibrate(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    edx_status status = fractions(words[0], pack, err);
    return status ? status : polygon(words + 1, n - 1, pack, err);
}

static edx_status write_history(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    (void)n;
    edx_result_topic topic = edx_topic_from_name(words[0]);
    char *end, names[256];
    unsigned long long frame = strtoull(words[1], &end, 10);
    if (topic == EDX_RESULT_TOPICS) {
        edx_topic_names(names, sizeof names);
        return edx_fail(err, EDX_E_UNKNOWN, "topic \"%.40s\": unknown, expected one of: %s",
                        words[0], names);
    }
    if (*words[1] < '0' || *words[1] > '9' || *end)
        return edx_fail(err, EDX_E_SYNTAX, "\"%.40s\": expected the number of a frame, from 0 on",
                        words[1]);
    edx_pack_text(pack, "topic");
    edx_pack_text(pack, edx_result_topic_name(topic));
    edx_pack_text(pack, "frame");
    edx_pack_uint(pack, frame);
    return EDX_OK;
}

/* ---- all commands ---- */

static const command commands[] = {
    {"status", "", 0, 0, 0, write_nothing},
    {"save", "", 0, 0, 0, write_nothing},
    {"stop", "", 0, 0, 0, write_nothing},
    {"reset", "", 0, 0, 0, write_nothing},
    {"get", " KEY", 1, 1, 1, write_get},
    {"set", " KEY VALUE", 2, 2, 2, write_set},
    {"profile", " Y0,X0 Y1,X1 WIDTH", 3, 3, 3, write_profile},
    {"region", " Y,X Y,X Y,X... (three points or more)", 1, 3, -1, polygon},
    {"calibrate", " EL=FRACTION,... Y,X Y,X Y,X...", 2, 4, -1, write_calibrate},
    {"history", " TOPIC FRAME", 2, 2, 2, write_history},
};

static const command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

edx_status edx_request_write(char *const *words, int n, edx_pack *pack, edx_error *err)
{
    const command *c = n > 0 ? find(words[0]) : NULL;
    if (n == 0)
        return edx_fail(err, EDX_E_SYNTAX, "no command, expected " COMMANDS);
    if (!c)
        return edx_fail(err, EDX_E_UNKNOWN, "%.40s: unknown command, expected " COMMANDS, words[0]);
    if (n - 1 < c->least || (c->most >= 0 && n - 1 > c->most))
        return edx_fail(err, EDX_E_SYNTAX, "%s: %d arguments, expected %s%s", c->name, n - 1,
                        c->name, c->usage);
    edx_pack_reset(pack);
    edx_pack_map(pack, 1 + c->pairs);
    edx_pack_text(pack, "cmd");
    edx_pack_text(pack, c->name);
    edx_status status = c->write(words + 1, n - 1, pack, err);
    if (status)
        edx_error_prefix(err, "%s", c->name);
    else if (edx_pack_status(pack))
        return edx_fail(err, edx_pack_status(pack), "no memory for the request");
    return status;
}
