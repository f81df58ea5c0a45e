/* Which messages count and which frames are summed when, against a model that keeps every row of
 * every frame in a table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/acquisition.h"
#include "tests/json_value.h"
#include "tests/messages.h"

#define FRAMES 24u
#define ROWS 6u
#define MESSAGES (FRAMES * ROWS)

static const char begin_bytes[] = "the begin's bytes";

static edx_acquisition *make(uint32_t rows, uint64_t frames)
{
    edx_begin begin = {.rows = rows, .cols = 4, .channels = 16, .frames = frames};
    snprintf(begin.head.acq, sizeof begin.head.acq, "model");
    return edx_acquisition_new(&begin, begin_bytes, sizeof begin_bytes);
}

static edx_frame message(uint64_t seq, uint64_t frame, uint32_t row, uint32_t rows)
{
    return (edx_frame){.seq = seq,
                       .frame = frame,
                       .row = row,
                       .rows = rows,
                       .counts = {.total = 10 + seq % 7, .peak = 1}};
}

/* ---- the model ---- */

typedef struct model {
    uint64_t expected;
    bool seen[MESSAGES];
    bool came[FRAMES][ROWS];
    bool summed[FRAMES][ROWS]; /* as told by the placements */
    bool placed[FRAMES];       /* as it was, or complete */
    uint64_t received, duplicate, counts, sent;
    int64_t newest;
    bool finished, stopped, ended;
} model;

static unsigned rows_of(const model *m, uint64_t frame)
{
    unsigned n = 0;
    for (unsigned r = 0; r < ROWS; r++)
        n += m->came[frame][r];
    return n;
}

static edx_status model_judge(const model *m, const edx_frame *f)
{
    if (m->seen[f->seq])
        return EDX_E_DUPLICATE;
    for (uint32_t r = f->row; r < f->row + f->rows; r++)
        if (m->came[f->frame][r])
            return EDX_E_MISMATCH;
    return EDX_OK;
}

/* Frames with rows that wait, older than limit, are summed as they are. */
static void model_place(model *m, int64_t limit, edx_placement *out)
{
    for (uint64_t g = 0; g < FRAMES; g++) {
        const unsigned rows = rows_of(m, g);
        if (rows > 0 && rows < ROWS && !m->placed[g] && (int64_t)g < limit) {
            m->placed[g] = true;
            assert_in_range(out->n_incomplete, 0, EDX_WAITING_FRAMES - 1);
            out->incomplete[out->n_incomplete++] = g;
        }
    }
}

static edx_placement model_take(model *m, const edx_frame *f)
{
    edx_placement out = {0};
    m->seen[f->seq] = true;
    m->received++;
    m->counts += f->counts.total;
    m->sent = f->seq + 1 > m->sent ? f->seq + 1 : m->sent;
    if ((int64_t)f->frame > m->newest) {
        m->newest = (int64_t)f->frame;
        model_place(m, m->newest - 1, &out);
    }
    for (uint32_t r = f->row; r < f->row + f->rows; r++)
        m->came[f->frame][r] = true;
    out.complete = rows_of(m, f->frame) == ROWS;
    out.place =
        out.complete || m->placed[f->frame] || m->finished || (int64_t)f->frame <= m->newest - 2;
    m->placed[f->frame] = out.place;
    if (out.complete && !m->finished && m->expected && f->frame == m->expected - 1) {
        m->finished = out.finish = true;
        model_place(m, INT64_MAX, &out);
    }
    return out;
}

/* ---- what the sum does with a placement ---- */

static void sum_rows(model *m, uint64_t frame)
{
    for (unsigned r = 0; r < ROWS; r++)
        m->summed[frame][r] |= m->came[frame][r];
}

static void sum_placement(model *m, const edx_placement *p, const edx_frame *f)
{
    for (uint32_t i = 0; i < p->n_incomplete; i++)
        sum_rows(m, p->incomplete[i]);
    if (f && p->place)
        sum_rows(m, f->frame);
}

static void compare(const edx_placement *is, const edx_placement *should)
{
    assert_int_equal(is->n_incomplete, should->n_incomplete);
    for (uint32_t i = 0; i < is->n_incomplete; i++)
        assert_int_equal(is->incomplete[i], should->incomplete[i]);
    assert_int_equal(is->place, should->place);
    assert_int_equal(is->complete, should->complete);
    assert_int_equal(is->finish, should->finish);
}

