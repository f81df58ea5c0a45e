/* Clients of edxd by the hundred, in one process that takes next to no processor time: those that
 * read take every message and look at none, those that do not leave theirs lying.
 *
 * usage: crowd ENDPOINT READERS DEAF
 *
 * Says "heard" once every reader has had a message, and again after each line that it is sent;
 * ends with its input. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

typedef struct crowd {
    void *context;
    void **sockets; /* readers first */
    int readers, all;
    zmq_pollitem_t *items; /* of the readers, then of the input */
    bool *heard;
    int missing; /* readers that have not heard */
} crowd;

static void *client(const crowd *c, const char *endpoint, bool deaf)
{
    void *socket = zmq_socket(c->context, ZMQ_SUB);
    const int none = 0;
    const int least = 1;
    const int few = 4096;
    int rc = socket ? zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) : -1;
    if (rc == 0 && deaf) {
        rc = zmq_setsockopt(socket, ZMQ_RCVHWM, &least, sizeof least);
        rc |= zmq_setsockopt(socket, ZMQ_RCVBUF, &few, sizeof few);
    }
    if (rc == 0) {
        rc = zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    }
    if (socket && (rc != 0 || zmq_connect(socket, endpoint) != 0)) {
        zmq_close(socket);
        socket = NULL;
    }
    return socket;
}

static bool come(crowd *c, const char *endpoint)
{
    c->sockets = calloc((size_t)c->all + 1, sizeof *c->sockets);
    c->items = calloc((size_t)c->readers + 1, sizeof *c->items);
    c->heard = calloc((size_t)c->readers + 1, sizeof *c->heard);
    c->context = zmq_ctx_new();
    bool well = c->sockets && c->items && c->heard && c->context &&
                zmq_ctx_set(c->context, ZMQ_MAX_SOCKETS, c->all + 1) == 0;
    for (int i = 0; well && i < c->all; i++) {
        c->sockets[i] = client(c, endpoint, i >= c->readers);
        well = c->sockets[i] != NULL;
    }
    for (int i = 0; well && i < c->readers; i++) {
        c->items[i] = (zmq_pollitem_t){.socket = c->sockets[i], .events = ZMQ_POLLIN};
    }
    if (well) {
        c->items[c->readers] = (zmq_pollitem_t){.fd = STDIN_FILENO, .events = ZMQ_POLLIN};
    }
    return well;
}

static void listen_anew(crowd *c)
{
    memset(c->heard, 0, (size_t)c->readers * sizeof *c->heard);
    c->missing = c->readers;
}

static void take(crowd *c, int reader, zmq_msg_t *part)
{
    bool any = false;
    while (zmq_msg_recv(part, c->sockets[reader], ZMQ_DONTWAIT) >= 0) {
        any = true;
    }
    if (any && !c->heard[reader]) {
        c->heard[reader] = true;
        c->missing--;
        if (c->missing == 0) {
            puts("heard");
            fflush(stdout);
        }
    }
}

/* false once the input has ended. */
static bool asked(crowd *c)
{
    char line[64];
    const ssize_t n = read(STDIN_FILENO, line, sizeof line);
    if (n > 0) {
        listen_anew(c);
    }
    return n > 0;
}

static void hear(crowd *c)
{
    zmq_msg_t part;
    bool more = true;
    zmq_msg_init(&part);
    listen_anew(c);
    while (more && zmq_poll(c->items, c->readers + 1, -1) >= 0) {
        for (int i = 0; i < c->readers; i++) {
            if (c->items[i].revents & ZMQ_POLLIN) {
                take(c, i, &part);
            }
        }
        more = c->items[c->readers].revents == 0 || asked(c);
    }
    zmq_msg_close(&part);
}

static void leave(crowd *c)
{
    for (int i = 0; c->sockets && i < c->all; i++) {
        if (c->sockets[i]) {
            zmq_close(c->sockets[i]);
        }
    }
    if (c->context) {
        zmq_ctx_term(c->context);
    }
    free(c->sockets);
    free(c->items);
    free(c->heard);
}

int main(int argc, char **argv)
{
    crowd c = {0};
    int code = EXIT_SUCCESS;
    if (argc != 4) {
        fputs("usage: crowd ENDPOINT READERS DEAF\n", stderr);
        return 2;
    }
    c.readers = (int)strtol(argv[2], NULL, 10);
    c.all = c.readers + (int)strtol(argv[3], NULL, 10);
    if (c.readers < 1 || c.all < c.readers || !come(&c, argv[1])) {
        fprintf(stderr, "crowd: cannot come: %s\n", zmq_strerror(zmq_errno()));
        code = EXIT_FAILURE;
    } else {
        hear(&c);
    }
    leave(&c);
    return code;
}
