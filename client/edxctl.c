/* edxctl: asks a running edxd. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/feed.h"
#include "client/json.h"
#include "client/keygen.h"
#include "client/reply.h"
#include "client/request.h"
#include "client/signals.h"
#include "proto/built.h"
#include "proto/certificate.h"

#define TIMEOUT_S 10.0
#define WAIT_MS 200

enum { DONE = 0, FAILED = 1, USAGE = 2 };

typedef struct options {
    const char *endpoint;
    const char *output; /* -o, of keygen */
    double timeout_s;
    bool json;
} options;

static const char help[] =
    "usage: edxctl [--endpoint EP] [--json] [--timeout S] COMMAND\n"
    "\n"
    "  status                          what edxd is doing\n"
    "  save                            write the run's files now\n"
    "  stop                            finish the acquisition as if it had ended\n"
    "  reset                           stop, forget, wait for the next\n"
    "  get KEY                         a setting, such as quant.limit or analysis\n"
    "  set KEY VALUE                   change one, as in edxd.conf\n"
    "  profile Y0,X0 Y1,X1 WIDTH       line profile of a band, all in nm\n"
    "  region Y,X Y,X Y,X...           composition inside a polygon, nm\n"
    "  calibrate EL=FRACTION,... Y,X... k factors from a region of known composition\n"
    "  history TOPIC FRAME             an earlier message\n"
    "  keygen [-o FILE]                a new key: FILE (edx.key), and FILE.pub for edxd to know "
    "it\n"
    "\n"
    "  --endpoint EP    where edxd answers (" EDX_CONTROL_ENDPOINT ")\n"
    "  --key FILE       your secret key, where edxd wants one (EDX_KEY)\n"
    "  --server-key FILE its public key (edxd.pub beside yours)\n"
    "  -o, --output FILE where keygen writes\n"
    "  --json           print the reply as one line of JSON\n"
    "  --timeout S      wait that long for the answer (10)\n"
    "  --help, --version\n";

enum { JSON = 256, TIMEOUT, KEY, SERVER_KEY, VERSION };

static const struct option names[] = {{"endpoint", required_argument, NULL, 'e'},
                                      {"json", no_argument, NULL, JSON},
                                      {"timeout", required_argument, NULL, TIMEOUT},
                                      {"help", no_argument, NULL, 'h'},
                                      {"key", required_argument, NULL, KEY},
                                      {"server-key", required_argument, NULL, SERVER_KEY},
                                      {"output", required_argument, NULL, 'o'},
                                      {"version", no_argument, NULL, VERSION},
                                      {NULL, 0, NULL, 0}};

static int read_timeout(options *o, const char *text)
{
    char *end;
    o->timeout_s = strtod(text, &end);
    if (!*end && o->timeout_s > 0 && o->timeout_s <= 1e6)
        return DONE;
    fprintf(stderr, "edxctl: --timeout: \"%s\", expected seconds, more than 0\n", text);
    return USAGE;
}

static int name_key(const char *own, const char *server)
{
    edx_error err;
    if (!edx_keys_name(own, server, &err))
        return DONE;
    fprintf(stderr, "edxctl: %s\n", err.text);
    return FAILED;
}

static int take_option(options *o, int option, const char *text)
{
    switch (option) {
    case 'e':
        o->endpoint = optarg;
        return DONE;
    case 'o':
        o->output = optarg;
        return DONE;
    case JSON:
        o->json = true;
        return DONE;
    case TIMEOUT:
        return read_timeout(o, optarg);
    case 'h':
        fputs(help, stdout);
        exit(DONE);
    case KEY:
        return name_key(optarg, NULL);
    case SERVER_KEY:
        return name_key(NULL, optarg);
    case VERSION:
        puts(EDX_BUILT("edxctl"));
        exit(DONE);
    default:
        fprintf(stderr, "edxctl: %s: unknown option or no value, expected those of edxctl --help\n",
                text);
        return USAGE;
    }
}

/* A negative number is a word of the command, not an option. */
static bool is_word(const char *text)
{
    return text[0] != '-' || text[1] == '\0' || (text[1] >= '0' && text[1] <= '9') ||
           text[1] == '.';
}

