#include "client/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/json.h"
#include "client/signals.h"
#include "proto/wire.h"

#define WAIT_MS 200 /* a signal is seen at least that soon */

/* *gone: nobody reads standard output any more. */
static edx_status print_line(const char *line, bool *gone, edx_error *err)
{
    if (puts(line) >= 0 && fflush(stdout) == 0)
        return EDX_OK;
    *gone = errno == EPIPE;
    return *gone ? EDX_OK : edx_fail(err, EDX_E_IO, "standard output: %s", strerror(errno));
}

static edx_status print_message(edx_wire *wire, const edx_message *message, bool *gone,
                                edx_error *err)
{
    const char *name = edx_result_topic_name(message->topic);
    const edx_node *root;
    char *line;
    edx_status status = edx_wire_parse(wire, message->body, message->size, &root, err);
    if (!status)
        status = edx_json_line(name, root, &line, err);
    if (status) {
        edx_error_prefix(err, "%s", name);
        return status;
    }
    status = print_line(line, gone, err);
    free(line);
    return status;
}

/* A message, or NULL when a signal asks for the end. */
static edx_status await(edx_feed *feed, double timeout_s, edx_message **out, edx_error *err)
{
    double since = edx_monotonic();
    *out = NULL;
    while (!edx_signals_stop()) {
        edx_status status = edx_feed_receive(feed, WAIT_MS, out, err);
        if (status != EDX_E_END)
            return status;
        if (timeout_s > 0 && edx_monotonic() - since >= timeout_s)
            return edx_fail(err, EDX_E_END,
                            "nothing came within %g s: is edxd running? (systemctl status edxd)",
                            timeout_s);
    }
    return EDX_OK;
}

edx_status edx_stream_json(edx_feed *feed, uint64_t count, double timeout_s, edx_error *err)
{
    edx_wire *wire = edx_wire_new(0);
    edx_status status = wire ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory");
    bool gone = false;
    for (uint64_t n = 0; !status && !gone && (count == 0 || n < count); n++) {
        edx_message *message;
        status = await(feed, timeout_s, &message, err);
        if (status || !message)
            break;
        status = print_message(wire, message, &gone, err);
        edx_message_free(&message);
    }
    edx_wire_free(&wire);
    return status;
}
