/* Any bytes as a configuration file, as what stands behind -s, and as the value that a client sets.
 * What is taken can be told again, key by key, and is then the same; what is refused says so in one
 * line that names the file. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/config.h"
#include "tests/fuzz/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);

/* libconfig 1.5 forgets the string at which it finds an error, once, before edxd refuses to start.
 */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

static const char *const groups[] = {"ingest",   "publish", "control", "output",
                                     "analysis", "quant",   "limits",  "security"};

static void check_error(const edx_error *err, const char *before)
{
    fuzz_expect(err->code && err->text[0] && !strchr(err->text, '\n'));
    fuzz_expect(strncmp(err->text, before, strlen(before)) == 0);
}

/* Every group told and taken again. */
static void check_again(const edx_config *config)
{
    edx_config *copy = malloc(sizeof *copy);
    edx_wire *wire = edx_wire_new(0);
    edx_pack *once = edx_pack_new(), *twice = edx_pack_new();
    edx_error err = {0};
    fuzz_expect(copy && wire && once && twice);
    edx_config_default(copy);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const edx_node *value = NULL;
        edx_pack_reset(once);
        edx_pack_reset(twice);
        fuzz_expect(!edx_config_get(config, groups[i], once, &err));
        fuzz_expect(!edx_wire_parse(wire, edx_pack_data(once), edx_pack_size(once), &value, &err));
        fuzz_expect(!edx_config_set(copy, groups[i], value, &err));
        fuzz_expect(!edx_config_get(copy, groups[i], twice, &err));
        fuzz_expect(edx_pack_size(once) == edx_pack_size(twice));
        fuzz_expect(!memcmp(edx_pack_data(once), edx_pack_data(twice), edx_pack_size(once)));
    }
    edx_pack_free(&once);
    edx_pack_free(&twice);
    edx_wire_free(&wire);
    free(copy);
}

static void load(edx_config *config, const uint8_t *data, size_t size)
{
    char path[32];
    edx_error err = {0};
    const bool includes = memmem(data, size, "@include", 8) != NULL;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return;
    fuzz_expect(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (edx_config_load(config, path, &err)) {
        check_error(&err, includes ? "" : path);
    } else {
        fuzz_expect(!edx_config_check(config, &err));
        check_again(config);
    }
    close(fd);
}

static void override(edx_config *config, const char *assignment)
{
    edx_error err = {0};
    if (edx_config_override(config, assignment, &err))
        check_error(&err, "-s");
    else
        check_again(config);
}

/* A key, a zero, and what a client says that it be. Nothing changes where it is refused. */
static void set(edx_config *config, const char *key, const uint8_t *bytes, size_t n)
{
    edx_error err = {0};
    const edx_node *value = NULL;
    edx_wire *wire = edx_wire_new(0);
    edx_config *before = malloc(sizeof *before);
    const unsigned char *was = (const void *)before, *is = (const void *)config;
    fuzz_expect(wire && before);
    memcpy(before, config, sizeof *before);
    if (!edx_wire_parse(wire, bytes, n, &value, &err)) {
        if (edx_config_set(config, key, value, &err)) {
            check_error(&err, "");
            fuzz_expect(!memcmp(was, is, sizeof *config));
        } else {
            check_again(config);
        }
    }
    free(before);
    edx_wire_free(&wire);
}

/* The first byte chooses; what is text ends at the first zero. */
static void take(edx_config *config, const uint8_t *data, size_t size)
{
    char *text = malloc(size);
    if (!text)
        return;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    const size_t first = strlen(text) + 1;
    switch (data[0] % 3) {
    case 0:
        load(config, data + 1, size - 1);
        break;
    case 1: /* several, one behind the other */
        for (size_t at = 0; at < size; at += strlen(text + at) + 1)
            override(config, text + at);
        break;
    default:
        if (first < size)
            set(config, text, data + 1 + first, size - 1 - first);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edx_config *config = malloc(sizeof *config);
    if (size > 0 && config) {
        edx_config_default(config);
        take(config, data, size);
    }
    free(config);
    return 0;
}