/* Takes the options out of argv, wherever they stand; the words stay, from argv[0] on. */
static int parse(options *o, int argc, char **argv, int *n_words)
{
    int status = DONE, words = 0;
    bool all_words = false;
    opterr = 0;
    while (!status && optind < argc) {
        char *text = argv[optind];
        if (all_words || is_word(text)) {
            argv[words++] = text;
            optind++;
        } else if (strcmp(text, "--") == 0) {
            all_words = true;
            optind++;
        } else {
            status = take_option(o, getopt_long(argc, argv, "+e:o:h", names, NULL), text);
        }
    }
    *n_words = words;
    return status;
}

/* ---- asking ---- */

static edx_status await(const options *o, edx_caller *control, edx_message **reply, edx_error *err)
{
    double end = edx_monotonic() + o->timeout_s;
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
                        o->endpoint, o->timeout_s);
    return status;
}

static edx_status show(const options *o, const char *command, const edx_message *reply,
                       edx_error *err)
{
    const edx_node *root;
    char *line = NULL;
    edx_wire *wire = edx_wire_new(0);
    edx_status status = wire ? edx_wire_parse(wire, reply->body, reply->size, &root, err)
                             : edx_fail(err, EDX_E_NOMEM, "no memory for the reply");
    if (!status && o->json) {
        status = edx_json_line(NULL, root, &line, err);
        if (!status)
            puts(line);
        free(line);
    }
    if (!status && (status = edx_reply_check(root, err)))
        edx_error_prefix(err, "%s", command);
    if (!status && !o->json)
        edx_reply_print(stdout, command, root);
    if (!status && fflush(stdout) && errno != EPIPE)
        status = edx_fail(err, EDX_E_IO, "standard output: %s", strerror(errno));
    edx_wire_free(&wire);
    return status;
}

static edx_status ask(const options *o, const char *command, const edx_pack *request,
                      edx_error *err)
{
    edx_caller *control = NULL;
    edx_message *reply = NULL;
    edx_status status = edx_caller_new(o->endpoint, &control, err);
    if (!status)
        status = edx_caller_send(control, edx_pack_data(request), edx_pack_size(request), err);
    if (!status)
        status = await(o, control, &reply, err);
    if (!status)
        status = show(o, command, reply, err);
    edx_message_free(&reply);
    edx_caller_free(&control);
    return status;
}

/* A pair of keys for this machine, or for edxd. */
static edx_status keygen(const options *o, int n_words, edx_error *err)
{
    const char *path = o->output ? o->output : "edx.key";
    if (n_words > 1)
        return edx_fail(err, EDX_E_SYNTAX, "keygen: %d arguments, expected none, or -o FILE",
                        n_words - 1);
    edx_status status = edx_keygen(path, err);
    if (!status)
        printf("%s: secret, for this machine alone\n%s.pub: public, for those who are to know "
               "it\n",
               path, path);
    else
        edx_error_prefix(err, "keygen");
    return status;
}

int main(int argc, char **argv)
{
    edx_error err = {0};
    options o = {.endpoint = EDX_CONTROL_ENDPOINT, .timeout_s = TIMEOUT_S};
    int words, wrong = parse(&o, argc, argv, &words);
    if (wrong)
        return wrong;
    if (words > 0 && strcmp(argv[0], "keygen") == 0) {
        edx_status made = keygen(&o, words, &err);
        if (made)
            fprintf(stderr, "edxctl: %s\n", err.text);
        return made == EDX_E_SYNTAX ? USAGE : made ? FAILED : DONE;
    }
    if (o.output) {
        fprintf(stderr, "edxctl: -o goes with keygen\n");
        return USAGE;
    }
    edx_signals_catch();
    edx_pack *request = edx_pack_new();
    edx_status status = request ? edx_request_write(argv, words, request, &err)
                                : edx_fail(&err, EDX_E_NOMEM, "no memory");
    int code = status == EDX_OK || status == EDX_E_NOMEM ? FAILED : USAGE;
    if (!status) {
        status = ask(&o, argv[0], request, &err);
        if (status == EDX_E_RANGE)
            code = USAGE;
    }
    if (status)
        fprintf(stderr, "edxctl: %s\n", err.text);
    edx_pack_free(&request);
    return status ? code : DONE;
}
