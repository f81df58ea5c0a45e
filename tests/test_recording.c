/* Recordings: the bytes that the interface fixes, and what is left of a file that was torn, damaged
 * or could not be written. Checksums are those of RFC 3720, B.4; the file of known bytes was put
 * together apart from this code, with a checksum computed bit by bit. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/recording.h"
#include "proto/recording_format.h"
#include "tests/json_value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_BYTES 4096

/* ---- a system that writes in small steps ---- */

static size_t write_step;    /* bytes per call; 0: all */
static bool write_disturbed; /* every other call is interrupted */

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    static bool odd;
    odd = !odd;
    if (write_disturbed && odd) {
        errno = EINTR;
        return -1;
    }
    if (write_step == 0)
        return __real_pwritev(fd, parts, count, offset);
    size_t n = parts[0].iov_len < write_step ? parts[0].iov_len : write_step;
    return pwrite(fd, parts[0].iov_base, n, offset);
}

static bool truncate_fails;

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);

int __wrap_ftruncate(int fd, off_t size)
{
    if (!truncate_fails)
        return __real_ftruncate(fd, size);
    errno = EIO;
    return -1;
}

/* ---- a file and what is in it ---- */

typedef struct sample {
    const char *topic;
    size_t size;
    uint64_t arrival;
} sample;

static const sample samples[] = {
    {"edx.begin", 21, 11}, {"edx.frame", 0, 22}, {"", 40, UINT64_MAX}, {"edx.end", 1, 44}};

typedef struct fixture {
    char dir[64], path[80];
    uint8_t body[64];
    uint8_t bytes[MAX_BYTES]; /* the recording of samples */
    size_t size;
    uint64_t offset[COUNT(samples) + 1]; /* of each, and the end */
    edx_error err;
} fixture;

