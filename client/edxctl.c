/* edxctl: asks a running edxd. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ask.h"
#include "client/export.h"
#include "client/gather.h"
#include "client/json.h"
#include "client/keygen.h"
#include "client/many.h"
#include "client/reply.h"
#include "client/report.h"
#include "client/request.h"
#include "client/signals.h"
#include "proto/built.h"
#include "proto/certificate.h"

#define TIMEOUT_S 10.0

enum { DONE = 0, FAILED = 1, USAGE = 2 };

typedef struct options {
    const char *endpoint;
    const char *dir; /* -o; NULL: where the results are */
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
    "  keygen [-o FILE]                a new key: FILE, and FILE.pub for edxd to know it\n"
    "\n"
    "of a run's folder, of what edxd --offline made of many recordings, or, without\n"
    "FOLDER, of a running edxd:\n"
    "  export [FOLDER]                 all results as CSV\n"
    "  report [FOLDER]                 figures, as PDF and PNG\n"
    "\n"
    "  --endpoint EP    where edxd answers (" EDX_CONTROL_ENDPOINT ")\n"
    "  -o, --output DIR where export and report write (FOLDER, else this one); the\n"
    "                   file of keygen (edx.key)\n"
    "  --key FILE       your secret key, where edxd wants one (EDX_KEY)\n"
    "  --server-key FILE its public key (edxd.pub beside yours)\n"
    "  --json           print the reply as one line of JSON\n"
    "  --timeout S      wait that long for the answer (10)\n"
    "  --help, --version\n";

enum { JSON = 256, TIMEOUT, KEY, SERVER_KEY, VERSION };

static const struct option names[] = {{"endpoint", required_argument, NULL, 'e'},
                                      {"output", required_argument, NULL, 'o'},
                                      {"json", no_argument, NULL, JSON},
                                      {"timeout", required_argument, NULL, TIMEOUT},
                                      {"key", required_argument, NULL, KEY},
                                      {"server-key", required_argument, NULL, SERVER_KEY},
                                      {"help", no_argument, NULL, 'h'},
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
        o->dir = optarg;
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

static edx_status ask(const options *o, char *const *words, int n, edx_error *err)
{
    edx_message *reply = NULL;
    edx_pack *request = edx_pack_new();
    edx_status status = request ? edx_request_write(words, n, request, err)
                                : edx_fail(err, EDX_E_NOMEM, "no memory");
    if (!status)
        status = edx_ask(o->endpoint, o->timeout_s, request, &reply, err);
    if (!status)
        status = show(o, words[0], reply, err);
    edx_message_free(&reply);
    edx_pack_free(&request);
    return status;
}

/* ---- results as tables and figures ---- */

typedef struct output {
    const char *command;
    edx_status (*run)(const edx_gathered *run, const char *dir, edx_error *err);
    edx_status (*many)(const edx_ensemble_result *ensemble, const char *dir, edx_error *err);
} output;

static const output outputs[] = {{"export", edx_export_run, edx_export_ensemble},
                                 {"report", edx_report_run, edx_report_ensemble}};

static const output *find_output(const char *command)
{
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        if (strcmp(outputs[i].command, command) == 0)
            return &outputs[i];
    return NULL;
}

static edx_status put_many(const output *out, const char *folder, const char *dir, edx_error *err)
{
    edx_many many;
    edx_status status = edx_many_read(folder, &many, err);
    if (!status)
        status = out->many(&many.result, dir, err);
    edx_many_clear(&many);
    return status;
}

/* folder NULL: of a running daemon. */
static edx_status put_run(const options *o, const output *out, const char *folder, const char *dir,
                          edx_error *err)
{
    edx_gathered run = {0};
    edx_status status = folder ? edx_gather_folder(folder, &run, err)
                               : edx_gather_daemon(o->endpoint, o->timeout_s, &run, err);
    if (!status)
        status = out->run(&run, dir, err);
    edx_gathered_clear(&run);
    return status;
}

static edx_status put(const options *o, const output *out, char *const *words, int n,
                      edx_error *err)
{
    const char *folder = n > 1 ? words[1] : NULL;
    const char *dir = o->dir ? o->dir : folder ? folder : ".";
    if (n > 2)
        return edx_fail(err, EDX_E_SYNTAX, "%s: %d arguments, expected one folder or none",
                        words[0], n - 1);
    edx_status status = folder && edx_many_is(folder) ? put_many(out, folder, dir, err)
                                                      : put_run(o, out, folder, dir, err);
    if (status)
        edx_error_prefix(err, "%s", words[0]);
    return status;
}

/* Errors of the words that were given, not of what was done with them. */
static bool is_usage(edx_status status)
{
    return status == EDX_E_SYNTAX || status == EDX_E_UNKNOWN || status == EDX_E_RANGE;
}

/* A pair of keys for this machine, or for edxd. */
static edx_status keygen(const options *o, int n_words, edx_error *err)
{
    const char *path = o->dir ? o->dir : "edx.key";
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
    edx_signals_catch();
    const output *out = words > 0 ? find_output(argv[0]) : NULL;
    bool makes_key = words > 0 && strcmp(argv[0], "keygen") == 0;
    if (!out && !makes_key && o.dir) {
        fprintf(stderr, "edxctl: -o goes with export, report and keygen\n");
        return USAGE;
    }
    edx_status status = makes_key ? keygen(&o, words, &err)
                        : out     ? put(&o, out, argv, words, &err)
                                  : ask(&o, argv, words, &err);
    if (status)
        fprintf(stderr, "edxctl: %s\n", err.text);
    return !status ? DONE : is_usage(status) ? USAGE : FAILED;
}
