/* The native engine's step: one character further in every lane. See native_engine.py.

   A layer's columns lie in panels, each a strip of weights read from its first number to its last:
   four vectors of sums side by side, which are the gates of the same units (for the plain RNN and
   the head, of four times as many units). So a panel's sums stay in registers until its units are
   done, and panels can be computed in any order and by any thread.

   The caller's arrays are trusted to have the sizes that native_engine.py gives them; ids are not
   trusted. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ABI = 2 };

/* The cells, and what only adds up sums: the head, and a layer's input product by itself. */
enum kind { RNN, GRU, LSTM, SUMS, GRU_SUMS };

typedef struct {
    size_t panels;
    const float *start;     /* (V or 1, panels, 4, FLOATS): the first layer's table, or biases */
    const float *input;     /* (panels, H, 3 or 4, FLOATS); none in the first layer */
    const float *recurrent; /* the same; none in the head */
} Layer;

typedef struct {
    size_t processor, cell, vocabulary_size, hidden_size, layer_count; /* the head is the last */
    const Layer *layers;
} Model;

typedef struct Helper Helper;

typedef struct {
    const Model *model;
    size_t count, state_stride, score_stride;
    const int64_t *ids; /* (B) */
    float *h, *c;       /* (L, B, state_stride) */
    float *outputs;     /* the same: h of the layers that are done in this step */
    float *scores;      /* (B, score_stride) */
    Helper *helper;     /* or none */
} Lanes;

/* A layer, or half of one, to be computed for some rows. */
typedef struct {
    enum kind kind;
    size_t processor, panels, rows, length, stride; /* H; from row to row of below, h, c and out */
    const float *starts; /* what the sums begin with: the row of each row's id, or each its own */
    size_t start_stride; /* 0 where all rows begin with the same */
    const int64_t *ids;  /* (rows), or none */
    size_t vocabulary_size;
    const float *input, *recurrent; /* weights; no input product where there is none */
    const float *below, *h;
    float *c, *out;
    size_t out_stride; /* of sums */
} Task;

static size_t known(const Task *task, size_t row) {
    int64_t id = task->ids[row], last = (int64_t)task->vocabulary_size - 1;
    return (size_t)(id < 0 ? 0 : id > last ? last : id);
}

#if defined(__x86_64__)
#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx2,fma")))
#define FLOATS 16
#define LANES 6
#include "panel.h"
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define FLOATS 8
#define LANES 2
#include "panel.h"
#endif
#define NAME(x) x##_plain
#define TARGET
#define FLOATS 4
#if defined(__x86_64__)
#define LANES 2
#else
#define LANES 6
#endif
#include "panel.h"

static const struct {
    size_t floats;
    void (*panel)(const Task *, size_t);
    void (*tanh)(float *, size_t);
} processors[] = {
#if defined(__x86_64__)
    {16, panel_avx512, tanh_of_avx512},
    {8, panel_avx2, tanh_of_avx2},
#endif
    {4, panel_plain, tanh_of_plain},
};

/* A second thread for one stream of a large model, which takes panels from the end while the
   caller takes them from the beginning. The caller never waits for the helper to begin: where it
   sleeps, has no core, or was lost in a fork, the caller computes all panels alone. And it asks
   for help only while that is the faster way: blocks of steps are timed, some of them alone. */
struct Helper {
    _Atomic uint64_t work;    /* round << 32 | first panel left << 16 | end of the panels left */
    Task task;                /* of this round; changed only while no panel is left */
    _Atomic size_t finished;  /* panels the helper has done in this round */
    _Atomic int asleep, stop;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    pid_t process;
    /* the caller's: */
    int shared, late;         /* this block is shared; the helper lost its core in it */
    unsigned steps, blocks;   /* left in this block; left of this way */
    unsigned penalty;         /* blocks alone after the next shared one that is slower */
    int64_t time, alone;      /* nanoseconds of this block so far, and of one alone */
};

