/* What reaches edxweb from browsers and from whoever connects: the first byte chooses a message, a
 * Host or Origin, a path, or a body on its way to browsers. A quantised body is taken again, whole.
 */
#include <stdlib.h>
#include <string.h>

#include "client/web_control.h"
#include "client/web_origin.h"
#include "client/web_quantise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

static void hear(edx_wire *wire, const void *bytes, size_t n)
{
    edx_error err = {0};
    edx_web_said said;
    edx_token token = {.size = EDX_TOKEN_MIN};
    if (edx_web_hear(wire, bytes, n, &said, &err) || said.acknowledges)
        return;
    expect(said.request->kind == EDX_MAP && said.id <= UINT64_C(1) << 53);
    if (edx_web_permit(&said, &token, &err))
        expect(err.text[0] != '\0');
    else
        expect(said.token || !edx_web_may_take_long(&said));
}

static void quantise(edx_wire *wire, const void *bytes, size_t n)
{
    edx_error err = {0};
    const edx_node *root;
    edx_pack *once = edx_pack_new(), *twice = edx_pack_new();
    edx_quantiser *quantiser = edx_quantiser_new();
    if (once && twice && quantiser && !edx_wire_parse(wire, bytes, n, &root, &err)) {
        expect(!edx_quantise(quantiser, root, once, &err));
        size_t size = edx_pack_size(once);
        expect(!edx_wire_parse(wire, edx_pack_data(once), size, &root, &err));
        expect(!edx_quantise(quantiser, root, twice, &err));
        expect(edx_pack_size(twice) == size);
        expect(memcmp(edx_pack_data(twice), edx_pack_data(once), size) == 0);
    }
    edx_quantiser_free(&quantiser);
    edx_pack_free(&once);
    edx_pack_free(&twice);
}

/* Two texts, one behind the other: Host and Origin. */
static void names(const char *text, size_t n)
{
    static const edx_web_names none = {0};
    static const char *const own[] = {"localhost", "127.0.0.1", "::1", "10.0.0.1"};
    size_t first = strlen(text);
    const char *origin = first < n ? text + first + 1 : NULL;
    edx_authority host;
    if (!edx_web_is_ours(&none, "10.0.0.1", text, origin))
        return;
    bool known = false;
    expect(edx_authority_parse(text, &host));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        known = known || strcmp(host.name, own[i]) == 0;
    expect(known);
    if (origin)
        expect(strstr(origin, host.name) || strpbrk(origin, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
}

static void paths(const char *text)
{
    char acq[EDX_ACQ_SIZE], addr[EDX_WEB_NAME];
    const char *file;
    int port;
    if (edx_run_path_parse(text, acq, &file))
        expect(acq[0] && acq[0] != '.' && !strpbrk(acq, "/\\%") && strlen(acq) < sizeof acq);
    if (edx_listen_parse(text, addr, &port))
        expect(port >= 0 && port <= 65535 && addr[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    edx_wire *wire = edx_wire_new(EDX_WEB_MAX_VALUES);
    char *text = malloc(size);
    if (wire && text) {
        memcpy(text, data + 1, size - 1);
        text[size - 1] = '\0';
        switch (data[0] % 4) {
        case 0:
            hear(wire, data + 1, size - 1);
            break;
        case 1:
            names(text, size - 1);
            break;
        case 2:
            paths(text);
            break;
        default:
            quantise(wire, data + 1, size - 1);
        }
    }
    free(text);
    edx_wire_free(&wire);
    return 0;
}
