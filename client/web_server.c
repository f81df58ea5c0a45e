#include "client/web_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/feed.h"
#include "client/signals.h"
#include "client/web_files.h"
#include "client/web_relay.h"
#include "client/web_upstream.h"

#define CHUNK                                                                                      \
    65536 /* bytes of one write: all that libwebsockets may have to keep for a browser             \
           */
#define SEND_BUFFER 65536 /* in the kernel, which doubles it */
#define RECEIVE_BUFFER 4096
#define MAX_CONNECTIONS 256
#define MAX_BROWSERS 64
#define MAX_QUESTIONS 8 /* of one browser at a time */
#define PING_S 5
#define HANGUP_S 12
#define HTTP_TIMEOUT_S 15
#define TICK_US (500 * LWS_US_PER_MS)

#define CLOSE_PROTOCOL 1002
#define CLOSE_POLICY 1008
#define CLOSE_TOO_BIG 1009

/* A browser's WebSocket; libwebsockets keeps it, zeroed at first. */
typedef struct session session;
struct session {
    session *next, **link;
    struct lws *wsi;
    edx_viewer *viewer;
    uint64_t number; /* from 1 on, never used twice */
    edx_parcel *out; /* what is being sent; NULL: nothing */
    size_t sent;
    unsigned asked; /* questions without an answer */
    double alive;   /* when something last went out or was acknowledged */
    unsigned char *heard;
    size_t n_heard, room;
};

/* A body on its way out by HTTP: bytes, or a file. */
typedef struct body {
    const unsigned char *bytes;
    bool has_fd;
    int fd;
    uint64_t size, sent;
} body;

struct edx_web_server {
    const edx_web_options *options;
    struct lws_context *context;
    edx_web_files *files;
    edx_relay *relay;
    edx_upstream *upstream;
    edx_wire *wire;
    edx_pack *pack;
    session *sessions;
    uint64_t numbers;
    edx_upstream_state told; /* the state that browsers know */
    lws_sorted_usec_list_t tick;
    char url[EDX_WEB_NAME + 32];
    unsigned char chunk[LWS_PRE + CHUNK];
};

static edx_web_server *server_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* ---- who asks ---- */

static void local_address(struct lws *wsi, char out[EDX_WEB_NAME])
{
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    const void *bytes = NULL;
    out[0] = '\0';
    if (getsockname(lws_get_socket_fd(wsi), (struct sockaddr *)&at, &n))
        return;
    if (at.ss_family == AF_INET)
        bytes = &((struct sockaddr_in *)&at)->sin_addr;
    else if (at.ss_family == AF_INET6)
        bytes = &((struct sockaddr_in6 *)&at)->sin6_addr;
    if (bytes)
        inet_ntop(at.ss_family, bytes, out, EDX_WEB_NAME);
    if (strncmp(out, "::ffff:", 7) == 0 && strchr(out, '.'))
        memmove(out, out + 7, strlen(out + 7) + 1);
}

/* The header's value; false when it is too long. Empty when it did not come. */
static bool header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
    out[0] = '\0';
    return lws_hdr_total_length(wsi, token) == 0 || lws_hdr_copy(wsi, out, (int)size, token) > 0;
}

static bool is_ours(struct lws *wsi)
{
    char host[EDX_WEB_NAME + 16], origin[EDX_WEB_NAME + 32], local[EDX_WEB_NAME];
    if (!header(wsi, WSI_TOKEN_HOST, host, sizeof host) ||
        !header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin))
        return false;
    local_address(wsi, local);
    return edx_web_is_ours(&server_of(wsi)->options->names, local, host,
                           lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) ? origin : NULL);
}

/* ---- HTTP: answers ---- */

typedef struct heading {
    unsigned char bytes[LWS_PRE + 2048];
    unsigned char *at;
} heading;

static unsigned char *heading_end(heading *h)
{
    return h->bytes + sizeof h->bytes;
}

static int add(struct lws *wsi, heading *h, const char *name, const char *value)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), &h->at,
                                       heading_end(h));
}

