/* A second thread for one stream of a large model, which takes panels from the end while the caller
   takes them from the beginning. step.c includes this file. With two free cores, steps are 1.5
   times as fast at 2 x 256 and 1.7 times at 2 x 512: `python -m benchmarks.sampling threads`.

   The caller never waits for the helper to begin: if the helper sleeps, has no core, or is lost
   after a fork, the caller computes all panels alone. The caller times blocks of steps with and
   without help, and asks for help only while that is faster. */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

struct Helper {
    _Atomic uint64_t work;    /* round << 32 | first panel left << 16 | end of the panels left */
    Task task;                /* the task of this round; changes only while no panel is left */
    _Atomic size_t finished;  /* panels the helper has done in this round */
    _Atomic int asleep, stop;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    unsigned forks; /* the value of `forks` when the helper began */
    /* These are for the caller alone: */
    int shared, late;         /* whether this block is shared; whether the helper lost its core */
    unsigned steps, blocks;   /* steps left in this block; blocks left before the way changes */
    unsigned penalty;         /* how many blocks run alone after a shared one was slower */
    int64_t time, alone;      /* nanoseconds of this block so far; of a block alone */
};

enum {
    MOST_PANELS = 0xffff,
    AWAKE = 200000,       /* nanoseconds the helper waits for work before it sleeps */
    PATIENCE = 50000,     /* nanoseconds, plus one for each product of a panel, after which */
                          /* the helper must have lost its core */
    BLOCK = 16,           /* steps */
    SHARED_BLOCKS = 64,   /* shared blocks before one alone is timed again */
    LONGEST_PENALTY = 512,
};

/* The number of forks that led to this process. A forked process has no helpers. */
static unsigned forks;

static void forked(void) { forks++; }

static void watch_forks(void) { pthread_atfork(NULL, NULL, forked); }

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

static void *help(void *argument) {
    Helper *helper = argument;
    int64_t since = now();
    for (unsigned turn = 1; !atomic_load(&helper->stop); turn++) {
        uint64_t work = atomic_load(&helper->work);
        uint64_t first = work >> 16 & MOST_PANELS, end = work & MOST_PANELS;
        if (first < end) {
            /* From here on, the round and its task cannot end before this panel is done. */
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
            sched_yield(); /* let others, perhaps the caller, use this core first */
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

/* Compute a task with the helper. Returns whether the helper lost its core meanwhile. */
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
    const int64_t late = now() + PATIENCE + products;
    for (unsigned turn = 1; own + atomic_load(&helper->finished) < task->panels; turn++) {
        if (turn % 1024 == 0 && now() > late)
            sched_yield(); /* the helper may need this core */
        spin();
    }
    return now() > late;
}

/* Return the lanes' helper; NULL if there is none in this process. */
static Helper *present(const Lanes *lanes) {
    Helper *helper = lanes->helper;
    return helper != NULL && helper->forks == forks ? helper : NULL;
}

static void run(Helper *helper, const Task *task) {
    if (helper && helper->shared)
        helper->late |= share(helper, task);
    else
        for (size_t panel = 0; panel < task->panels; panel++)
            compute(task, panel);
}

/* Decide after a step of `time` nanoseconds whether the next one is shared. */
static void choose(Helper *helper, int64_t time) {
    helper->time += time;
    if (--helper->steps > 0 && !helper->late)
        return;
    if (!helper->shared) {
        int64_t slower = helper->alone + helper->alone / 8; /* limits what a disturbed block does */
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

/* Start a second thread for the lanes. Returns 0 if that fails; one thread then computes all
   panels. */
int charrnn_help(Lanes *lanes) {
    for (size_t number = 0; number < lanes->model->layer_count; number++)
        if (lanes->model->layers[number].panels > MOST_PANELS)
            return 0;
    Helper *helper = calloc(1, sizeof(Helper));
    if (helper == NULL)
        return 0;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    helper->forks = forks;
    helper->steps = BLOCK;
    pthread_mutex_init(&helper->mutex, NULL);
    pthread_cond_init(&helper->wake, NULL);
    lanes->helper = helper;
    sigset_t all, before; /* the helper receives no signals */
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

/* End the second thread. No thread may be computing in the lanes. As one may at the exit of the
   program, the helper is not ended there. */
void charrnn_stop_help(Lanes *lanes) {
    Helper *helper = lanes->helper;
    if (helper == NULL)
        return;
    lanes->helper = NULL;
    if (helper->forks == forks) { /* after a fork there is no thread, and the mutex may be locked */
        atomic_store(&helper->stop, 1);
        wake(helper);
        pthread_join(helper->thread, NULL);
        pthread_mutex_destroy(&helper->mutex);
        pthread_cond_destroy(&helper->wake);
    }
    free(helper);
}
