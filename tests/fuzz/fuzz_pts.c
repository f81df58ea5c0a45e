/* Any bytes as a JEOL map: read through, at once and as a file that is still being written. Frames
 * that come out are such that they can be sent. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "instrument/jeol.h"

#define MOST_MESSAGES 12 /* empty sweeps of a large map take long and show nothing new */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

/* A file in memory that has a path; -1 when the system has none to give. */
static int memory_file(const uint8_t *data, size_t size, char path[32])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    expect(write(fd, data, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_frame(const edx_source_message *message)
{
    const edx_begin *begin = message->begin;
    const edx_counts *counts = &message->frame.counts;
    const uint32_t *offsets = counts->offsets.data;
    const uint16_t *channels = counts->channels.data;
    uint64_t pixels = (uint64_t)begin->rows * begin->cols;
    expect(counts->events && counts->offsets.shape[0] == pixels + 1);
    expect(offsets[0] == 0 && offsets[pixels] == counts->total);
    for (uint64_t p = 0; p < pixels; p++)
        expect(offsets[p] <= offsets[p + 1] && offsets[p + 1] - offsets[p] <= counts->peak);
    for (uint64_t i = 0; i < counts->total; i++)
        expect(channels[i] < begin->channels);
    expect(message->frame.n_images <= 1);
}

static void read_through(const char *path, bool growing)
{
    edx_source_options options = {.growing = growing};
    edx_source_message message;
    edx_error err = {0};
    void *self = NULL;
    if (edx_jeol_source.open(path, &options, &self, &err) != EDX_OK) {
        expect(!self && err.text[0] && !strchr(err.text, '\n'));
        return;
    }
    for (int i = 0; i < MOST_MESSAGES; i++) {
        edx_status status = edx_jeol_source.next(self, &message, &err);
        expect(edx_jeol_source.position(self) <= edx_jeol_source.size(self));
        if (status == EDX_OK && message.kind == EDX_SOURCE_FRAME)
            check_frame(&message);
        if (status == EDX_E_END && growing)
            edx_jeol_source.settle(self);
        else if (status == EDX_E_END)
            break;
    }
    edx_jeol_source.close(self);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = memory_file(data, size, path);
    if (fd < 0)
        return 0;
    read_through(path, false);
    read_through(path, true);
    close(fd);
    return 0;
}