static void put_file(const fixture *f, const void *bytes, size_t n)
{
    FILE *file = fopen(f->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static size_t get_file(const char *path, void *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, size, file);
    assert_true(n < size);
    fclose(file);
    return n;
}

static void write_samples(fixture *f, edx_recording_writer *writer)
{
    for (size_t i = 0; i < COUNT(samples); i++)
        if (edx_recording_write(writer, samples[i].topic, f->body, samples[i].size,
                                samples[i].arrival, &f->offset[i], &f->err))
            fail_msg("%s", f->err.text);
    f->offset[COUNT(samples)] = edx_recording_size(writer);
}

static void write_recording(fixture *f)
{
    edx_recording_writer *writer;
    unlink(f->path);
    assert_int_equal(edx_recording_create(f->path, &writer, &f->err), EDX_OK);
    write_samples(f, writer);
    edx_recording_writer_free(&writer);
    assert_null(writer);
    f->size = get_file(f->path, f->bytes, sizeof f->bytes);
}

static int setup(void **state)
{
    static fixture f;
    f = (fixture){0};
    write_step = 0;
    write_disturbed = false;
    truncate_fails = false;
    const char *tmp = getenv("TMPDIR");
    snprintf(f.dir, sizeof f.dir, "%.40s/edx-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(f.dir))
        return -1;
    snprintf(f.path, sizeof f.path, "%s/a.edxr", f.dir);
    for (size_t i = 0; i < sizeof f.body; i++)
        f.body[i] = (uint8_t)(7 * i + 1);
    write_recording(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    unlink(f->path);
    return rmdir(f->dir);
}

static edx_recording *open_recording(fixture *f, uint64_t max_record)
{
    edx_recording *recording;
    if (edx_recording_open(f->path, max_record, &recording, &f->err))
        fail_msg("%s", f->err.text);
    return recording;
}

static void assert_sample(const fixture *f, const edx_record *record, size_t i)
{
    assert_string_equal(record->topic, samples[i].topic);
    assert_int_equal(record->topic_size, strlen(samples[i].topic));
    assert_int_equal(record->body_size, samples[i].size);
    assert_memory_equal(record->body, f->body, samples[i].size);
    assert_int_equal(record->arrival_ns, samples[i].arrival);
    assert_int_equal(record->offset, f->offset[i]);
    assert_int_equal((uintptr_t)record->body % 8, 0);
}

/* ---- checksum ---- */

static uint32_t crc_bit_by_bit(const uint8_t *bytes, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void assert_crc(const void *bytes, size_t n, uint32_t expected)
{
    assert_int_equal(edx_crc32c(0, bytes, n), expected);
    assert_int_equal(edx_crc32c_portable(0, bytes, n), expected);
}

static void test_crc_published(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_crc(bytes, 32, 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_crc(bytes, 32, 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_crc(bytes, 32, 0x46dd794eu);
    assert_crc("123456789", 9, 0xe3069283u);
    assert_crc("", 0, 0);
}

/* Every length and alignment, whole and in two parts. */
static void test_crc_random(void **state)
{
    (void)state;
    rng r = rng_new();
    uint8_t bytes[200];
    for (int i = 0; i < 20000; i++) {
        size_t n = rng_below(&r, 150), start = rng_below(&r, 50), cut = n ? rng_below(&r, n) : 0;
        for (size_t k = 0; k < n; k++)
            bytes[start + k] = (uint8_t)rng_next(&r);
        uint32_t expected = crc_bit_by_bit(bytes + start, n);
        assert_crc(bytes + start, n, expected);
        uint32_t part = edx_crc32c(0, bytes + start, cut);
        assert_int_equal(edx_crc32c(part, bytes + start + cut, n - cut), expected);
        assert_int_equal(edx_crc32c_portable(part, bytes + start + cut, n - cut), expected);
    }
}

/* ---- what is written, what is read ---- */

static void test_known_bytes(void **state)
{
    static const uint8_t known[] = {
        0x45, 0x44, 0x58, 0x52, 0x45, 0x43, 0x30, 0x31, 0x45, 0x44, 0x58, 0x52, 0x07, 0x00,
        0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x07, 0x06, 0x05,
        0x04, 0x03, 0x02, 0x01, 0xdd, 0x43, 0x20, 0x09, 0x3b, 0xb2, 0x56, 0x85, 0x65, 0x64,
        0x78, 0x2e, 0x65, 0x6e, 0x64, 0x81, 0xa1, 0x76, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00};
    fixture *f = *state;
    uint8_t found[MAX_BYTES];
    edx_recording_writer *writer;
    unlink(f->path);
    assert_int_equal(edx_recording_create(f->path, &writer, &f->err), EDX_OK);
    assert_int_equal(edx_recording_write(writer, "edx.end", "\x81\xa1v\x01", 4, 0x0102030405060708u,
                                         NULL, &f->err),
                     EDX_OK);
    assert_int_equal(edx_recording_sync(writer, &f->err), EDX_OK);
    edx_recording_writer_free(&writer);
    assert_int_equal(get_file(f->path, found, sizeof found), sizeof known);
    assert_memory_equal(found, known, sizeof known);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07137, 0); /* 0640, or less by the umask */
}

static void assert_reads_samples(fixture *f)
{
    edx_record record;
    edx_recording *recording = open_recording(f, 0);
    for (size_t i = 0; i < COUNT(samples); i++) {
        assert_int_equal(edx_recording_position(recording), f->offset[i]);
        assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
        assert_sample(f, &record, i);
    }
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_END);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_END);
    assert_int_equal(edx_recording_position(recording), f->size);
    assert_int_equal(edx_recording_file_size(recording), f->size);
    edx_recording_free(&recording);
    assert_null(recording);
}

static void test_round_trip(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i <= COUNT(samples); i++)
        assert_int_equal(f->offset[i] % 8, 0);
    assert_int_equal(f->offset[COUNT(samples)], f->size);
    assert_reads_samples(f);
}

/* Writes in steps of any size, interrupted, end in the same file. */
static void test_short_writes(void **state)
{
    fixture *f = *state;
    uint8_t whole[MAX_BYTES];
    size_t size = f->size;
    memcpy(whole, f->bytes, size);
    for (size_t step = 0; step < 45; step++) {
        write_step = step;
        write_disturbed = step % 2 == 0;
        write_recording(f);
        assert_int_equal(f->size, size);
        assert_memory_equal(f->bytes, whole, size);
    }
}

static void test_at(void **state)
{
    fixture *f = *state;
    edx_record record;
    edx_recording *recording = open_recording(f, 0);
    for (size_t i = COUNT(samples); i-- > 0;) {
        assert_int_equal(edx_recording_at(recording, f->offset[i], &record, &f->err), EDX_OK);
        assert_sample(f, &record, i);
    }
    assert_int_equal(edx_recording_at(recording, 0, &record, &f->err), EDX_E_RANGE);
    assert_int_equal(edx_recording_at(recording, 12, &record, &f->err), EDX_E_RANGE);
    assert_int_equal(edx_recording_at(recording, 16, &record, &f->err), EDX_E_DAMAGED);
    assert_int_equal(edx_recording_at(recording, f->size, &record, &f->err), EDX_E_END);
    assert_int_equal(edx_recording_at(recording, UINT64_MAX - 7, &record, &f->err), EDX_E_END);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_sample(f, &record, 0);
    edx_recording_free(&recording);
}

static void test_refused_files(void **state)
{
    fixture *f = *state;
    edx_recording *recording;
    edx_recording_writer *writer;
    assert_int_equal(edx_recording_create(f->path, &writer, &f->err), EDX_E_IO);
    assert_string_equal(f->err.text, "open: File exists");
    assert_null(writer);
    put_file(f, "EDXREC02........", 16);
    assert_int_equal(edx_recording_open(f->path, 0, &recording, &f->err), EDX_E_DECODE);
    assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_E_DECODE);
    assert_null(recording);
    assert_null(writer);
    put_file(f, "EDXS", 4);
    assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_E_DECODE);
    put_file(f, "", 0);
    assert_int_equal(edx_recording_open(f->path, 0, &recording, &f->err), EDX_E_DECODE);
    assert_int_equal(edx_recording_open(f->dir, 0, &recording, &f->err), EDX_E_DECODE);
    unlink(f->path);
    assert_int_equal(edx_recording_open(f->path, 0, &recording, &f->err), EDX_E_IO);
    assert_string_equal(f->err.text, "open: No such file or directory");
    assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_E_IO);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_int_equal(edx_recording_open(f->path, 0, &recording, &f->err), EDX_E_DECODE);
    edx_recording_free(&recording);
    edx_recording_writer_free(&writer);
}

