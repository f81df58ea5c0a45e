/* How much memory the sums may take on this machine. */
#ifndef EDX_DAEMON_MEMORY_H
#define EDX_DAEMON_MEMORY_H

#include <stdint.h>

/* Two thirds of what the machine, or the control group that we run in, has; at least 64 MB. */
uint64_t edx_memory_of_machine(void);

#endif