/* What every answer carries. Nothing is run or loaded that is not the page's own. */
static int add_common(struct lws *wsi, heading *h)
{
    static const char *const common[][2] = {
        {"content-security-policy:",
         "default-src 'self'; connect-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
         "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"},
        {"x-content-type-options:", "nosniff"},
        {"x-frame-options:", "DENY"},
        {"referrer-policy:", "no-referrer"},
        {"cross-origin-opener-policy:", "same-origin"},
        {"cross-origin-resource-policy:", "same-origin"},
        {"cache-control:", "no-cache"}};
    int failed = 0;
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        failed |= add(wsi, h, common[i][0], common[i][1]);
    return failed;
}

static int begin_heading(struct lws *wsi, heading *h, unsigned status)
{
    h->at = h->bytes + LWS_PRE;
    return lws_add_http_header_status(wsi, status, &h->at, heading_end(h)) || add_common(wsi, h);
}

static int end_heading(struct lws *wsi, heading *h, uint64_t size)
{
    return lws_add_http_header_content_length(wsi, size, &h->at, heading_end(h)) ||
           lws_finalize_write_http_header(wsi, h->bytes + LWS_PRE, &h->at, heading_end(h));
}

static int complete(struct lws *wsi)
{
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static void close_body(body *b)
{
    if (b->has_fd)
        close(b->fd);
    *b = (body){0};
}

/* The heading is out: what remains is the body, one chunk whenever the socket takes one. */
static int send_body(struct lws *wsi, const body *what, body *b)
{
    *b = *what;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) || b->size == 0) {
        close_body(b);
        return complete(wsi);
    }
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_TIMEOUT_S);
    lws_callback_on_writable(wsi);
    return 0;
}

static int answer_text(struct lws *wsi, body *b, unsigned status, const char *text)
{
    heading h;
    const body what = {.bytes = (const unsigned char *)text, .size = strlen(text)};
    if (begin_heading(wsi, &h, status) ||
        add(wsi, &h, "content-type:", "text/plain; charset=utf-8") ||
        end_heading(wsi, &h, what.size))
        return -1;
    return send_body(wsi, &what, b);
}

static bool takes_gzip(struct lws *wsi)
{
    char accepted[256];
    return header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, accepted, sizeof accepted) &&
           strstr(accepted, "gzip") && !strstr(accepted, "gzip;q=0");
}

static bool is_known(struct lws *wsi, const char *etag)
{
    char known[512];
    return header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, known, sizeof known) && strstr(known, etag);
}

static int answer_file(struct lws *wsi, body *b, const edx_web_file *file)
{
    heading h;
    const edx_web_blob *blob = &file->plain;
    bool both = file->gzip.etag[0] != '\0', gzip = both && takes_gzip(wsi);
    if (gzip)
        blob = &file->gzip;
    bool known = is_known(wsi, blob->etag);
    const body what = {.bytes = blob->bytes, .size = known ? 0 : blob->size};
    if (begin_heading(wsi, &h, known ? HTTP_STATUS_NOT_MODIFIED : HTTP_STATUS_OK) ||
        add(wsi, &h, "content-type:", file->type) || add(wsi, &h, "etag:", blob->etag) ||
        (both && add(wsi, &h, "vary:", "accept-encoding")) ||
        (gzip && add(wsi, &h, "content-encoding:", "gzip")) || end_heading(wsi, &h, blob->size))
        return -1;
    return send_body(wsi, &what, b);
}

static int answer_run_file(struct lws *wsi, body *b, const char *path)
{
    heading h;
    const char *runs = server_of(wsi)->options->runs;
    body what = {.has_fd = true};
    if (!runs || edx_run_file_open(runs, path, &what.fd, &what.size, NULL))
        return answer_text(wsi, b, HTTP_STATUS_NOT_FOUND, "There is no such page.\n");
    if (begin_heading(wsi, &h, HTTP_STATUS_OK) ||
        add(wsi, &h, "content-type:", "application/x-hdf5") ||
        add(wsi, &h, "content-disposition:", "attachment") || end_heading(wsi, &h, what.size)) {
        close_body(&what);
        return -1;
    }
    return send_body(wsi, &what, b);
}

/* What else comes with the request is not read: the connection ends. */
static int refuse_method(struct lws *wsi)
{
    heading h;
    if (!begin_heading(wsi, &h, HTTP_STATUS_METHOD_NOT_ALLOWED) &&
        !add(wsi, &h, "allow:", "GET, HEAD") && !add(wsi, &h, "connection:", "close"))
        (void)end_heading(wsi, &h, 0);
    return -1;
}