enum {
    MOST_PANELS = 0xffff,
    AWAKE = 200000,       /* nanoseconds the helper looks out for work before it sleeps */
    PATIENCE = 50000,     /* nanoseconds, and one more for each PACE products of a panel, after */
    PACE = 1,             /* which a helper has surely lost its core */
    BLOCK = 16,           /* steps */
    SHARED_BLOCKS = 64,   /* until one alone is timed again */
    LONGEST_PENALTY = 512,
};

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void spin(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void compute(const Task *task, size_t panel) {
    processors[task->processor].panel(task, panel);
}

static void *help(void *argument) {
    Helper *helper = argument;
    int64_t since = now();
    for (unsigned turn = 1; !atomic_load(&helper->stop); turn++) {
        uint64_t work = atomic_load(&helper->work);
        uint64_t first = work >> 16 & MOST_PANELS, end = work & MOST_PANELS;
        if (first < end) {
            /* After this the round, and with it the task, cannot end before the panel is done. */
            if (atomic_compare_exchange_strong(&helper->work, &work, work - 1)) {
                compute(&helper->task, end - 1);
                atomic_fetch_add(&helper->finished, 1);
                turn = 0;
            }
        } else if (turn == 1) {
            since = now();
        } else if (turn % 64 == 0 && now() - since > AWAKE) {
            pthread_mutex_lock(&helper->mutex);
            atomic_store(&helper->asleep, 1);
            while (atomic_load(&helper->work) == work && !atomic_load(&helper->stop))
                pthread_cond_wait(&helper->wake, &helper->mutex);
            atomic_store(&helper->asleep, 0);
            pthread_mutex_unlock(&helper->mutex);
            turn = 0;
        } else if (turn % 64 == 0) {
            sched_yield(); /* whoever else wants this core, perhaps the caller, goes first */
        } else {
            spin();
        }
    }
    return NULL;
}

static void wake(Helper *helper) {
    pthread_mutex_lock(&helper->mutex);
    pthread_cond_signal(&helper->wake);
    pthread_mutex_unlock(&helper->mutex);
}

/* Computes a task with the helper. Returns whether the helper lost its core meanwhile. */
static int share(Helper *helper, const Task *task) {
    size_t own = 0;
    uint64_t work = ((atomic_load(&helper->work) >> 32) + 1) << 32 | task->panels;
    helper->task = *task;
    atomic_store(&helper->finished, 0);
    atomic_store(&helper->work, work);
    if (atomic_load(&helper->asleep))
        wake(helper);
    while ((work >> 16 & MOST_PANELS) < (work & MOST_PANELS)) {
        if (atomic_compare_exchange_strong(&helper->work, &work, work + (1 << 16))) {
            compute(task, work >> 16 & MOST_PANELS);
            own++;
            work = atomic_load(&helper->work);
        }
    }
    if (own + atomic_load(&helper->finished) == task->panels)
        return 0;
    const int64_t products = (int64_t)(task->rows * task->length * 64 * 2);
    const int64_t late = now() + PATIENCE + products / PACE;
    for (unsigned turn = 1; own + atomic_load(&helper->finished) < task->panels; turn++) {
        if (turn % 1024 == 0 && now() > late)
            sched_yield(); /* perhaps to the helper */
        spin();
    }
    return now() > late;
}

/* The lanes' helper, if it is there. */
static Helper *present(const Lanes *lanes) {
    Helper *helper = lanes->helper; /* a fork leaves its threads behind */
    return helper != NULL && helper->process == getpid() ? helper : NULL;
}

static void run(Helper *helper, const Task *task) {
    if (helper && helper->shared)
        helper->late |= share(helper, task);
    else
        for (size_t panel = 0; panel < task->panels; panel++)
            compute(task, panel);
}

/* After a step of so many nanoseconds: whether the next one is shared. */
static void choose(Helper *helper, int64_t time) {
    helper->time += time;
    if (--helper->steps > 0 && !helper->late)
        return;
    if (!helper->shared) {
        int64_t slower = helper->alone + helper->alone / 8; /* a disturbed block says little */
        helper->alone = helper->alone > 0 && helper->time > slower ? slower : helper->time;
        if (helper->blocks-- == 0) {
            helper->shared = 1;
            helper->blocks = SHARED_BLOCKS;
        }
    } else if (helper->late || helper->time > helper->alone) {
        unsigned longer = 2 * helper->penalty + 4;
        helper->penalty = longer < LONGEST_PENALTY ? longer : LONGEST_PENALTY;
        helper->shared = 0;
        helper->blocks = helper->penalty;
    } else {
        helper->penalty /= 2;
        if (--helper->blocks == 0)
            helper->shared = 0;
    }
    helper->late = 0;
    helper->steps = BLOCK;
    helper->time = 0;
}

int charrnn_abi(void) { return ABI; }

/* The numbers in a vector of such a processor; 0 where this one is none of them, and -1 where
   there is no such entry. The fastest come first. */
int charrnn_floats(size_t processor) {
    if (processor >= sizeof processors / sizeof *processors)
        return -1;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if ((processor <= 1 && !avx2) || (processor == 0 && !avx512))
        return 0;
#endif
    return (int)processors[processor].floats;
}

/* Of so many numbers in place, a multiple of the processor's. */
void charrnn_tanh(size_t processor, float *x, size_t count) {
    processors[processor].tanh(x, count);
}

/* Layer `number` in all lanes, but for the memory it reads and writes. */
static Task task_of(const Lanes *lanes, size_t number) {
    const Model *model = lanes->model;
    const Layer *layer = &model->layers[number];
    int head = number + 1 == model->layer_count;
    return (Task){
        .kind = head ? SUMS : (enum kind)model->cell,
        .processor = model->processor,
        .panels = layer->panels,
        .rows = lanes->count,
        .length = model->hidden_size,
        .stride = lanes->state_stride,
        .starts = layer->start,
        .start_stride = number == 0 ? layer->panels * 4 * processors[model->processor].floats : 0,
        .ids = number == 0 ? lanes->ids : NULL,
        .vocabulary_size = model->vocabulary_size,
        .input = layer->input,
        .recurrent = layer->recurrent,
        .out_stride = lanes->score_stride,
    };
}

void charrnn_step(const Lanes *lanes) {
    Helper *helper = present(lanes);
    const int64_t since = helper ? now() : 0;
    const size_t last = lanes->model->layer_count - 1, size = lanes->count * lanes->state_stride;
    for (size_t number = 0; number <= last; number++) {
        Task task = task_of(lanes, number);
        task.below = number > 0 ? lanes->outputs + (number - 1) * size : NULL;
        if (number < last) {
            task.h = lanes->h + number * size;
            task.c = lanes->c + number * size;
        }
        task.out = number < last ? lanes->outputs + number * size : lanes->scores;
        run(helper, &task);
    }
    if (helper)
        choose(helper, now() - since);
    memcpy(lanes->h, lanes->outputs, last * size * sizeof(float));
}

/* The same bits as so many steps: reads ids (T, B), gives scores (T, B, score_stride), where they are
   asked for. It goes layer by layer, so that the products with what lies below read the weights once for all
   characters; they are kept in sums (T, B, panels, 4, FLOATS), and a layer's outputs in history
   (T, B, state_stride). */
void charrnn_read(const Lanes *lanes, const int64_t *ids, float *scores, float *sums,
                  float *history, size_t time) {
    Helper *helper = present(lanes);
    const size_t last = lanes->model->layer_count - 1, size = lanes->count * lanes->state_stride;
    for (size_t number = 0; number <= last; number++) {
        if (number == last && scores == NULL)
            break;
        Task task = task_of(lanes, number);
        float *h = lanes->h + number * size;
        if (number > 0) {
            Task product = task;
            product.kind = task.kind == GRU ? GRU_SUMS : SUMS;
            product.rows = time * lanes->count;
            product.below = history;
            product.out = number < last ? sums : scores;
            if (number < last)
                product.out_stride = task.panels * 4 * processors[task.processor].floats;
            run(helper, &product);
            task.input = NULL;
            task.starts = sums;
            task.start_stride = product.out_stride;
        }
        for (size_t t = 0; t < time && number < last; t++) {
            const int64_t since = helper ? now() : 0;
            task.ids = number == 0 ? ids + t * lanes->count : NULL;
            if (number > 0)
                task.starts = sums + t * lanes->count * task.start_stride;
            task.h = t > 0 ? history + (t - 1) * size : h;
            task.c = lanes->c + number * size;
            task.out = history + t * size;
            run(helper, &task);
            if (helper)
                choose(helper, now() - since);
        }
        if (number < last && time > 0)
            memcpy(h, history + (time - 1) * size, size * sizeof(float));
    }
}

#include "attention.h"

/* Gives the lanes a second thread. Returns 0 where there is none to be had; work goes on alone. */
int charrnn_help(Lanes *lanes) {
    for (size_t number = 0; number < lanes->model->layer_count; number++)
        if (lanes->model->layers[number].panels > MOST_PANELS)
            return 0;
    Helper *helper = calloc(1, sizeof(Helper));
    if (helper == NULL)
        return 0;
    helper->process = getpid();
    helper->steps = BLOCK;
    pthread_mutex_init(&helper->mutex, NULL);
    pthread_cond_init(&helper->wake, NULL);
    lanes->helper = helper;
    sigset_t all, before; /* signals are for the threads that wait for them */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&helper->thread, NULL, help, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        lanes->helper = NULL;
        free(helper);
    }
    return !failed;
}

/* Takes it away again. */
void charrnn_stop_help(Lanes *lanes) {
    Helper *helper = lanes->helper;
    if (helper == NULL)
        return;
    lanes->helper = NULL;
    if (helper->process == getpid()) { /* else it is not there; its mutex may be locked for ever */
        atomic_store(&helper->stop, 1);
        wake(helper);
        pthread_join(helper->thread, NULL);
        pthread_mutex_destroy(&helper->mutex);
        pthread_cond_destroy(&helper->wake);
    }
    free(helper);
}