static void compare_tally(const edx_acquisition *a, const model *m)
{
    const edx_tally t = edx_acquisition_tally(a);
    assert_int_equal(t.received, m->received);
    assert_int_equal(t.lost, m->sent - m->received);
    assert_int_equal(t.duplicate, m->duplicate);
    assert_int_equal(t.counts, m->counts);
    assert_int_equal(t.frame, m->newest < 0 ? 0 : m->newest);
    assert_int_equal(edx_acquisition_finished(a), m->finished);
    assert_int_equal(edx_acquisition_ended(a), m->ended);
}

static void deliver(edx_acquisition *a, model *m, const edx_frame *f)
{
    edx_error err = {0};
    edx_placement is = {0};
    const edx_status should = model_judge(m, f);
    assert_int_equal(edx_acquisition_judge(a, f, &err), should);
    if (should == EDX_E_DUPLICATE) {
        edx_acquisition_repeat(a);
        m->duplicate++;
    }
    if (should == EDX_OK) {
        const edx_placement expected = model_take(m, f);
        assert_int_equal(edx_acquisition_frame(a, f, &is, &err), EDX_OK);
        compare(&is, &expected);
        sum_placement(m, &is, f);
    }
    compare_tally(a, m);
}

static void finish(edx_acquisition *a, model *m, uint64_t messages, bool with_end)
{
    edx_placement is = {0}, should = {.finish = !m->stopped};
    const edx_end end = {.frames = FRAMES, .messages = messages};
    if (m->ended || (m->stopped && !with_end)) {
        assert_int_equal(edx_acquisition_end(a, with_end ? &end : NULL, &is, NULL),
                         EDX_E_DUPLICATE);
        return;
    }
    model_place(m, INT64_MAX, &should);
    m->finished = m->stopped = true;
    m->ended = with_end;
    m->sent = with_end && messages > m->sent ? messages : m->sent;
    assert_int_equal(edx_acquisition_end(a, with_end ? &end : NULL, &is, NULL), EDX_OK);
    compare(&is, &should);
    sum_placement(m, &is, NULL);
    compare_tally(a, m);
}

/* ---- what an instrument may send ---- */

/* Every frame whole, or in blocks of rows, numbered in order; how many messages. */
static unsigned script(rng *random, edx_frame *out)
{
    unsigned n = 0;
    const uint64_t whole = rng_below(random, 101); /* percent of frames */
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        uint32_t block = ROWS;
        if (rng_below(random, 100) >= whole)
            block = 1 + (uint32_t)rng_below(random, ROWS - 1);
        for (uint32_t row = 0; row < ROWS; row += block, n++)
            out[n] = message(n, frame, row, row + block > ROWS ? ROWS - row : block);
    }
    return n;
}

/* Messages change places over at most reach. */
static void disorder(rng *random, edx_frame *messages, unsigned n, uint64_t reach)
{
    for (unsigned i = 0; reach > 0 && i + 1 < n; i++) {
        const unsigned left = n - 1 - i;
        const unsigned j = i + (unsigned)rng_below(random, reach < left ? reach + 1 : left + 1);
        const edx_frame kept = messages[i];
        messages[i] = messages[j];
        messages[j] = kept;
    }
}

/* Any of the messages, or one that overlaps rows that came under a number of its own. */
static void extra(rng *random, edx_acquisition *a, model *m, const edx_frame *messages, unsigned n)
{
    edx_frame f = messages[rng_below(random, n)];
    if (rng_below(random, 2))
        f.seq = rng_below(random, MESSAGES);
    deliver(a, m, &f);
}

static void trial(rng *random)
{
    model m = {.expected = rng_below(random, 3) ? FRAMES : 0, .newest = -1};
    edx_frame messages[MESSAGES];
    edx_acquisition *a = make(ROWS, m.expected);
    const unsigned n = script(random, messages);
    const uint64_t loss = rng_below(random, 3) * rng_below(random, 30);
    const uint64_t extras = rng_below(random, 2) * rng_below(random, 30);
    const unsigned end_at = rng_below(random, 4) ? n : (unsigned)rng_below(random, n);
    assert_non_null(a);
    disorder(random, messages, n, rng_below(random, 2) * rng_below(random, 20));
    for (unsigned i = 0; i < n; i++) {
        if (i == end_at)
            finish(a, &m, n, rng_below(random, 2) != 0);
        if (rng_below(random, 100) >= loss)
            deliver(a, &m, &messages[i]);
        if (rng_below(random, 100) < extras)
            extra(random, a, &m, messages, n);
    }
    finish(a, &m, n, rng_below(random, 2) != 0);
    for (unsigned g = 0; g < FRAMES; g++)
        for (unsigned r = 0; r < ROWS; r++)
            assert_int_equal(m.summed[g][r], m.came[g][r]);
    edx_acquisition_free(&a);
}

