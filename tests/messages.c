#include "tests/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

size_t hex_bytes(const char *hex, unsigned char *out, size_t size)
{
    size_t n = strlen(hex) / 2;
    assert_true(n <= size);
    for (size_t i = 0; i < n; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return n;
}

guard guard_new(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guard g = {.usable = (size + page - 1) / page * page};
    g.mapped = g.usable + page;
    g.map = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.map, MAP_FAILED);
    assert_int_equal(mprotect(g.map + g.usable, page, PROT_NONE), 0);
    return g;
}

void guard_free(guard *g)
{
    munmap(g->map, g->mapped);
    g->map = NULL;
}

const unsigned char *guard_put(const guard *g, const void *bytes, size_t n)
{
    assert_true(n <= g->usable);
    unsigned char *at = g->map + g->usable - n;
    if (n > 0)
        memcpy(at, bytes, n);
    return at;
}

/* ---- a message with one value changed ---- */

static void edit_map(edx_pack *pack, const edx_node *map, const char *path, const edx_node *value)
{
    size_t head = strcspn(path, ".");
    char key[64];
    (void)snprintf(key, sizeof key, "%.*s", (int)head, path);
    const char *rest = path[head] == '.' ? path + head + 1 : NULL;
    const edx_node *old = edx_map_get(map, key);
    bool kept = value != NULL || rest != NULL;
    edx_pack_map(pack, map->count - (old != NULL) + kept);
    const edx_node *at = edx_node_first(map);
    for (uint32_t i = 0; i < map->count; i++, at = edx_node_next(edx_node_next(at))) {
        if (edx_node_next(at) == old)
            continue;
        edx_pack_node(pack, at);
        edx_pack_node(pack, edx_node_next(at));
    }
    if (!kept)
        return;
    edx_pack_text(pack, key);
    if (rest == NULL)
        edx_pack_node(pack, value);
    else if (old != NULL)
        edit_map(pack, old, rest, value);
    else
        fail_msg("no map %s", key);
}

void edit_message(edx_pack *pack, const edx_node *body, const char *path, const edx_node *value)
{
    edx_pack_reset(pack);
    edit_map(pack, body, path, value);
    assert_int_equal(edx_pack_status(pack), EDX_OK);
}

/* ---- trees ---- */

static void check_bytes(const edx_node *node, const unsigned char *bytes, size_t n)
{
    if (node->count == 0)
        return;
    const unsigned char *start = (const unsigned char *)node->as.bytes;
    assert_true(start >= bytes && start + node->count <= bytes + n);
}

static uint32_t check_node(const edx_node *node, const unsigned char *bytes, size_t n)
{
    uint32_t span = 1;
    if (node->kind == EDX_STR || node->kind == EDX_BIN)
        check_bytes(node, bytes, n);
    uint64_t children = node->kind == EDX_LIST ? node->count : 0;
    if (node->kind == EDX_MAP)
        children = 2 * (uint64_t)node->count;
    const edx_node *at = edx_node_first(node);
    assert_true((at != NULL) == (children > 0));
    for (uint64_t i = 0; at != NULL && i < children; i++, at = edx_node_next(at)) {
        if (node->kind == EDX_MAP && i % 2 == 0)
            assert_int_equal(at->kind, EDX_STR);
        span += check_node(at, bytes, n);
    }
    assert_int_equal(node->span, span);
    return span;
}

void check_tree(const edx_node *root, const unsigned char *bytes, size_t n)
{
    assert_true(root != NULL && check_node(root, bytes, n) <= n);
}

/* ---- the allocator ---- */

size_t allocated_bytes;
size_t allocations_left = SIZE_MAX;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool refuse(size_t size)
{
    allocated_bytes += size;
    if (allocations_left == 0)
        return true;
    if (allocations_left != SIZE_MAX)
        allocations_left--;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return refuse(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse(size) ? NULL : __real_realloc(old, size);
}