/* ---- HTTP: requests ---- */

static int serve(struct lws *wsi, body *b, const char *in, size_t n)
{
    char path[512];
    if (!is_ours(wsi))
        return answer_text(wsi, b, HTTP_STATUS_FORBIDDEN,
                           "This name is not the server's. Use its address, or start edxweb with "
                           "--allow-host NAME.\n");
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) &&
        !lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI))
        return refuse_method(wsi);
    if (n >= sizeof path || memchr(in, '\0', n))
        return answer_text(wsi, b, HTTP_STATUS_NOT_FOUND, "There is no such page.\n");
    memcpy(path, in, n);
    path[n] = '\0';
    const edx_web_file *file = edx_web_files_find(server_of(wsi)->files, path);
    return file ? answer_file(wsi, b, file) : answer_run_file(wsi, b, path);
}

/* -1 when the file has become shorter than was promised. */
static int load_chunk(const body *b, unsigned char *to, size_t n)
{
    if (!b->has_fd) {
        memcpy(to, b->bytes + b->sent, n);
        return 0;
    }
    for (size_t at = 0; at < n;) {
        ssize_t got = pread(b->fd, to + at, n - at, (off_t)(b->sent + at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        at += (size_t)got;
    }
    return 0;
}

static int send_chunk(struct lws *wsi, body *b)
{
    unsigned char *chunk = server_of(wsi)->chunk + LWS_PRE;
    uint64_t left = b->size - b->sent;
    size_t n = left < CHUNK ? (size_t)left : CHUNK;
    bool last = n == left;
    if (n == 0)
        return 0;
    if (load_chunk(b, chunk, n) ||
        lws_write(wsi, chunk, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) != (int)n)
        return -1;
    b->sent += n;
    if (last) {
        close_body(b);
        return complete(wsi);
    }
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_TIMEOUT_S);
    lws_callback_on_writable(wsi);
    return 0;
}

/* Every request is answered here; what is left to lws_callback_http_dummy is its own housekeeping.
 */
static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t n)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return serve(wsi, user, in, n);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return send_chunk(wsi, user);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (user)
            close_body(user);
        return 0;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: /* a WebSocket without our subprotocol */
        return -1;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, n);
    }
}

/* ---- browsers ---- */

static void want_to_send(session *s)
{
    if (s->out || edx_viewer_ready(s->viewer))
        lws_callback_on_writable(s->wsi);
}

/* Cut off at once: a close frame would wait behind what the browser does not take. */
static void cut(session *s)
{
    shutdown(lws_get_socket_fd(s->wsi), SHUT_RDWR);
}

static int refuse_session(session *s, enum lws_close_status code, const char *why)
{
    unsigned char text[EDX_ERROR_TEXT];
    size_t n = strlen(why);
    n = n < 120 ? n : 120; /* a control frame holds 125 bytes */
    memcpy(text, why, n);
    lws_close_reason(s->wsi, code, text, n);
    return -1;
}

static bool give(session *s, edx_parcel *parcel)
{
    if (!parcel || !edx_viewer_send(s->viewer, parcel))
        return false;
    want_to_send(s);
    return true;
}

static edx_parcel *make_hello(edx_web_server *v)
{
    edx_pack *pack = v->pack;
    edx_pack_reset(pack);
    edx_pack_map(pack, 6);
    edx_pack_text(pack, "type");
    edx_pack_text(pack, "hello");
    edx_pack_text(pack, "version");
    edx_pack_text(pack, PACKAGE_VERSION);
    edx_pack_text(pack, "endpoint");
    edx_pack_text(pack, v->options->endpoint);
    edx_pack_text(pack, "control");
    edx_pack_bool(pack, v->told.control);
    edx_pack_text(pack, "writable");
    edx_pack_bool(pack, v->options->token.size > 0);
    edx_pack_text(pack, "runs");
    edx_pack_bool(pack, v->options->runs != NULL);
    return edx_parcel_wrap(pack, NULL);
}

