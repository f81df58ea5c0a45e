/* edxweb: serves the live page to browsers. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/feed.h"
#include "client/signals.h"
#include "client/web_server.h"
#include "proto/built.h"
#include "proto/certificate.h"

#define LISTEN "127.0.0.1:5580"
#define MAX_NAMES 16

enum { DONE = 0, FAILED = 1, USAGE = 2 };

typedef struct options {
    edx_web_options web;
    const char *token_file;
    char addr[EDX_WEB_NAME];
    const char *names[MAX_NAMES];
} options;

static const char help[] =
    "usage: edxweb [OPTION]...\n"
    "Serves the live page of edxd: open the address that it prints in a browser.\n"
    "\n"
    "Where edxd is:\n"
    "      --endpoint EP      where it publishes (" EDX_PUBLISH_ENDPOINT ")\n"
    "      --control EP       where it answers (" EDX_CONTROL_ENDPOINT ")\n"
    "      --key FILE         this server's secret key, where edxd wants one (EDX_KEY)\n"
    "      --server-key FILE  edxd's public key (edxd.pub beside the other)\n"
    "\n"
    "Where the page is:\n"
    "      --listen ADDR:PORT numeric, [ADDR]:PORT for IPv6 (" LISTEN "); port 0 takes one\n"
    "                         that is free\n"
    "      --allow-host NAME  a name by which browsers know this machine; repeat it for more.\n"
    "                         Others are refused, so that no foreign page can reach edxd\n"
    "      --root DIR         the page's files (" EDX_WEBDIR ")\n"
    "\n"
    "What it may:\n"
    "      --token-file FILE  whoever knows its first line may save, stop, reset and set;\n"
    "                         without it nobody may. The file must be its owner's alone\n"
    "      --runs DIR         edxd's output.dir, to offer cube, maps and results of each run\n"
    "\n"
    "  -h, --help             this text\n"
    "      --version          the version\n"
    "\n"
    "Examples:\n"
    "  edxweb\n"
    "      for a browser on this machine. From elsewhere, by a tunnel that asks who you are:\n"
    "      ssh -L 5580:localhost:5580 THIS-MACHINE, then http://localhost:5580/\n"
    "  (umask 077; head -c 24 /dev/urandom | base64 > token); edxweb --token-file token\n"
    "      the page asks for the token before it changes anything\n"
    "  edxweb --listen 0.0.0.0:5580 --allow-host microscope.lab\n"
    "      anyone in this network may look, at http://microscope.lab:5580/\n";

static int usage(const char *where, const char *what)
{
    fprintf(stderr, "edxweb: %s: %s\n", where, what);
    return USAGE;
}

/* ---- options ---- */

enum {
    ENDPOINT = 256,
    CONTROL,
    KEY,
    SERVER_KEY,
    LISTEN_AT,
    ALLOW_HOST,
    ROOT,
    TOKEN_FILE,
    RUNS,
    VERSION
};

static const struct option names[] = {{"endpoint", required_argument, NULL, ENDPOINT},
                                      {"control", required_argument, NULL, CONTROL},
                                      {"key", required_argument, NULL, KEY},
                                      {"server-key", required_argument, NULL, SERVER_KEY},
                                      {"listen", required_argument, NULL, LISTEN_AT},
                                      {"allow-host", required_argument, NULL, ALLOW_HOST},
                                      {"root", required_argument, NULL, ROOT},
                                      {"token-file", required_argument, NULL, TOKEN_FILE},
                                      {"runs", required_argument, NULL, RUNS},
                                      {"help", no_argument, NULL, 'h'},
                                      {"version", no_argument, NULL, VERSION},
                                      {NULL, 0, NULL, 0}};

static int take_listen(options *o, const char *text)
{
    if (edx_listen_parse(text, o->addr, &o->web.port))
        return DONE;
    fprintf(stderr,
            "edxweb: --listen: \"%s\", expected a numeric address and a port from 0 to 65535, such "
            "as " LISTEN " or [::1]:5580\n",
            text);
    return USAGE;
}

static int take_name(options *o, const char *text)
{
    edx_authority name;
    if (o->web.names.n == MAX_NAMES)
        return usage("--allow-host", "too many, expected at most 16");
    if (!edx_authority_parse(text, &name) || name.port)
        return usage("--allow-host", "expected a name without a port, such as microscope.lab");
    o->names[o->web.names.n++] = text;
    return DONE;
}

static int name_key(const char *own, const char *server)
{
    edx_error err;
    return edx_keys_name(own, server, &err) ? usage("--key", err.text) : DONE;
}

static int take_option(options *o, int option, const char *text)
{
    switch (option) {
    case ENDPOINT:
        o->web.endpoint = optarg;
        return DONE;
    case CONTROL:
        o->web.control = optarg;
        return DONE;
    case KEY:
        return name_key(optarg, NULL);
    case SERVER_KEY:
        return name_key(NULL, optarg);
    case LISTEN_AT:
        return take_listen(o, optarg);
    case ALLOW_HOST:
        return take_name(o, optarg);
    case ROOT:
        o->web.root = optarg;
        return DONE;
    case TOKEN_FILE:
        o->token_file = optarg;
        return DONE;
    case RUNS:
        o->web.runs = optarg;
        return DONE;
    case 'h':
        fputs(help, stdout);
        exit(DONE);
    case VERSION:
        puts(EDX_BUILT("edxweb"));
        exit(DONE);
    default:
        return usage(text, "unknown option or no value, expected those of edxweb --help");
    }
}

static int parse(options *o, int argc, char **argv)
{
    int option, status = take_listen(o, LISTEN);
    opterr = 0;
    while (!status && (option = getopt_long(argc, argv, "h", names, NULL)) != -1)
        status = take_option(o, option, argv[optind - 1]);
    if (!status && argv[optind])
        status = usage(argv[optind], "not expected here, expected options only");
    return status;
}

/* ---- doing ---- */

static int read_token(options *o)
{
    edx_error err;
    if (!o->token_file || !edx_token_read(o->token_file, &o->web.token, &err))
        return DONE;
    fprintf(stderr, "edxweb: --token-file %s: %s\n", o->token_file, err.text);
    return USAGE;
}

static void say_ready(const options *o, const edx_web_server *server)
{
    printf("edxweb: %s%s\n", edx_web_server_url(server),
           o->web.token.size ? "" : " (read-only: no --token-file)");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    edx_error err = {0};
    edx_web_server *server = NULL;
    options o = {.web = {.endpoint = EDX_PUBLISH_ENDPOINT,
                         .control = EDX_CONTROL_ENDPOINT,
                         .root = EDX_WEBDIR}};
    o.web.addr = o.addr;
    o.web.names.names = o.names;
    int wrong = parse(&o, argc, argv);
    if (!wrong)
        wrong = read_token(&o);
    if (wrong)
        return wrong;
    edx_signals_catch();
    edx_status status = edx_web_server_new(&o.web, &server, &err);
    int code = status == EDX_E_RANGE || status == EDX_E_MISSING ? USAGE : FAILED;
    if (!status) {
        say_ready(&o, server);
        status = edx_web_server_run(server, &err);
    }
    edx_web_server_free(&server);
    if (status)
        fprintf(stderr, "edxweb: %s\n", err.text);
    return status ? code : DONE;
}
