/* edxd: receives frames, keeps the cube, analyses, publishes, records. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analysis/lines.h"
#include "daemon/config.h"
#include "daemon/crew.h"
#include "daemon/curve.h"
#include "daemon/log.h"
#include "daemon/offline.h"
#include "daemon/receive.h"
#include "proto/built.h"

#define EXIT_RUN 1
#define EXIT_USAGE 2
#define MAX_OVERRIDES 256

typedef struct options {
    const char *config_file;
    const char *output_dir;
    const char *overrides[MAX_OVERRIDES];
    size_t n_overrides;
    bool test, offline;
} options;

static const char help[] =
    "usage: edxd [-c FILE] [-s KEY=VALUE]…             run the daemon\n"
    "       edxd -t [-c FILE] [-s KEY=VALUE]…          check the configuration and leave\n"
    "       edxd --offline RECORDING… -o DIR           analyse recordings, no sockets\n"
    "\n"
    "Sums the X-ray frames of a scanning electron microscope as they arrive and\n"
    "publishes spectrum, line maps and composition after every frame.\n"
    "\n"
    "  -c, --config FILE    configuration (default: " EDX_SYSCONFDIR "/edxd/edxd.conf\n"
    "                       if it is there, else built-in defaults)\n"
    "  -s, --set KEY=VALUE  overrides one key; VALUE in libconfig syntax, a bare\n"
    "                       word is a string\n"
    "  -t, --test           checks the configuration and leaves\n"
    "      --offline        analyses recordings (.edxr) frame by frame and writes the\n"
    "                       same folder as a live run\n"
    "  -o, --output DIR     where --offline puts its folders\n"
    "      --version, --help\n"
    "\n"
    "Examples:\n"
    "  edxd -s output.dir=/tmp/runs -s ingest.endpoint=tcp://microscope:5555\n"
    "  edxd -s 'quant.lines=({line=\"Ag_La\"; k=1.44;}, {line=\"Au_Ma\"; k=1.0;})'\n"
    "  edxd --offline monday/*.edxr -o results\n"
    "\n"
    "Exit status: 0 done, 1 failed at run time, 2 wrong usage or configuration.\n"
    "See edxd(8), edxd.conf(5), edx-protocol(7).\n";

static int usage(const char *text, const char *what)
{
    fprintf(stderr, "edxd: %s%s; try 'edxd --help'\n", text, what);
    return EXIT_USAGE;
}

enum { OPTION_OFFLINE = 256, OPTION_VERSION, OPTION_HELP };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},
    {"test", no_argument, NULL, 't'},         {"offline", no_argument, NULL, OPTION_OFFLINE},
    {"output", required_argument, NULL, 'o'}, {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP}, {NULL, 0, NULL, 0},
};

/* -1: go on; else leave with that status. */
static int parse(int argc, char **argv, options *o)
{
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:s:to:h", long_options, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config_file = optarg;
            break;
        case 's':
            if (o->n_overrides == MAX_OVERRIDES) {
                return usage("too many -s, expected at most 256", "");
            }
            o->overrides[o->n_overrides++] = optarg;
            break;
        case 't':
            o->test = true;
            break;
        case 'o':
            o->output_dir = optarg;
            break;
        case OPTION_OFFLINE:
            o->offline = true;
            break;
        case OPTION_VERSION:
            return puts(EDX_BUILT("edxd")) < 0;
        case 'h':
        case OPTION_HELP:
            fputs(help, stdout);
            return 0;
        case ':':
            return usage("this option wants a value: ", argv[optind - 1]);
        default:
            return usage("unknown option: ", argv[optind - 1]);
        }
    }
    return -1;
}

static int fail(int code, const edx_error *err)
{
    fprintf(stderr, "edxd: %s\n", err->text);
    return code;
}

static edx_status configure(const options *o, edx_config *config, edx_error *err)
{
    static const char installed[] = EDX_SYSCONFDIR "/edxd/edxd.conf";
    edx_status status = EDX_OK;
    edx_config_default(config);
    if (o->config_file) {
        status = edx_config_load(config, o->config_file, err);
    } else if (access(installed, F_OK) == 0) {
        status = edx_config_load(config, installed, err);
    }
    for (size_t i = 0; status == EDX_OK && i < o->n_overrides; i++) {
        status = edx_config_override(config, o->overrides[i], err);
    }
    if (status == EDX_OK) {
        status = edx_config_check(config, err);
    }
    if (status == EDX_OK && config->security.curve && !o->offline) {
        status = edx_curve_check(config->security.keys, config->security.clients, err);
    }
    return status;
}

/* What is no reason not to start: the counts come, and the settings can be changed. */
#define UNTIL "; until then only the sum is computed"

