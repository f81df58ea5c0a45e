#include "client/web_origin.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

#define MAX_PORT 65535u
#define HTTP_PORT 80u
#define HTTPS_PORT 443u

/* ---- authorities ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '-' || c == '_';
}

static bool is_v6(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'f') || is_digit(c) || c == ':' || c == '.';
}

/* ":1 to 65535" or nothing. */
static bool parse_port(const char *text, uint32_t *out)
{
    *out = 0;
    if (*text == '\0')
        return true;
    if (*text++ != ':' || !is_digit(*text))
        return false;
    for (; is_digit(*text); text++) {
        *out = 10 * *out + (uint32_t)(*text - '0');
        if (*out > MAX_PORT)
            return false;
    }
    return *text == '\0' && *out > 0;
}

bool edx_authority_parse(const char *text, edx_authority *out)
{
    bool v6 = *text == '[';
    size_t n = 0;
    text += v6;
    for (; v6 ? is_v6(text[n]) : is_name(text[n]); n++) {
        if (n + 1 >= sizeof out->name)
            return false;
        out->name[n] = lower(text[n]);
    }
    out->name[n] = '\0';
    if (n == 0 || (v6 && text[n] != ']'))
        return false;
    return parse_port(text + n + v6, &out->port);
}

bool edx_origin_parse(const char *text, edx_authority *out)
{
    static const char http[] = "http://", https[] = "https://";
    uint32_t usual = HTTP_PORT;
    if (strncmp(text, http, sizeof http - 1) == 0)
        text += sizeof http - 1;
    else if (strncmp(text, https, sizeof https - 1) == 0) {
        text += sizeof https - 1;
        usual = HTTPS_PORT;
    } else
        return false;
    if (!edx_authority_parse(text, out))
        return false;
    out->port = out->port == usual ? 0 : out->port;
    return true;
}

/* ---- what is ours ---- */

static bool is_among(const edx_web_names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *ours = names->names[i];
        size_t k = 0;
        while (ours[k] && lower(ours[k]) == name[k])
            k++;
        if (ours[k] == name[k])
            return true;
    }
    return false;
}

/* A name that a stranger registers can be made to resolve to any address, but is never itself
 * "localhost" or an address in figures: those were typed by whoever sits there. */
static bool is_own_name(const edx_web_names *names, const char *local, const char *name)
{
    return strcmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0 ||
           strcmp(name, "::1") == 0 || strcmp(name, local) == 0 || is_among(names, name);
}

/* The same port as written; Host leaves out the scheme's own, and a proxy may have ended https. */
static bool same(const edx_authority *host, const edx_authority *origin)
{
    uint32_t port = host->port == HTTP_PORT || host->port == HTTPS_PORT ? 0 : host->port;
    return strcmp(host->name, origin->name) == 0 && port == origin->port;
}

bool edx_web_is_ours(const edx_web_names *names, const char *local, const char *host,
                     const char *origin)
{
    edx_authority asked, from;
    if (!edx_authority_parse(host, &asked) || !is_own_name(names, local, asked.name))
        return false;
    if (!origin)
        return true;
    return edx_origin_parse(origin, &from) && (same(&asked, &from) || is_among(names, from.name));
}

/* ---- where to listen ---- */

bool edx_address_is_loopback(const char *addr)
{
    return strncmp(addr, "127.", 4) == 0 || strcmp(addr, "::1") == 0;
}

static bool is_address(const char *addr)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, addr, bytes) == 1 || inet_pton(AF_INET6, addr, bytes) == 1;
}

bool edx_listen_parse(const char *text, char addr[EDX_WEB_NAME], int *port)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (colon && memchr(text, ':', n))
        return false;
    char *end;
    if (n == 0 || n >= EDX_WEB_NAME || !is_digit(colon[1]))
        return false;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (*end || number > MAX_PORT)
        return false;
    memcpy(addr, text, n);
    addr[n] = '\0';
    if (strcmp(addr, "localhost") == 0)
        memcpy(addr, "127.0.0.1", sizeof "127.0.0.1");
    *port = (int)number;
    return is_address(addr);
}

/* ---- files of runs ---- */

bool edx_run_path_parse(const char *text, char acq[EDX_ACQ_SIZE], const char **file)
{
    static const char *const files[] = {"cube.hspy", "maps.hspy", "results.h5"};
    size_t n = 0;
    for (; is_name(text[n]); n++) {
        if (n + 1 >= EDX_ACQ_SIZE)
            return false;
        acq[n] = text[n];
    }
    acq[n] = '\0';
    if (n == 0 || acq[0] == '.' || text[n] != '/')
        return false;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(text + n + 1, files[i]) == 0) {
            *file = files[i];
            return true;
        }
    return false;
}