static edx_parcel *make_link(edx_web_server *v)
{
    edx_pack *pack = v->pack;
    edx_pack_reset(pack);
    edx_pack_map(pack, 4);
    edx_pack_text(pack, "type");
    edx_pack_text(pack, "link");
    edx_pack_text(pack, "connected");
    edx_pack_bool(pack, v->told.connected);
    edx_pack_text(pack, "age_s");
    if (isnan(v->told.age_s))
        edx_pack_nil(pack);
    else
        edx_pack_float(pack, v->told.age_s);
    edx_pack_text(pack, "control");
    edx_pack_bool(pack, v->told.control);
    return edx_parcel_wrap(pack, NULL);
}

static int allow(struct lws *wsi)
{
    char path[8];
    edx_web_server *v = server_of(wsi);
    unsigned refused = 0;
    if (!is_ours(wsi))
        refused = HTTP_STATUS_FORBIDDEN;
    else if (!header(wsi, WSI_TOKEN_GET_URI, path, sizeof path) || strcmp(path, "/ws") != 0)
        refused = HTTP_STATUS_NOT_FOUND;
    else if (edx_relay_viewers(v->relay) >= MAX_BROWSERS)
        refused = HTTP_STATUS_SERVICE_UNAVAILABLE;
    if (refused)
        lws_return_http_status(wsi, refused, NULL);
    return refused ? -1 : 0;
}

