#include "tests/fuzz/account.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/expect.h"

/* A scan frame that waits for rows. */
typedef struct waiting {
    bool used;
    uint64_t frame;
    uint64_t *sum;
} waiting;

struct fuzz_account {
    edx_begin begin;
    bool exact;     /* no drift, nothing left out: the cube is the sum */
    bool forgotten; /* what came later went into the recording alone */
    uint64_t messages, counts;
    uint64_t *sum; /* [rows * cols * channels] */
    waiting waits[EDX_WAITING_FRAMES];
};

static fuzz_account *now;

static size_t voxels(const fuzz_account *a)
{
    return (size_t)a->begin.rows * a->begin.cols * a->begin.channels;
}

void fuzz_account_free(fuzz_account **account)
{
    if (*account) {
        for (int i = 0; i < EDX_WAITING_FRAMES; i++)
            free((*account)->waits[i].sum);
        free((*account)->sum);
        free(*account);
        *account = NULL;
    }
}

fuzz_account *fuzz_account_take(void)
{
    fuzz_account *taken = now;
    now = NULL;
    return taken;
}

uint64_t fuzz_account_messages(const fuzz_account *account)
{
    return account ? account->messages : 0;
}

bool fuzz_account_same(const fuzz_account *a, const fuzz_account *b)
{
    if (!a || !b)
        return a == b;
    if (a->forgotten)
        return b->messages >= a->messages && b->counts >= a->counts;
    return voxels(a) == voxels(b) && a->messages == b->messages && a->counts == b->counts &&
           memcmp(a->sum, b->sum, voxels(a) * sizeof *a->sum) == 0;
}

static void begin(const edx_start *start)
{
    fuzz_account_free(&now);
    now = calloc(1, sizeof *now);
    fuzz_expect(now != NULL);
    now->begin = start->begin;
    now->exact = true;
    now->sum = calloc(voxels(now), sizeof *now->sum);
    fuzz_expect(now->sum != NULL);
    for (int i = 0; i < EDX_WAITING_FRAMES; i++) {
        now->waits[i].sum = calloc(voxels(now), sizeof *now->sum);
        fuzz_expect(now->waits[i].sum != NULL);
    }
}

static void configure(const edx_start *start)
{
    if (now)
        now->exact = now->exact && start->settings.analysis.drift == EDX_DRIFT_NONE &&
                     !start->settings.analysis.exclude;
}

static waiting *find(uint64_t frame)
{
    for (int i = 0; i < EDX_WAITING_FRAMES; i++)
        if (now->waits[i].used && now->waits[i].frame == frame)
            return &now->waits[i];
    return NULL;
}

static waiting *find_or_take(uint64_t frame)
{
    waiting *w = find(frame);
    for (int i = 0; !w && i < EDX_WAITING_FRAMES; i++) {
        if (!now->waits[i].used) {
            w = &now->waits[i];
            w->used = true;
            w->frame = frame;
            memset(w->sum, 0, voxels(now) * sizeof *w->sum);
        }
    }
    fuzz_expect(w != NULL);
    return w;
}

static void place_waiting(uint64_t frame)
{
    waiting *w = find(frame);
    for (size_t i = 0; w && i < voxels(now); i++)
        now->sum[i] += w->sum[i];
    if (w)
        w->used = false;
}

static void place(const edx_placement *placement)
{
    for (uint32_t i = 0; i < placement->n_incomplete; i++)
        place_waiting(placement->incomplete[i]);
}

static void add(const edx_frame *frame, uint64_t *sum)
{
    const size_t channels = now->begin.channels;
    const size_t first = (size_t)frame->row * now->begin.cols;
    const size_t n = (size_t)frame->rows * now->begin.cols;
    const edx_counts *c = &frame->counts;
    for (size_t i = 0; !c->events && i < n * channels; i++)
        sum[first * channels + i] += (uint64_t)edx_array_get(&c->dense, i);
    for (size_t p = 0; c->events && p < n; p++) {
        const size_t to = (size_t)edx_array_get(&c->offsets, p + 1);
        for (size_t i = (size_t)edx_array_get(&c->offsets, p); i < to; i++)
            sum[(first + p) * channels + (size_t)edx_array_get(&c->channels, i)]++;
    }
}

static void take_frame(const edx_task *task)
{
    edx_message share;
    edx_frame frame;
    const edx_node *root = NULL;
    const edx_limits limits = edx_limits_default();
    edx_wire *wire = edx_wire_new(0);
    fuzz_expect(wire && now && !task->on_disk);
    edx_message_init(&share);
    edx_message_share(&share, (edx_message *)&task->message);
    const void *body = task->body ? task->body : edx_message_data(&share);
    const size_t size = task->body ? task->size : edx_message_size(&share);
    fuzz_expect(edx_wire_parse(wire, body, size, &root, NULL) == EDX_OK);
    fuzz_expect(edx_frame_read(root, &now->begin, &limits, &frame, NULL) == EDX_OK);
    now->messages++;
    now->counts += frame.counts.total;
    if (!task->placement.finish)
        place(&task->placement);
    add(&frame, task->placement.place ? now->sum : find_or_take(frame.frame)->sum);
    if (task->placement.place)
        place_waiting(frame.frame);
    if (task->placement.finish)
        place(&task->placement);
    edx_message_close(&share);
    edx_wire_free(&wire);
}

/* What the receiving side counted is what it handed on. */
static void check_tally(const edx_closing *closing)
{
    fuzz_expect(now && closing->tally.received == now->messages);
    fuzz_expect(closing->tally.counts == now->counts);
}

void fuzz_account_task(const edx_task *task)
{
    switch (task->kind) {
    case EDX_TASK_BEGIN:
        begin(task->start);
        configure(task->start);
        break;
    case EDX_TASK_CONFIGURE:
        configure(task->start);
        break;
    case EDX_TASK_FRAME:
        take_frame(task);
        break;
    case EDX_TASK_PLACE:
        fuzz_expect(now != NULL);
        place(&task->placement);
        break;
    case EDX_TASK_SAVE:
        check_tally(task->closing);
        break;
    case EDX_TASK_FORGET:
        fuzz_expect(now != NULL);
        now->forgotten = true;
        break;
    default:
        break;
    }
}

static void take_away(void *context, uint32_t channel, uint32_t count)
{
    uint64_t *pixel = context;
    pixel[channel] -= count;
}

void fuzz_account_check(const edx_scene *scene)
{
    fuzz_expect(now && edx_scene_rows(scene) == now->begin.rows);
    fuzz_expect(edx_scene_cols(scene) == now->begin.cols);
    fuzz_expect(edx_scene_channels(scene) == now->begin.channels);
    uint64_t *left = malloc(voxels(now) * sizeof *left);
    uint64_t total = 0;
    fuzz_expect(left != NULL);
    memcpy(left, now->sum, voxels(now) * sizeof *left);
    for (size_t i = 0; i < voxels(now); i++)
        total += left[i];
    fuzz_expect(now->exact ? edx_scene_counts(scene) == total : edx_scene_counts(scene) <= total);
    for (uint32_t p = 0; p < now->begin.rows * now->begin.cols; p++)
        edx_scene_visit(scene, p, take_away, left + (size_t)p * now->begin.channels);
    for (size_t i = 0; now->exact && i < voxels(now); i++)
        fuzz_expect(left[i] == 0);
    free(left);
}