/* ---- torn and damaged files ---- */

typedef struct outcome {
    bool came[COUNT(samples)];
    int damaged;     /* times DAMAGED was said */
    edx_status last; /* END or TORN */
    int others;      /* records that are none of samples */
} outcome;

static void note(const fixture *f, const edx_record *record, outcome *out)
{
    for (size_t i = 0; i < COUNT(samples); i++)
        if (record->offset == f->offset[i]) {
            assert_sample(f, record, i);
            assert_false(out->came[i]);
            out->came[i] = true;
            return;
        }
    out->others++;
}

static outcome read_all(fixture *f)
{
    outcome out = {0};
    edx_record record;
    edx_recording *recording = open_recording(f, 0);
    for (int i = 0; i < 20; i++) {
        out.last = edx_recording_next(recording, &record, &f->err);
        if (out.last == EDX_OK)
            note(f, &record, &out);
        else if (out.last == EDX_E_DAMAGED)
            out.damaged++;
        else
            break;
    }
    edx_recording_free(&recording);
    assert_true(out.last == EDX_E_END || out.last == EDX_E_TORN);
    return out;
}

static uint64_t data_end(const fixture *f, size_t i)
{
    return f->offset[i] + EDX_RECORD_HEADER + strlen(samples[i].topic) + samples[i].size;
}