static void test_random(void **state)
{
    (void)state;
    rng random = rng_new();
    for (int i = 0; i < 3000; i++)
        trial(&random);
}

/* ---- one rule each, by hand ---- */

static edx_placement take(edx_acquisition *a, edx_frame f)
{
    edx_placement out = {0};
    edx_error err = {0};
    assert_int_equal(edx_acquisition_judge(a, &f, &err), EDX_OK);
    assert_int_equal(edx_acquisition_frame(a, &f, &out, &err), EDX_OK);
    return out;
}

static void test_begin_repeat(void **state)
{
    (void)state;
    edx_acquisition *a = make(ROWS, 0);
    assert_true(edx_acquisition_is_repeat(a, begin_bytes, sizeof begin_bytes));
    assert_false(edx_acquisition_is_repeat(a, begin_bytes, sizeof begin_bytes - 1));
    assert_false(edx_acquisition_is_repeat(a, "another begin bytes", sizeof begin_bytes));
    assert_string_equal(edx_acquisition_begin(a)->head.acq, "model");
    edx_acquisition_free(&a);
    assert_null(a);
    edx_acquisition_free(&a);
}

static void test_far_ahead(void **state)
{
    (void)state;
    edx_acquisition *a = make(1, 0);
    edx_error err = {0};
    edx_frame f = message(EDX_SEQ_AHEAD, 0, 0, 1);
    assert_int_equal(edx_acquisition_judge(a, &f, &err), EDX_E_RANGE);
    assert_non_null(strstr(err.text, "1048576"));
    f.seq = UINT64_MAX / 2;
    assert_int_equal(edx_acquisition_judge(a, &f, &err), EDX_E_RANGE);
    take(a, message(EDX_SEQ_AHEAD - 1, 0, 0, 1));
    assert_int_equal(edx_acquisition_tally(a).lost, EDX_SEQ_AHEAD - 1);
    f = message(2 * EDX_SEQ_AHEAD, 1, 0, 1);
    assert_int_equal(edx_acquisition_judge(a, &f, &err), EDX_E_RANGE);
    take(a, message(2 * EDX_SEQ_AHEAD - 1, 1, 0, 1));
    take(a, message(0, 2, 0, 1));
    assert_int_equal(edx_acquisition_tally(a).received, 3);
    edx_acquisition_free(&a);
}

/* No voxel can pass 2^32 - 1: the sum of the messages' peaks is the bound. */
static void test_voxel_bound(void **state)
{
    (void)state;
    edx_acquisition *a = make(1, 0);
    edx_error err = {0};
    edx_frame f = message(0, 0, 0, 1);
    f.counts.peak = UINT32_MAX - 1;
    take(a, f);
    f = message(1, 1, 0, 1);
    f.counts.peak = 2;
    assert_int_equal(edx_acquisition_judge(a, &f, &err), EDX_E_LIMIT);
    f.counts.peak = 1;
    take(a, f);
    f = message(2, 2, 0, 1);
    f.counts.peak = 1;
    assert_int_equal(edx_acquisition_judge(a, &f, &err), EDX_E_LIMIT);
    f.counts.peak = 0;
    take(a, f);
    assert_int_equal(edx_acquisition_tally(a).received, 3);
    edx_acquisition_free(&a);
}

/* Rows of frame 0 wait while frame 1 comes and are summed when frame 2 begins; later ones of frame
 * 0 at once, and the last makes it complete. */
