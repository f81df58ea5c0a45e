#include "client/web_control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proto/certificate.h"

#define MAX_ID (UINT64_C(1) << 53) /* what a number of JavaScript counts to */

/* ---- the token ---- */

static edx_status read_line(int fd, edx_token *out, edx_error *err)
{
    unsigned char text[EDX_TOKEN_MAX + 2];
    ssize_t got = read(fd, text, sizeof text);
    if (got < 0)
        return edx_fail(err, EDX_E_IO, "%s", strerror(errno));
    size_t n = 0;
    while (n < (size_t)got && text[n] != '\n' && text[n] != '\r')
        n++;
    if (n < EDX_TOKEN_MIN || n > EDX_TOKEN_MAX)
        return edx_fail(
            err, EDX_E_RANGE,
            "a first line of %s%zu characters, expected %d to %d: head -c 24 /dev/urandom | "
            "base64",
            n > EDX_TOKEN_MAX ? "at least " : "", n, EDX_TOKEN_MIN, EDX_TOKEN_MAX);
    memcpy(out->bytes, text, n);
    out->size = n;
    return EDX_OK;
}

edx_status edx_token_read(const char *path, edx_token *out, edx_error *err)
{
    *out = (edx_token){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return edx_fail(err, EDX_E_IO, "%s", strerror(errno));
    edx_status status = edx_private_check(fd, path, err);
    if (!status)
        status = read_line(fd, out, err);
    close(fd);
    return status;
}

bool edx_token_matches(const edx_token *token, const void *given, size_t n)
{
    const unsigned char *bytes = given;
    unsigned differs = token->size != n || n == 0;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned)bytes[i] ^ token->bytes[i % EDX_TOKEN_MAX];
    return differs == 0;
}

/* ---- messages ---- */

static edx_status hear_ack(const edx_node *root, edx_web_said *out, edx_error *err)
{
    out->acknowledges = true;
    return edx_node_uint(edx_map_get(root, "serial"), "serial", UINT64_MAX, &out->serial, err);
}

static edx_status hear_control(const edx_node *root, edx_web_said *out, edx_error *err)
{
    const edx_node *token = edx_map_get(root, "token");
    edx_status status = edx_node_uint(edx_map_get(root, "id"), "id", MAX_ID, &out->id, err);
    if (status)
        return status;
    out->request = edx_map_get(root, "request");
    if (!out->request || out->request->kind != EDX_MAP)
        return edx_fail(err, EDX_E_TYPE, "request: no map, expected {cmd, ...}");
    if (token && token->kind == EDX_STR) {
        out->token = token->as.bytes;
        out->token_size = token->count;
    }
    return EDX_OK;
}

edx_status edx_web_hear(edx_wire *wire, const void *bytes, size_t n, edx_web_said *out,
                        edx_error *err)
{
    const edx_node *root;
    *out = (edx_web_said){0};
    edx_status status = edx_wire_parse(wire, bytes, n, &root, err);
    if (status)
        return status;
    const edx_node *type = edx_map_get(root, "type");
    if (type && edx_node_is(type, "ack"))
        return hear_ack(root, out, err);
    if (type && edx_node_is(type, "control"))
        return hear_control(root, out, err);
    return edx_fail(err, EDX_E_UNKNOWN, "type: unknown or missing, expected ack or control");
}

/* ---- who may ---- */

/* What changes nothing. A command that is not known here needs the token. */
static bool is_free(const edx_node *request)
{
    static const char *const free_commands[] = {"status", "get",       "profile",
                                                "region", "calibrate", "history"};
    const edx_node *cmd = edx_map_get(request, "cmd");
    for (size_t i = 0; cmd && i < sizeof free_commands / sizeof *free_commands; i++)
        if (edx_node_is(cmd, free_commands[i]))
            return true;
    return false;
}

edx_status edx_web_permit(const edx_web_said *said, const edx_token *token, edx_error *err)
{
    if (is_free(said->request))
        return EDX_OK;
    if (token->size == 0)
        return edx_fail(err, EDX_E_STATE,
                        "this page is read-only: edxweb was started without --token-file");
    if (!said->token)
        return edx_fail(err, EDX_E_STATE, "token: missing, expected that of edxweb's --token-file");
    if (!edx_token_matches(token, said->token, said->token_size))
        return edx_fail(err, EDX_E_STATE, "token: wrong, expected that of edxweb's --token-file");
    return EDX_OK;
}

bool edx_web_may_take_long(const edx_web_said *said)
{
    const edx_node *cmd = edx_map_get(said->request, "cmd");
    return cmd &&
           (edx_node_is(cmd, "save") || edx_node_is(cmd, "stop") || edx_node_is(cmd, "reset"));
}