/* A file cut anywhere holds the records that are whole, and it is said when one is not. */
static void test_every_truncation(void **state)
{
    fixture *f = *state;
    for (size_t n = 8; n <= f->size; n++) {
        put_file(f, f->bytes, n);
        outcome out = read_all(f);
        bool boundary = n == 8;
        for (size_t i = 0; i < COUNT(samples); i++) {
            assert_int_equal(out.came[i], data_end(f, i) <= n);
            boundary |= data_end(f, i) <= n && n <= f->offset[i + 1];
        }
        assert_int_equal(out.last, boundary ? EDX_E_END : EDX_E_TORN);
        assert_int_equal(out.damaged + out.others, 0);
    }
}

static void assert_flip(fixture *f, size_t at)
{
    outcome out = read_all(f);
    assert_int_equal(out.others, 0);
    for (size_t i = 0; i < COUNT(samples); i++) {
        bool hit = at >= f->offset[i] && at < data_end(f, i);
        assert_int_equal(out.came[i], !hit);
        if (hit)
            assert_int_equal(out.damaged + (out.last == EDX_E_TORN), 1);
    }
}

/* One wrong byte loses one record, the one that holds it, and it is said. */
static void test_every_flip(void **state)
{
    static const uint8_t masks[] = {0x01, 0x20, 0x80, 0xff};
    fixture *f = *state;
    for (size_t at = 8; at < f->size; at++)
        for (size_t m = 0; m < COUNT(masks); m++) {
            f->bytes[at] ^= masks[m];
            put_file(f, f->bytes, f->size);
            f->bytes[at] ^= masks[m];
            assert_flip(f, at);
        }
}

static void test_damage_is_told(void **state)
{
    fixture *f = *state;
    edx_record record;
    f->bytes[f->offset[1] + 5] ^= 1;  /* a header */
    f->bytes[f->offset[2] + 40] ^= 1; /* a body */
    put_file(f, f->bytes, f->size - 1);
    edx_recording *recording = open_recording(f, 0);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_DAMAGED);
    assert_string_equal(f->err.text, "the record at offset 72 is lost: its header does not check; "
                                     "48 bytes were passed over");
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_DAMAGED);
    assert_string_equal(f->err.text, "the record at offset 120 is lost: its checksum does not "
                                     "hold; 72 bytes were passed over");
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_TORN);
    assert_string_equal(f->err.text, "the last record, at offset 192, is torn: the file ends "
                                     "inside it; 39 bytes are lost");
    edx_recording_free(&recording);
}

/* A file of samples with n bytes put in behind the second record; offsets move on. */
static void insert(fixture *f, const void *bytes, size_t n)
{
    uint64_t at = f->offset[2];
    memmove(f->bytes + at + n, f->bytes + at, f->size - at);
    memcpy(f->bytes + at, bytes, n);
    f->size += n;
    for (size_t i = 2; i <= COUNT(samples); i++)
        f->offset[i] += n;
    put_file(f, f->bytes, f->size);
}

/* What a writer left that died, and another went on behind it. */
static void test_torn_in_the_middle(void **state)
{
    fixture *f = *state;
    insert(f, f->bytes + f->offset[0], 40);
    outcome out = read_all(f);
    assert_true(out.came[0] && out.came[1] && out.came[2] && out.came[3]);
    assert_int_equal(out.damaged, 1);
    assert_int_equal(out.last, EDX_E_END);
}

