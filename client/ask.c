#include "client/ask.h"

#include "client/signals.h"

#define WAIT_MS 200

static edx_status await(edx_caller *control, const char *endpoint, double timeout_s,
                        edx_message **reply, edx_error *err)
{
    double end = edx_monotonic() + timeout_s;
    edx_status status = EDX_E_END;
    while (status == EDX_E_END && !edx_signals_stop() && edx_monotonic() < end) {
        double left_ms = 1e3 * (end - edx_monotonic());
        status =
            edx_caller_receive(control, left_ms < WAIT_MS ? (int)left_ms + 1 : WAIT_MS, reply, err);
    }
    if (status == EDX_E_END && edx_signals_stop())
        return edx_fail(err, EDX_E_END, "interrupted");
    if (status == EDX_E_END)
        return edx_fail(err, EDX_E_END,
                        "no answer from %.150s within %g s: is edxd running? "
                        "(systemctl status edxd)",
                        endpoint, timeout_s);
    return status;
}

edx_status edx_ask(const char *endpoint, double timeout_s, const edx_pack *request,
                   edx_message **reply, edx_error *err)
{
    edx_caller *control = NULL;
    edx_status status = edx_caller_new(endpoint, &control, err);
    *reply = NULL;
    if (!status)
        status = edx_caller_send(control, edx_pack_data(request), edx_pack_size(request), err);
    if (!status)
        status = await(control, endpoint, timeout_s, reply, err);
    edx_caller_free(&control);
    return status;
}