static int test(const edx_config *config)
{
    edx_error err = {0};
    if (edx_lines_check(&config->settings, &err)) {
        fprintf(stderr, "edxd: warning: %s" UNTIL "\n", err.text);
    }
    return puts("edxd: the configuration is good") < 0;
}

/* With as many others as were started together. */
static int analyse(const options *o, const edx_config *config, edx_crew *crew, edx_log *log,
                   const char *const *paths, size_t n)
{
    edx_error err = {0};
    const bool first = edx_crew_rank(crew) == 0;
    const edx_offline_options offline = {
        .config = config,
        .config_given = o->config_file != NULL,
        .overrides = o->overrides,
        .n_overrides = o->n_overrides,
        .dir = o->output_dir,
        .progress = first && isatty(STDERR_FILENO) != 0,
        .crew = crew,
    };
    const edx_status status = edx_offline_run(&offline, paths, n, log, &err);
    edx_crew_report(crew, log);
    if (status && first) {
        return fail(EXIT_RUN, &err);
    }
    return status ? EXIT_RUN : 0;
}

static int run_offline(const options *o, const edx_config *config, const char *const *paths,
                       size_t n)
{
    edx_error err = {0};
    edx_crew *crew = NULL;
    char name[32] = "edxd";
    if (edx_crew_open(&crew, &err)) {
        return fail(EXIT_RUN, &err);
    }
    if (edx_crew_size(crew) > 1) {
        snprintf(name, sizeof name, "edxd[%u]", edx_crew_rank(crew));
    }
    edx_log *log = edx_log_new(name);
    const int code = analyse(o, config, crew, log, paths, n); /* without a log it is silent */
    edx_log_free(&log);
    edx_crew_free(&crew);
    return code;
}

/* Every update publishes maps in a new block. Given back to the system each time, the block's pages
 * would be faulted in anew: measured, 5 MB of maps then take 14 ms from frame to client, else 9. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 16 << 20);
    /* The rest of what a thread's own arena once held is never given back (glibc trims the end of
     * the first one alone): memory would grow to the most that each thread ever had. */
    mallopt(M_ARENA_MAX, 1);
}

/* Libraries may have started threads before main (OpenBLAS does), in which no signal is blocked.
 * One that gets a signal blocks it, and sends it again. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    (void)info;
    sigaddset(&interrupted->uc_sigmask, number);
    kill(getpid(), number);
}

/* Signals are taken from a descriptor, so every thread must have them blocked, or pass them on;
 * writing to a closed pipe must not kill the daemon. */
static int run_live(edx_config *config, edx_log *log)
{
    edx_error err = {0};
#ifdef EDX_FUZZING
    edx_fail(&err, EDX_E_STATE, "built with --enable-fuzzing: not for use beside a microscope");
    return fail(EXIT_RUN, &err);
#endif
    const struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigset_t set;
    edx_receive_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    umask(umask(S_IRWXO) | S_IWGRP | S_IRWXO); /* runs are for the group to read, no more */
    for (int number = 1; number < SIGRTMIN; number++) {
        if (sigismember(&set, number) == 1) {
            sigaction(number, &action, NULL);
        }
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file too large is an error like a full disk */
    return edx_receive_run(config, log, &err) ? fail(EXIT_RUN, &err) : 0;
}

static int check_usage(const options *o, int n_paths)
{
    if (o->offline && n_paths == 0 && !o->test) {
        return usage("--offline: expected at least one recording (.edxr)", "");
    }
    if (o->offline && !o->output_dir && !o->test) {
        return usage("--offline: expected -o DIR, the folder for the results", "");
    }
    if (!o->offline && n_paths > 0) {
        return usage("recordings are analysed with --offline … -o DIR; unexpected argument", "");
    }
    return !o->offline && o->output_dir ? usage("-o goes with --offline", "") : -1;
}

int main(int argc, char **argv)
{
    static options o;
    static edx_config config;
    edx_error err = {0};
    int code = parse(argc, argv, &o);
    if (code < 0) {
        code = check_usage(&o, argc - optind);
    }
    if (code >= 0) {
        return code;
    }
    if (configure(&o, &config, &err)) {
        return fail(EXIT_USAGE, &err);
    }
    if (o.test) {
        return test(&config);
    }
    keep_memory();
    if (o.offline) {
        return run_offline(&o, &config, (const char *const *)argv + optind,
                           (size_t)(argc - optind));
    }
    edx_log *log = edx_log_new("edxd");
    if (!log) {
        fputs("edxd: no memory to start\n", stderr);
        return EXIT_RUN;
    }
    if (edx_lines_check(&config.settings, &err)) {
        edx_log_write(log, EDX_LOG_WARNING, "%s" UNTIL, err.text);
    }
    code = run_live(&config, log);
    edx_log_free(&log);
    return code;
}