/* The same where the torn record was to end just where a later one begins, or the file. */
static void test_torn_to_a_boundary(void **state)
{
    fixture *f = *state;
    uint8_t header[EDX_RECORD_HEADER];
    for (size_t k = 2; k <= COUNT(samples); k++) {
        write_recording(f);
        edx_record_header claim = {.body_size = f->offset[k] - f->offset[2], .crc = 1};
        edx_record_header_pack(&claim, header);
        insert(f, header, sizeof header);
        outcome out = read_all(f);
        assert_true(out.came[0] && out.came[1] && out.came[2] && out.came[3]);
        assert_int_equal(out.damaged, 1);
        assert_int_equal(out.last, EDX_E_END);
    }
}

static void test_impossible_length(void **state)
{
    fixture *f = *state;
    uint8_t header[EDX_RECORD_HEADER];
    const edx_record_header claims[] = {{.topic_size = 3, .body_size = (uint64_t)1 << 60},
                                        {.topic_size = UINT32_MAX, .body_size = UINT64_MAX},
                                        {.topic_size = UINT32_MAX, .body_size = 0}};
    for (size_t i = 0; i < COUNT(claims); i++) {
        write_recording(f);
        edx_record_header_pack(&claims[i], header);
        insert(f, header, sizeof header);
        outcome out = read_all(f);
        assert_true(out.came[0] && out.came[1] && out.came[2] && out.came[3]);
        assert_int_equal(out.damaged, 1);
        memcpy(f->bytes + f->size, header, sizeof header);
        put_file(f, f->bytes, f->size + sizeof header);
        assert_int_equal(read_all(f).last, EDX_E_TORN);
    }
}

static void test_max_record(void **state)
{
    fixture *f = *state;
    edx_record record;
    edx_recording *recording = open_recording(f, 39);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_DAMAGED);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_sample(f, &record, 3);
    edx_recording_free(&recording);
}

/* Headers are found at any distance, across the blocks of the search. */
static void test_far_resync(void **state)
{
    fixture *f = *state;
    static uint8_t zeros[3 * 65536];
    for (size_t gap = 65536 - 96; gap <= 65536 + 96; gap += 8) {
        FILE *file = fopen(f->path, "wb");
        assert_non_null(file);
        fwrite(f->bytes, 1, f->offset[1], file);
        fwrite(zeros, 1, 65536 + gap, file);
        fwrite(f->bytes + f->offset[3], 1, f->size - f->offset[3], file);
        fclose(file);
        outcome out = read_all(f);
        assert_true(out.came[0]);
        assert_int_equal(out.damaged, 1);
        assert_int_equal(out.others, 1);
        assert_int_equal(out.last, EDX_E_END);
    }
}

static void test_growing_file(void **state)
{
    fixture *f = *state;
    edx_record record;
    put_file(f, f->bytes, f->offset[1]);
    edx_recording *recording = open_recording(f, 0);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_END);
    for (size_t n = f->offset[1] + 1; n < data_end(f, 1); n++) {
        put_file(f, f->bytes, n);
        assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_TORN);
    }
    put_file(f, f->bytes, f->size);
    for (size_t i = 1; i < COUNT(samples); i++) {
        assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
        assert_sample(f, &record, i);
    }
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_END);
    edx_recording_free(&recording);
}

/* ---- going on with a file ---- */

/* Whatever was left of a recording, what is appended to it is read behind all whole records. */
static void test_append_to_every_truncation(void **state)
{
    fixture *f = *state;
    edx_recording_writer *writer;
    for (size_t n = 0; n <= f->size; n++) {
        put_file(f, f->bytes, n);
        if (edx_recording_append(f->path, &writer, &f->err))
            fail_msg("%zu: %s", n, f->err.text);
        uint64_t offset;
        assert_int_equal(edx_recording_write(writer, "new", "!", 1, 5, &offset, &f->err), EDX_OK);
        assert_int_equal(offset % 8, 0);
        assert_int_equal(edx_recording_size(writer), offset + 40);
        edx_recording_writer_free(&writer);
        struct stat st;
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_size, offset + 40);
        edx_record record;
        edx_recording *recording = open_recording(f, 0);
        for (size_t i = 0; i < COUNT(samples) && data_end(f, i) <= n; i++) {
            assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
            assert_sample(f, &record, i);
        }
        assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
        assert_string_equal(record.topic, "new");
        assert_int_equal(record.offset, offset);
        assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_END);
        edx_recording_free(&recording);
    }
}

