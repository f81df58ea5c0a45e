/* Any bytes as a published body (the first byte chooses the topic) or as a recorded configuration.
 * What is taken can be written, is taken again, and is then the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "proto/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

static void write_result(edx_pack *pack, const edx_result *result)
{
    switch (result->topic) {
    case EDX_STATUS:
        edx_status_write(pack, &result->as.status);
        break;
    case EDX_SPECTRUM:
        edx_spectrum_write(pack, &result->as.spectrum);
        break;
    case EDX_MAPS:
        edx_maps_write(pack, &result->as.maps);
        break;
    case EDX_PCA:
        edx_pca_write(pack, &result->as.pca);
        break;
    case EDX_NMF:
        edx_nmf_write(pack, &result->as.nmf);
        break;
    case EDX_PARTICLES:
        edx_particles_write(pack, &result->as.particles);
        break;
    case EDX_PROFILE:
        edx_profile_write(pack, &result->as.profile);
        break;
    case EDX_TREND:
        edx_trend_write(pack, &result->as.trend);
        break;
    default:
        edx_alarm_write(pack, &result->as.alarm);
        break;
    }
}

/* From bytes to bytes, as topic says; EDX_RESULT_TOPICS: a configuration. */
static edx_status through(edx_wire *wire, int topic, const void *bytes, size_t n, edx_pack *pack)
{
    static const edx_head head = {.acq = "a"};
    static edx_settings settings;
    edx_result result = {0};
    edx_error err = {0};
    const edx_node *root;
    edx_status status = edx_wire_parse(wire, bytes, n, &root, &err);
    if (status)
        return status;
    if (topic == EDX_RESULT_TOPICS) {
        status = edx_config_read(root, &settings, &err);
        if (!status)
            edx_config_write(pack, &head, &settings, NULL, 0);
        return status;
    }
    status = edx_result_read((edx_result_topic)topic, root, &result, &err);
    if (!status)
        write_result(pack, &result);
    edx_result_clear(&result);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edx_wire *wire = edx_wire_new(0);
    edx_pack *once = edx_pack_new(), *twice = edx_pack_new();
    if (size > 0 && wire && once && twice) {
        int topic = data[0] % (EDX_RESULT_TOPICS + 1);
        if (through(wire, topic, data + 1, size - 1, once) == EDX_OK) {
            size_t n = edx_pack_size(once);
            expect(through(wire, topic, edx_pack_data(once), n, twice) == EDX_OK);
            expect(edx_pack_size(twice) == n);
            expect(memcmp(edx_pack_data(twice), edx_pack_data(once), n) == 0);
        }
    }
    edx_pack_free(&once);
    edx_pack_free(&twice);
    edx_wire_free(&wire);
    return 0;
}
