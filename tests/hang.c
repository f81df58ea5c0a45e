/* Linked around edxd by ld --wrap: makes the analyst or the receiver hang once the file that
 * EDX_HANG_FILE names exists, to see that the watchdog is fed no more. EDX_HANG says which. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/publish.h"
#include "daemon/run.h"

/* The names are the linker's. */
edx_status __real_edx_run_frame(edx_run *run, const void *body, size_t n,
                                const edx_placement *placement, edx_error *err);
edx_status __wrap_edx_run_frame(edx_run *run, const void *body, size_t n,
                                const edx_placement *placement, edx_error *err);
long __real_edx_publisher_serve(edx_publisher *publisher, int64_t now_ms);
long __wrap_edx_publisher_serve(edx_publisher *publisher, int64_t now_ms);

static void hang(const char *who)
{
    const char *chosen = getenv("EDX_HANG");
    const char *file = getenv("EDX_HANG_FILE");
    while (chosen && file && strcmp(chosen, who) == 0 && access(file, F_OK) == 0) {
        pause();
    }
}

edx_status __wrap_edx_run_frame(edx_run *run, const void *body, size_t n,
                                const edx_placement *placement, edx_error *err)
{
    hang("analyst");
    return __real_edx_run_frame(run, body, n, placement, err);
}

long __wrap_edx_publisher_serve(edx_publisher *publisher, int64_t now_ms)
{
    hang("receiver");
    return __real_edx_publisher_serve(publisher, now_ms);
}