static int open_session(edx_web_server *v, session *s, struct lws *wsi)
{
    const int size = SEND_BUFFER;
    *s = (session){.wsi = wsi, .number = ++v->numbers, .alive = edx_monotonic()};
    setsockopt(lws_get_socket_fd(wsi), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (edx_relay_viewers(v->relay) == 0)
        edx_relay_forget(v->relay);
    s->viewer = edx_viewer_new(v->relay);
    if (!s->viewer)
        return -1;
    s->next = v->sessions;
    s->link = &v->sessions;
    if (s->next)
        s->next->link = &s->next;
    v->sessions = s;
    edx_upstream_watch(v->upstream, true);
    v->told = edx_upstream_state_of(v->upstream, NULL);
    return give(s, make_hello(v)) && give(s, make_link(v)) ? 0 : -1;
}

static void close_session(edx_web_server *v, session *s)
{
    if (!s->viewer)
        return;
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    edx_parcel_drop(&s->out);
    edx_viewer_free(&s->viewer);
    free(s->heard);
    s->heard = NULL;
    if (v->upstream && edx_relay_viewers(v->relay) == 0)
        edx_upstream_watch(v->upstream, false);
}

/* One chunk of one message. It is copied, as libwebsockets writes its frame's head before it, and
 * the parcel is sent to others at the same time. */
static int send_some(edx_web_server *v, session *s)
{
    if (!s->out) {
        s->out = edx_viewer_next(s->viewer);
        s->sent = 0;
    }
    if (!s->out)
        return 0;
    size_t left = s->out->size - s->sent, n = left < CHUNK ? left : CHUNK;
    int flags = lws_write_ws_flags(LWS_WRITE_BINARY, s->sent == 0, n == left);
    memcpy(v->chunk + LWS_PRE, s->out->bytes + s->sent, n);
    if (lws_write(s->wsi, v->chunk + LWS_PRE, n, (enum lws_write_protocol)flags) < (int)n)
        return -1;
    s->sent += n;
    s->alive = edx_monotonic();
    if (n == left)
        edx_parcel_drop(&s->out);
    want_to_send(s);
    return 0;
}

/* ---- what browsers say ---- */

static int ask(edx_web_server *v, session *s, const edx_web_said *said)
{
    edx_error err;
    edx_status status = edx_web_permit(said, &v->options->token, &err);
    if (!status && s->asked >= MAX_QUESTIONS)
        status = edx_fail(&err, EDX_E_LIMIT, "%d questions wait for an answer, try again",
                          MAX_QUESTIONS);
    if (!status)
        status = edx_upstream_ask(v->upstream, s->number, said->id, said->request,
                                  edx_web_may_take_long(said), &err);
    if (!status) {
        s->asked++;
        return 0;
    }
    if (give(s, edx_parcel_refusal(v->pack, s->number, said->id, err.text)))
        return 0;
    return refuse_session(s, CLOSE_POLICY, "too many questions, and no answer was read");
}

static int hear(edx_web_server *v, session *s)
{
    edx_error err;
    edx_web_said said;
    if (edx_web_hear(v->wire, s->heard, s->n_heard, &said, &err))
        return refuse_session(s, CLOSE_PROTOCOL, err.text);
    if (!said.acknowledges)
        return ask(v, s, &said);
    if (edx_viewer_acknowledge(s->viewer, said.serial)) {
        s->alive = edx_monotonic();
        lws_validity_confirmed(s->wsi);
        want_to_send(s);
    }
    return 0;
}

static bool keep_heard(session *s, const void *in, size_t n)
{
    if (n > s->room - s->n_heard) {
        size_t room = 2 * (s->n_heard + n);
        unsigned char *grown = realloc(s->heard, room);
        if (!grown)
            return false;
        s->heard = grown;
        s->room = room;
    }
    memcpy(s->heard + s->n_heard, in, n);
    s->n_heard += n;
    return true;
}

/* A message comes in pieces. Its buffer goes with it, as most are short and a long one is rare. */
static int receive(edx_web_server *v, session *s, const void *in, size_t n)
{
    if (!lws_frame_is_binary(s->wsi))
        return refuse_session(s, CLOSE_PROTOCOL, "text, expected MessagePack in a binary message");
    if (n > EDX_WEB_MAX_MESSAGE - s->n_heard)
        return refuse_session(s, CLOSE_TOO_BIG, "a message over 256 kB");
    if (n > 0 && !keep_heard(s, in, n))
        return -1;
    if (lws_remaining_packet_payload(s->wsi) || !lws_is_final_fragment(s->wsi))
        return 0;
    int result = hear(v, s);
    free(s->heard);
    s->heard = NULL;
    s->n_heard = s->room = 0;
    return result;
}

/* ---- what edxd says ---- */

static void deliver(edx_web_server *v, edx_parcel *parcel)
{
    session *s = v->sessions;
    while (s && s->number != parcel->viewer)
        s = s->next;
    if (!s) {
        edx_parcel_drop(&parcel);
        return;
    }
    s->asked--;
    if (!give(s, parcel))
        cut(s);
}

static void tell_state(edx_web_server *v)
{
    edx_upstream_state now = edx_upstream_state_of(v->upstream, NULL);
    bool same = now.connected == v->told.connected && now.control == v->told.control;
    v->told = now;
    edx_parcel *parcel = same || !v->sessions ? NULL : make_link(v);
    for (session *s = v->sessions; s && parcel; s = s->next)
        if (!give(s, edx_parcel_keep(parcel)))
            cut(s);
    edx_parcel_drop(&parcel);
}

static void take_news(edx_web_server *v)
{
    if (!v->upstream)
        return;
    for (edx_parcel *p = edx_upstream_take(v->upstream); p; p = edx_upstream_take(v->upstream)) {
        if (p->topic == EDX_RESULT_TOPICS)
            deliver(v, p);
        else
            edx_relay_publish(v->relay, p);
    }
    tell_state(v);
    for (session *s = v->sessions; s; s = s->next) {
        want_to_send(s);
        if (edx_viewer_overrun(s->viewer))
            cut(s);
    }
}

/* A browser that takes nothing, or paints nothing, gets the room of nobody else. */
static void on_tick(lws_sorted_usec_list_t *tick)
{
    edx_web_server *v = lws_container_of(tick, edx_web_server, tick);
    double now = edx_monotonic();
    for (session *s = v->sessions; s; s = s->next)
        if ((s->out || edx_viewer_waits(s->viewer)) && now - s->alive > HANGUP_S)
            cut(s);
    lws_sul_schedule(v->context, 0, &v->tick, on_tick, TICK_US);
}

static int on_socket(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t n)
{
    edx_web_server *v = server_of(wsi);
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return allow(wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return open_session(v, user, wsi);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return send_some(v, user);
    case LWS_CALLBACK_RECEIVE:
        return receive(v, user, in, n);
    case LWS_CALLBACK_CLOSED:
        close_session(v, user);
        return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        take_news(v);
        return 0;
    default:
        return 0;
    }
}

/* ---- the server ---- */

static const struct lws_protocols protocols[] = {{.name = "http",
                                                  .callback = on_http,
                                                  .per_session_data_size = sizeof(body),
                                                  .tx_packet_size = CHUNK + LWS_PRE},
                                                 {.name = "edx",
                                                  .callback = on_socket,
                                                  .per_session_data_size = sizeof(session),
                                                  .rx_buffer_size = RECEIVE_BUFFER,
                                                  .tx_packet_size = CHUNK + LWS_PRE},
                                                 {.name = NULL}};

static const lws_retry_bo_t liveliness = {.secs_since_valid_ping = PING_S,
                                          .secs_since_valid_hangup = HANGUP_S};

static void emit(int level, const char *line)
{
    (void)level;
    fprintf(stderr, "edxweb: libwebsockets: %s", line);
}

static bool is_any(const char *addr)
{
    return strcmp(addr, "0.0.0.0") == 0 || strcmp(addr, "::") == 0;
}

static edx_status open_context(edx_web_server *v, edx_error *err)
{
    const char *addr = v->options->addr;
    struct lws_context_creation_info info = {0};
    info.port = v->options->port;
    info.iface = is_any(addr) ? NULL : addr;
    info.protocols = protocols;
    info.user = v;
    info.server_string = "edxweb";
    info.fd_limit_per_thread = MAX_CONNECTIONS;
    info.retry_and_idle_policy = &liveliness;
    info.timeout_secs = HTTP_TIMEOUT_S;
    info.keepalive_timeout = HTTP_TIMEOUT_S;
    info.options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   (strchr(addr, ':') ? 0 : LWS_SERVER_OPTION_DISABLE_IPV6);
    lws_set_log_level(LLL_ERR, emit);
    v->context = lws_create_context(&info);
    if (!v->context)
        return edx_fail(err, EDX_E_IO,
                        "--listen %s:%d: cannot listen there, expected an address of this machine "
                        "and a port that is free (port 0 finds one)",
                        addr, v->options->port);
    return EDX_OK;
}

static void write_url(edx_web_server *v)
{
    const char *addr = v->options->addr;
    const int port = lws_get_vhost_listen_port(lws_get_vhost_by_name(v->context, "default"));
    const bool v6 = strchr(addr, ':') != NULL;
    if (is_any(addr))
        addr = v6 ? "::1" : "127.0.0.1";
    snprintf(v->url, sizeof v->url, v6 ? "http://[%s]:%d/" : "http://%s:%d/", addr, port);
}

/* Called by another thread: the one call of libwebsockets that may be. */
static void wake(void *context)
{
    lws_cancel_service(context);
}

static edx_status make_parts(edx_web_server *v, edx_error *err)
{
    v->relay = edx_relay_new();
    v->wire = edx_wire_new(EDX_WEB_MAX_VALUES);
    v->pack = edx_pack_new();
    v->told.age_s = NAN;
    if (!v->relay || !v->wire || !v->pack)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the server");
    edx_status status = edx_web_files_read(v->options->root, &v->files, err);
    if (status)
        edx_error_prefix(err, "--root %.100s", v->options->root);
    return status;
}

edx_status edx_web_server_new(const edx_web_options *options, edx_web_server **out, edx_error *err)
{
    edx_web_server *v = calloc(1, sizeof *v);
    *out = v;
    if (!v)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the server");
    v->options = options;
    edx_status status = make_parts(v, err);
    if (!status)
        status = open_context(v, err);
    if (!status)
        status = edx_upstream_start(options->endpoint, options->control, wake, v->context,
                                    &v->upstream, err);
    if (status) {
        edx_web_server_free(out);
        return status;
    }
    write_url(v);
    lws_sul_schedule(v->context, 0, &v->tick, on_tick, TICK_US);
    return EDX_OK;
}

/* The thread that may wake the context ends before it. */
void edx_web_server_free(edx_web_server **server)
{
    edx_web_server *v = *server;
    if (!v)
        return;
    edx_upstream_stop(&v->upstream);
    if (v->context)
        lws_context_destroy(v->context);
    edx_relay_free(&v->relay);
    edx_web_files_free(&v->files);
    edx_wire_free(&v->wire);
    edx_pack_free(&v->pack);
    free(v);
    *server = NULL;
}

const char *edx_web_server_url(const edx_web_server *server)
{
    return server->url;
}

edx_status edx_web_server_run(edx_web_server *server, edx_error *err)
{
    while (!edx_signals_stop()) {
        if (lws_service(server->context, 0) < 0 && !edx_signals_stop())
            return edx_fail(err, EDX_E_IO, "libwebsockets: cannot serve any more");
        if (edx_upstream_state_of(server->upstream, err).failed)
            return EDX_E_IO;
    }
    return EDX_OK;
}
