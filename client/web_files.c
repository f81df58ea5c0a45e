#include "client/web_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/web_origin.h"
#include "proto/recording.h"

#define MAX_TOTAL ((size_t)64 << 20)
#define INDEX "index.html"
#define RUNS "/runs/"

struct edx_web_files {
    edx_web_file *files;
    size_t n, room, total;
};

/* ---- names ---- */

const char *edx_content_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".mjs", "text/javascript; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".json", "application/json"},
                 {".webmanifest", "application/manifest+json"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".ico", "image/x-icon"},
                 {".woff2", "font/woff2"},
                 {".wasm", "application/wasm"},
                 {".txt", "text/plain; charset=utf-8"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i].ending) == 0)
            return types[i].type;
    return NULL;
}

static bool is_plain(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return name[0] != '.' && name[strspn(name, allowed)] == '\0';
}

/* ---- reading ---- */

static edx_status read_all(int fd, edx_web_blob *blob, edx_error *err)
{
    for (size_t at = 0; at < blob->size;) {
        ssize_t n = read(fd, blob->bytes + at, blob->size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return edx_fail(err, EDX_E_IO, "%s", n < 0 ? strerror(errno) : "it shrank meanwhile");
        at += (size_t)n;
    }
    snprintf(blob->etag, sizeof blob->etag, "\"%08" PRIx32 "-%zx\"",
             edx_crc32c(0, blob->bytes, blob->size), blob->size);
    return EDX_OK;
}

/* MISSING for what is no regular file. */
static edx_status read_blob(int dir, const char *name, size_t room, edx_web_blob *blob,
                            edx_error *err)
{
    struct stat info;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return edx_fail(err, errno == ENOENT ? EDX_E_MISSING : EDX_E_IO, "%s", strerror(errno));
    edx_status status = EDX_OK;
    if (fstat(fd, &info))
        status = edx_fail(err, EDX_E_IO, "%s", strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = edx_fail(err, EDX_E_MISSING, "no regular file");
    else if ((uint64_t)info.st_size > room)
        status = edx_fail(err, EDX_E_LIMIT, "too large, expected at most %zu MB in all",
                          MAX_TOTAL >> 20);
    if (!status) {
        blob->size = (size_t)info.st_size;
        blob->bytes = malloc(blob->size + 1);
        status = blob->bytes ? read_all(fd, blob, err) : edx_fail(err, EDX_E_NOMEM, "no memory");
    }
    close(fd);
    return status;
}

static void clear(edx_web_file *file)
{
    free(file->name);
    free(file->plain.bytes);
    free(file->gzip.bytes);
    *file = (edx_web_file){0};
}

static edx_status read_gzip(int dir, size_t room, edx_web_file *file, edx_error *err)
{
    char name[NAME_MAX + sizeof ".gz"];
    snprintf(name, sizeof name, "%s.gz", file->name);
    edx_status status = read_blob(dir, name, room, &file->gzip, err);
    return status == EDX_E_MISSING ? EDX_OK : status;
}

static edx_status read_file(edx_web_files *files, int dir, const char *name, edx_error *err)
{
    edx_web_file file = {.name = strdup(name), .type = edx_content_type(name)};
    size_t room = MAX_TOTAL - files->total;
    edx_status status = file.name ? read_blob(dir, name, room, &file.plain, err)
                                  : edx_fail(err, EDX_E_NOMEM, "no memory");
    if (!status)
        status = read_gzip(dir, room - file.plain.size, &file, err);
    if (status) {
        clear(&file);
        edx_error_prefix(err, "%.64s", name);
        return status == EDX_E_MISSING ? EDX_OK : status;
    }
    files->total += file.plain.size + file.gzip.size;
    files->files[files->n++] = file;
    return EDX_OK;
}

static edx_status make_room(edx_web_files *files, edx_error *err)
{
    if (files->n < files->room)
        return EDX_OK;
    size_t room = files->room ? 2 * files->room : 16;
    edx_web_file *grown = realloc(files->files, room * sizeof *grown);
    if (!grown)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    files->files = grown;
    files->room = room;
    return EDX_OK;
}

static edx_status read_folder(edx_web_files *files, DIR *dir, edx_error *err)
{
    edx_status status = EDX_OK;
    for (struct dirent *entry = readdir(dir); entry && !status; entry = readdir(dir)) {
        if (!is_plain(entry->d_name) || !edx_content_type(entry->d_name))
            continue;
        status = make_room(files, err);
        if (!status)
            status = read_file(files, dirfd(dir), entry->d_name, err);
    }
    if (!status && !edx_web_files_find(files, "/"))
        status =
            edx_fail(err, EDX_E_MISSING, "no " INDEX " in it, expected the folder of the page");
    return status;
}

edx_status edx_web_files_read(const char *root, edx_web_files **out, edx_error *err)
{
    *out = NULL;
    DIR *dir = opendir(root);
    if (!dir)
        return edx_fail(err, EDX_E_IO, "%s, expected the folder of the page", strerror(errno));
    *out = calloc(1, sizeof **out);
    edx_status status =
        *out ? read_folder(*out, dir, err) : edx_fail(err, EDX_E_NOMEM, "no memory");
    closedir(dir);
    if (status)
        edx_web_files_free(out);
    return status;
}

void edx_web_files_free(edx_web_files **files)
{
    if (!*files)
        return;
    for (size_t i = 0; i < (*files)->n; i++)
        clear(&(*files)->files[i]);
    free((*files)->files);
    free(*files);
    *files = NULL;
}

/* ---- finding ---- */

const edx_web_file *edx_web_files_find(const edx_web_files *files, const char *path)
{
    if (*path++ != '/')
        return NULL;
    if (*path == '\0')
        path = INDEX;
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->files[i].name, path) == 0)
            return &files->files[i];
    return NULL;
}

/* ---- files of runs ---- */

static edx_status open_below(int runs, const char *acq, const char *file, int *fd, edx_error *err)
{
    int run = openat(runs, acq, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *fd = run < 0 ? -1 : openat(run, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int cause = errno;
    if (run >= 0)
        close(run);
    return *fd >= 0 ? EDX_OK : edx_fail(err, EDX_E_MISSING, "%s: %s", acq, strerror(cause));
}

edx_status edx_run_file_open(const char *dir, const char *path, int *fd, uint64_t *size,
                             edx_error *err)
{
    char acq[EDX_ACQ_SIZE];
    const char *file;
    struct stat info;
    if (strncmp(path, RUNS, sizeof RUNS - 1) != 0 ||
        !edx_run_path_parse(path + sizeof RUNS - 1, acq, &file))
        return edx_fail(err, EDX_E_MISSING, "no file of a run");
    int runs = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runs < 0)
        return edx_fail(err, EDX_E_IO, "%s", strerror(errno));
    edx_status status = open_below(runs, acq, file, fd, err);
    close(runs);
    if (status)
        return status;
    if (fstat(*fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *size = (uint64_t)info.st_size;
        return EDX_OK;
    }
    close(*fd);
    return edx_fail(err, EDX_E_MISSING, "%s/%s: no regular file", acq, file);
}