/* A damaged record in the middle stays; what follows it is not cut off. */
static void test_append_behind_damage(void **state)
{
    fixture *f = *state;
    edx_recording_writer *writer;
    f->bytes[f->offset[1] + 9] ^= 4;
    put_file(f, f->bytes, f->size);
    assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_OK);
    assert_int_equal(edx_recording_size(writer), f->size);
    assert_int_equal(edx_recording_write(writer, "new", "!", 1, 5, NULL, &f->err), EDX_OK);
    edx_recording_writer_free(&writer);
    outcome out = read_all(f);
    assert_true(out.came[0] && !out.came[1] && out.came[2] && out.came[3]);
    assert_int_equal(out.damaged, 1);
    assert_int_equal(out.others, 1);
    assert_int_equal(out.last, EDX_E_END);
}

/* A damaged record at the end is a torn one: the next takes its place. */
static void test_append_over_damage(void **state)
{
    fixture *f = *state;
    edx_recording_writer *writer;
    uint64_t offset;
    f->bytes[f->size - 8] ^= 4;
    put_file(f, f->bytes, f->size);
    assert_int_equal(read_all(f).damaged, 1);
    assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_OK);
    assert_int_equal(edx_recording_write(writer, "new", "!", 1, 5, &offset, &f->err), EDX_OK);
    assert_int_equal(offset, f->offset[3]);
    assert_non_null(strstr(edx_recording_cut(writer), "checksum does not hold"));
    edx_recording_writer_free(&writer);
    f->offset[3] = 0;
    outcome out = read_all(f);
    assert_true(out.came[0] && out.came[1] && out.came[2] && out.others == 1);
    assert_int_equal(out.damaged, 0);
}

/* The file's own first bytes are no record: nothing is lost with them, and appending puts them
 * back. */
static void test_damaged_start(void **state)
{
    fixture *f = *state;
    edx_recording_writer *writer;
    for (unsigned bit = 0; bit < 64; bit++) {
        f->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        put_file(f, f->bytes, f->size);
        f->bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        outcome out = read_all(f);
        assert_true(out.came[0] && out.came[1] && out.came[2] && out.came[3]);
        assert_int_equal(out.damaged, 1);
        assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_OK);
        assert_string_equal(edx_recording_cut(writer), "");
        edx_recording_writer_free(&writer);
        out = read_all(f);
        assert_true(out.came[3] && out.damaged == 0 && out.last == EDX_E_END);
    }
}

/* A full disk: the file stays what it was, whatever part of the record fitted, and goes on when
 * there is room again. */
static edx_status write_within(fixture *f, edx_recording_writer *writer, rlim_t room)
{
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){f->size + room, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    edx_status status = edx_recording_write(writer, "new", f->body, 50, 5, NULL, &f->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    return status;
}

static void test_no_room(void **state)
{
    fixture *f = *state;
    edx_recording_writer *writer;
    assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_OK);
    for (rlim_t room = 0; room < 88; room++) {
        assert_int_equal(write_within(f, writer, room), EDX_E_IO);
        assert_string_equal(f->err.text, "write at offset 232: File too large");
        assert_int_equal(edx_recording_size(writer), f->size);
        struct stat st;
        assert_int_equal(stat(f->path, &st), 0);
        assert_int_equal(st.st_size, f->size);
    }
    assert_int_equal(edx_recording_write(writer, "new", f->body, 50, 5, NULL, &f->err), EDX_OK);
    edx_recording_writer_free(&writer);
    outcome out = read_all(f);
    assert_true(out.came[3] && out.others == 1 && out.damaged == 0 && out.last == EDX_E_END);
}