static void test_two_frames_ahead(void **state)
{
    (void)state;
    edx_acquisition *a = make(3, 0);
    edx_error err = {0};
    edx_placement p = take(a, message(0, 0, 0, 1));
    assert_false(p.place);
    p = take(a, message(2, 1, 0, 1));
    assert_int_equal(p.n_incomplete, 0);
    p = take(a, message(3, 2, 0, 1));
    assert_int_equal(p.n_incomplete, 1);
    assert_int_equal(p.incomplete[0], 0);
    assert_false(p.place);
    p = take(a, message(4, 0, 2, 1));
    assert_true(p.place);
    assert_false(p.complete);
    edx_frame again = message(5, 0, 0, 1);
    assert_int_equal(edx_acquisition_judge(a, &again, &err), EDX_E_MISMATCH);
    assert_non_null(strstr(err.text, "frame 0 row 0"));
    p = take(a, message(1, 0, 1, 1));
    assert_true(p.place && p.complete);
    again = message(6, 0, 0, 3);
    assert_int_equal(edx_acquisition_judge(a, &again, &err), EDX_E_MISMATCH);
    p = take(a, message(7, 1, 1, 2));
    assert_true(p.place && p.complete && p.n_incomplete == 0);
    edx_acquisition_free(&a);
}

/* The frame that ends the scan may be complete before others are. */
static void test_finish(void **state)
{
    (void)state;
    edx_acquisition *a = make(2, 3);
    edx_placement p = take(a, message(0, 1, 0, 1));
    assert_false(p.finish);
    p = take(a, message(1, 2, 0, 2));
    assert_true(p.finish && p.complete && p.place);
    assert_int_equal(p.n_incomplete, 1);
    assert_int_equal(p.incomplete[0], 1);
    assert_true(edx_acquisition_finished(a));
    assert_false(edx_acquisition_ended(a));
    p = take(a, message(2, 0, 0, 1));
    assert_true(p.place && !p.complete && !p.finish);
    const edx_end end = {.frames = 3, .messages = 9};
    assert_int_equal(edx_acquisition_end(a, &end, &p, NULL), EDX_OK);
    assert_int_equal(p.n_incomplete, 0);
    assert_int_equal(edx_acquisition_tally(a).lost, 6);
    assert_true(edx_acquisition_ended(a));
    assert_int_equal(edx_acquisition_end(a, &end, &p, NULL), EDX_E_DUPLICATE);
    p = take(a, message(3, 7, 0, 1));
    assert_true(p.place && !p.complete && !p.finish);
    edx_acquisition_free(&a);
}

/* Frame numbers may be as large as they like; nothing is kept for those that never come. */
static void test_large_frame_numbers(void **state)
{
    (void)state;
    edx_acquisition *a = make(2, 0);
    take(a, message(0, 5, 0, 1));
    edx_placement p = take(a, message(1, (uint64_t)INT64_MAX, 0, 2));
    assert_true(p.place && p.complete && p.n_incomplete == 1 && p.incomplete[0] == 5);
    p = take(a, message(2, 6, 0, 1));
    assert_true(p.place && !p.complete);
    assert_int_equal(edx_acquisition_tally(a).frame, INT64_MAX);
    edx_acquisition_free(&a);
}

/* ---- no memory ---- */

/* Whatever allocation fails, the message counts either wholly or not at all, and coming again it
 * counts. */
static void test_no_memory(void **state)
{
    (void)state;
    rng random = {.state = 1};
    edx_frame messages[MESSAGES];
    const unsigned n = script(&random, messages);
    disorder(&random, messages, n, 40);
    model m = {.expected = FRAMES, .newest = -1};
    edx_acquisition *a = make(ROWS, FRAMES);
    unsigned refused = 0;
    for (unsigned i = 0; i < n; i++) {
        edx_error err = {0};
        edx_placement out;
        for (size_t left = 0; left < 4; left++) {
            allocations_left = left;
            const edx_status status = edx_acquisition_frame(a, &messages[i], &out, &err);
            allocations_left = SIZE_MAX;
            if (status == EDX_OK)
                break;
            assert_int_equal(status, EDX_E_NOMEM);
            compare_tally(a, &m);
            assert_int_equal(edx_acquisition_judge(a, &messages[i], &err), EDX_OK);
            assert_int_not_equal(left, 3);
            refused++;
        }
        const edx_placement expected = model_take(&m, &messages[i]);
        compare(&out, &expected);
        compare_tally(a, &m);
    }
    assert_in_range(refused, 5, 10 * MESSAGES);
    edx_acquisition_free(&a);
    for (size_t left = 0; left < 2; left++) {
        allocations_left = left;
        a = make(ROWS, 1);
        allocations_left = SIZE_MAX;
        assert_null(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_begin_repeat),
        cmocka_unit_test(test_far_ahead),
        cmocka_unit_test(test_voxel_bound),
        cmocka_unit_test(test_two_frames_ahead),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_large_frame_numbers),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