/* A disk that does not even let the torn record be cut off: nothing is written behind it. */
static void test_no_room_and_no_cut(void **state)
{
    fixture *f = *state;
    edx_recording_writer *writer;
    assert_int_equal(edx_recording_append(f->path, &writer, &f->err), EDX_OK);
    truncate_fails = true;
    assert_int_equal(write_within(f, writer, 80), EDX_E_IO);
    assert_string_equal(f->err.text, "write at offset 232: File too large, and the torn record "
                                     "could not be cut off");
    assert_int_equal(edx_recording_write(writer, "n", "", 0, 5, NULL, &f->err), EDX_E_IO);
    assert_string_equal(f->err.text, "truncate: Input/output error");
    truncate_fails = false;
    assert_int_equal(edx_recording_write(writer, "n", "", 0, 5, NULL, &f->err), EDX_OK);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, edx_recording_size(writer));
    edx_recording_writer_free(&writer);
    assert_int_equal(read_all(f).last, EDX_E_END);
}

/* ---- a recording that others wrote ---- */

static void assert_topic(const edx_record *record, int i)
{
    const char *topic = i == 0 ? "edx.begin" : i == 51 ? "edx.end" : "edx.frame";
    assert_string_equal(record->topic, topic);
    if (i < 51)
        assert_int_equal(record->arrival_ns,
                         1000000000000000000u + 4000000000u * (uint64_t)(i ? i - 1 : 0));
}

static void assert_same_bytes(const char *a, const char *b)
{
    FILE *left = fopen(a, "rb"), *right = fopen(b, "rb");
    assert_true(left && right);
    int x, y;
    do {
        x = fgetc(left);
        y = fgetc(right);
        assert_int_equal(x, y);
    } while (x != EOF);
    fclose(left);
    fclose(right);
}

/* Its 52 records, and the same bytes again when they are written. */
static void test_foreign_recording(void **state)
{
    fixture *f = *state;
    char path[4096];
    const char *data = getenv("EDX_DATA");
    snprintf(path, sizeof path, "%s/fept-bare-core-50f.edxr", data ? data : "");
    edx_recording *recording;
    if (edx_recording_open(path, 0, &recording, &f->err)) {
        print_message("skipped: %s: %s\n", path, f->err.text);
        skip();
    }
    unlink(f->path);
    edx_recording_writer *writer;
    assert_int_equal(edx_recording_create(f->path, &writer, &f->err), EDX_OK);
    edx_record record;
    int n = 0;
    while (edx_recording_next(recording, &record, &f->err) == EDX_OK) {
        assert_topic(&record, n++);
        assert_int_equal(edx_recording_write(writer, record.topic, record.body, record.body_size,
                                             record.arrival_ns, NULL, &f->err),
                         EDX_OK);
    }
    assert_int_equal(f->err.code, EDX_E_END);
    assert_int_equal(n, 52);
    edx_recording_free(&recording);
    edx_recording_writer_free(&writer);
    assert_same_bytes(path, f->path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc_published),
        cmocka_unit_test(test_crc_random),
        TEST(test_known_bytes),
        TEST(test_round_trip),
        TEST(test_short_writes),
        TEST(test_at),
        TEST(test_refused_files),
        TEST(test_every_truncation),
        TEST(test_every_flip),
        TEST(test_damage_is_told),
        TEST(test_torn_in_the_middle),
        TEST(test_torn_to_a_boundary),
        TEST(test_impossible_length),
        TEST(test_max_record),
        TEST(test_far_resync),
        TEST(test_growing_file),
        TEST(test_append_to_every_truncation),
        TEST(test_append_behind_damage),
        TEST(test_append_over_damage),
        TEST(test_damaged_start),
        TEST(test_no_room),
        TEST(test_no_room_and_no_cut),
        TEST(test_foreign_recording),
    };
    return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
