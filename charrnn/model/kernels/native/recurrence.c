/* The recurrent part of a layer over a whole sequence, forward and backward. See ../native.py.

   The caller has computed the input product. For each character, this file computes the product of
   h with the recurrent weights and then the gates, while the sums are in the nearest cache. All
   threads work together: each has some units (a panel) of some lanes (a block), and all meet after
   every character.

   h lies in tiles of 16 rows of 64 bytes, one after another, as a matrix unit reads them; weights
   lie in panels, read from the first byte to the last. The sizes of the caller's arrays are not
   checked: native.py makes them. */

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "layout.h"

enum cell { RNN, GRU, LSTM };

enum { TILE_ROWS = 16, TILE_ROW = 64, TILE = TILE_ROWS * TILE_ROW, TILE_WORDS = TILE_ROW / 4 };

enum { BLOCK = 32 }; /* lanes computed at a time: two tiles */

/* Runs a function on a number of threads, as GOMP_parallel of GNU's OpenMP. */
typedef void (*Parallel)(void (*)(void *), void *, unsigned, unsigned);

typedef struct {
    Parallel parallel;      /* NULL: on this thread alone */
    int (*number)(void);    /* returns the calling thread's number */
    int (*count)(void);     /* returns how many threads run */
    size_t most;            /* threads to use */
} Threads;

/* E elements: float32, or bf16. T time, B batch, H hidden, G gates. */
typedef struct {
    Threads threads;
    size_t kind, cell, time, batch, hidden, gates;
    const float *weight;     /* (G H, H) */
    const float *inner_bias; /* (H), for the GRU's candidate */
    const void *x;           /* (T, B, G H) of E, or rows that the index names */
    const int64_t *index;    /* (T, B), or NULL */
    void *outputs;           /* (T + 1, B, H) of E: h before the first character, and after each */
    void *gates_kept;        /* (T, B, 4 H) of E, for the backward pass; or NULL */
    float *c;                /* (T + 1, B, H), the first given; or (1, B, H) with a stride of 0 */
    size_t c_stride;
    float *h;                /* (B, H) before the first, then after the last; or its gradient */
    const void *doutputs;    /* (T, B, H) of E, or NULL */
    float *dc;               /* (B, H): gradient of c after the last step, then before the first */
    void *dx;                /* (T, B, G H) of E: gradients of the preactivations */
    void *dinner;            /* (T, B, H): of the inner sum of the GRU's candidate; or NULL */
} Layer;

typedef struct {
    Threads threads;
    size_t kind, count, width;
    const void *rows;     /* (count, width) of E */
    const int64_t *index; /* (count), or NULL */
    float *sums;          /* (V or 1, width) */
} Sum;

/* Sizes and memory that the threads share while they compute. */
typedef struct {
    const Layer *layer;
    size_t panels, groups, panel_bytes, depth, row_tile_bytes, tile_bytes;
    size_t first, lanes; /* this thread's lanes; their tiles begin with the first */
    int apart;           /* whether each thread has its own lanes, else its own units */
    int by_rows;         /* whether a block of lanes takes all panels before the next block */
    char *weights, *tiles[2];
    _Atomic size_t waiting;
    _Atomic uint32_t meetings, asleep;
} Region;

#if defined(__x86_64__) && defined(__linux__) && (__GNUC__ >= 12 || __clang_major__ >= 15)
#define X86 1
#include <cpuid.h>
#include <immintrin.h>

#include "avx2.h"
#include "pack.h"
#include "layer.h"

#include "avx512.h"
#include "pack.h"
#include "layer.h"

#define NAME(x) x##_bf16
#define TARGET \
    __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx2,fma")))
#include "bf16.h"
#include "pack.h"
#include "layer.h"

#define MATRIX_UNIT
#define NAME(x) x##_amx
#define TARGET                                                                                     \
    __attribute__((                                                                                \
        target("avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,amx-tile,amx-bf16,avx2,fma")))
#include "bf16.h"
#include "pack.h"
#include "layer.h"
#undef MATRIX_UNIT
#endif

/* A kind of processor. `kinds` lists the best for each type of elements last. */
typedef struct {
    const char *name;
    size_t floats, element_bytes;
    int matrix_unit;
    void (*pack_forward)(const Layer *, Region *, size_t);
    void (*pack_backward)(const Layer *, Region *, size_t);
    void (*begin)(const Layer *, Region *, size_t);
    void (*forward)(const Layer *, Region *, size_t, size_t, size_t, size_t);
    void (*backward)(const Layer *, Region *, size_t, size_t, size_t, size_t);
    void (*sum_rows)(const Sum *, size_t, size_t);
} Kind;

#ifdef X86
#define KIND(floats, element_bytes, matrix_unit, x)                                                \
    {#x, floats, element_bytes, matrix_unit, pack_forward_##x, pack_backward_##x, begin_##x,       \
     forward_##x, backward_##x, sum_rows_##x}
#endif

static const Kind kinds[] = {
#ifdef X86
    KIND(8, 4, 0, avx2),
    KIND(16, 4, 0, avx512),
    KIND(16, 2, 0, bf16),
    KIND(16, 2, 1, amx),
#endif
    {0},
};

enum { KINDS = sizeof kinds / sizeof *kinds - 1 };

#include "processor.h"

/* Returns the name of a kind, NULL after the last; sets the bytes of its elements, 0 where this
   processor does not support it. */
const char *charrnn_kind(size_t kind, size_t *element_bytes) {
    if (kind >= KINDS)
        return 0;
    *element_bytes = supported(kind) ? kinds[kind].element_bytes : 0;
    return kinds[kind].name;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Sleeps until the number of meetings is no longer this one. A core that idles can run the thread
   that is missing, which another program may have displaced from its own core; a core that spins
   or yields cannot. */
static void sleep_until_met(Region *region, uint32_t meeting) {
#ifdef __linux__
    atomic_fetch_add(&region->asleep, 1);
    while (atomic_load(&region->meetings) == meeting)
        syscall(SYS_futex, &region->meetings, FUTEX_WAIT_PRIVATE, meeting, NULL, NULL, 0);
    atomic_fetch_sub(&region->asleep, 1);
#else
    while (atomic_load(&region->meetings) == meeting)
        sched_yield();
#endif
}

static void wake_all(Region *region) {
#ifdef __linux__
    if (atomic_load(&region->asleep))
        syscall(SYS_futex, &region->meetings, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
#else
    (void)region;
#endif
}

/* Waits until all threads are here: a while in a loop, as they usually come within microseconds,
   then asleep. */
static void meet(Region *region, size_t threads) {
    enum { PATIENCE = 2000 };
    if (threads == 1)
        return;
    uint32_t meeting = atomic_load_explicit(&region->meetings, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&region->waiting, 1, memory_order_acq_rel) == threads - 1) {
        atomic_store_explicit(&region->waiting, 0, memory_order_relaxed);
        /* In one order with the count of those asleep: either they see it, or they are seen. */
        atomic_store(&region->meetings, meeting + 1);
        wake_all(region);
        return;
    }
    for (int turn = 0; turn < PATIENCE; turn++) {
        if (atomic_load_explicit(&region->meetings, memory_order_acquire) != meeting)
            return;
        pause_briefly();
    }
    sleep_until_met(region, meeting);
}

typedef struct {
    size_t number, count;
} Thread;

static Thread this_thread(const Threads *threads) {
    if (!threads->parallel || threads->most == 1)
        return (Thread){0, 1};
    return (Thread){(size_t)threads->number(), (size_t)threads->count()};
}

static size_t pieces(size_t whole, size_t piece) { return (whole + piece - 1) / piece; }

/* Returns where a thread's share of `things` begins; it ends where the next thread's begins. */
static size_t share(Thread thread, size_t number, size_t things) {
    return things * number / thread.count;
}

/* Calls `compute` for this thread's share of all pairs of a group of columns and a block of lanes.
   As far as possible one thread has all of a group, so that its cache keeps the weights. With
   `by_rows`, a block of lanes, which fits into the nearest cache, takes all groups before the next
   block; else each group's weights are fetched once for all lanes. */
static void each(Thread thread, Region *region, size_t time,
                 void (*compute)(const Layer *, Region *, size_t, size_t, size_t, size_t)) {
    size_t blocks = pieces(region->lanes, BLOCK), count = region->groups * blocks;
    size_t begin = share(thread, thread.number, count);
    size_t end = share(thread, thread.number + 1, count);
    size_t group = begin / blocks, groups = pieces(end, blocks) - group;
    size_t outer = region->by_rows ? blocks : groups, inner = region->by_rows ? groups : blocks;
    for (size_t i = 0; i < outer; i++)
        for (size_t j = 0; j < inner; j++) {
            size_t block = region->by_rows ? i : j;
            size_t item = (group + (region->by_rows ? j : i)) * blocks + block;
            if (begin <= item && item < end) {
                size_t first = block * BLOCK, left = region->lanes - first;
                compute(region->layer, region, time, item / blocks, first,
                        left < BLOCK ? left : BLOCK);
            }
        }
}

/* Returns the tiles of some rows, in whole blocks. */
static size_t row_tiles(size_t rows) { return pieces(rows, BLOCK) * (BLOCK / TILE_ROWS); }

/* Divides the work among the threads. Weights that fit into a core's own cache (of a megabyte or
   more) stay there from one step to the next. If all weights fit, each thread takes its own lanes
   and need not wait for the others; else each takes some units, for all lanes, and all wait for
   each other's h after every character. */
static void divide(Region *region, size_t row_tile_bytes) {
    enum { NEAR = 1 << 20 };
    const size_t threads = region->layer->threads.most, batch = region->layer->batch;
    const size_t bytes = region->panels * region->panel_bytes;
    region->apart = bytes <= NEAR && batch >= TILE_ROWS * threads;
    region->by_rows = region->apart || bytes <= NEAR * threads;
    region->lanes = batch;
    region->row_tile_bytes = row_tile_bytes;
    /* Enough for all lanes, or for each thread's, even if fewer threads run than requested. */
    const size_t blocks = region->apart ? (batch + threads) / BLOCK + 1 + threads : pieces(batch, BLOCK);
    region->tile_bytes = blocks * (BLOCK / TILE_ROWS) * row_tile_bytes;
}

/* Returns this thread's part of the region. */
static Region own_region(const Region *common, Thread thread) {
    Region own = *common;
    if (common->apart) {
        size_t tiles = row_tiles(pieces(common->lanes, thread.count));
        size_t before = thread.number * tiles * common->row_tile_bytes;
        own.first = share(thread, thread.number, common->lanes);
        own.lanes = share(thread, thread.number + 1, common->lanes) - own.first;
        own.tiles[0] += before;
        own.tiles[1] += before;
    }
    return own;
}

/* Packs this thread's share of the panels. */
static void pack_all(Thread thread, Region *common,
                     void (*pack)(const Layer *, Region *, size_t)) {
    size_t end = share(thread, thread.number + 1, common->panels);
    for (size_t panel = share(thread, thread.number, common->panels); panel < end; panel++)
        pack(common->layer, common, panel);
}

/* Computes all steps of this thread, from the first time to the last. */
static void steps(Thread thread, Region *common, Region *own, size_t first, size_t last,
                  void (*compute)(const Layer *, Region *, size_t, size_t, size_t, size_t)) {
    const int matrix_unit = kinds[common->layer->kind].matrix_unit;
    const Thread alone = {0, 1};
    if (matrix_unit)
        configure_matrix_unit();
    meet(common, thread.count);
    for (size_t time = first;; time += first < last ? 1 : (size_t)-1) {
        each(own->apart ? alone : thread, own, time, compute);
        if (time == last)
            break;
        if (!own->apart)
            meet(common, thread.count);
    }
    if (matrix_unit)
        release_matrix_unit();
}

static void forward_region(void *shared) {
    Region *common = shared;
    const Layer *layer = common->layer;
    const Kind *kind = &kinds[layer->kind];
    Thread thread = this_thread(&layer->threads);
    Region own = own_region(common, thread);
    pack_all(thread, common, kind->pack_forward);
    size_t end = share(thread, thread.number + 1, layer->batch);
    for (size_t row = share(thread, thread.number, layer->batch); row < end; row++)
        kind->begin(layer, &own, row);
    steps(thread, common, &own, 0, layer->time - 1, kind->forward);
}

static void backward_region(void *shared) {
    Region *common = shared;
    const Layer *layer = common->layer;
    const Kind *kind = &kinds[layer->kind];
    Thread thread = this_thread(&layer->threads);
    Region own = own_region(common, thread);
    pack_all(thread, common, kind->pack_backward);
    steps(thread, common, &own, layer->time, 0, kind->backward);
}

static void run(const Threads *threads, void (*work)(void *), void *shared) {
    if (threads->parallel && threads->most > 1)
        threads->parallel(work, shared, (unsigned)threads->most, 0);
    else
        work(shared);
}

/* Allocates memory for the panels and the tiles, and does the work. Returns -1 without memory. */
static int work_with_memory(const Threads *threads, void (*work)(void *), Region *region) {
    size_t weights = region->panels * region->panel_bytes;
    char *memory = aligned_alloc(TILE_ROW, weights + 2 * region->tile_bytes);
    if (!memory)
        return -1;
    region->weights = memory;
    region->tiles[0] = memory + weights;
    region->tiles[1] = region->tiles[0] + region->tile_bytes;
    memset(region->tiles[0], 0, 2 * region->tile_bytes); /* beyond the last unit and lane */
    run(threads, work, region);
    free(memory);
    return 0;
}

/* Computes the outputs, h, c and, for the backward pass, the gates. */
int charrnn_forward(const Layer *layer) {
    const Kind *kind = &kinds[layer->kind];
    size_t elements = TILE_ROW / kind->element_bytes, at_once = elements / kind->floats;
    size_t units = kind->floats, vectors = layer->gates;
    if (layer->cell == RNN)
        units = 4 * kind->floats, vectors = 4, at_once = 1;
    Region region = {.layer = layer, .depth = pieces(layer->hidden, elements)};
    region.panels = pieces(layer->hidden, units);
    region.groups = pieces(region.panels, at_once);
    region.panel_bytes = region.depth * TILE_WORDS * vectors * kind->floats * 4;
    divide(&region, region.depth * TILE);
    return work_with_memory(&layer->threads, forward_region, &region);
}

/* Computes dx (and dinner). h and dc hold the gradients of the last state, then of the first. */
int charrnn_backward(const Layer *layer) {
    const Kind *kind = &kinds[layer->kind];
    Region region = {.layer = layer, .depth = pieces(layer->hidden * kind->element_bytes, TILE_ROW)};
    region.groups = region.panels = pieces(layer->hidden, 4 * kind->floats);
    region.panel_bytes = layer->gates * region.depth * TILE_WORDS * 4 * kind->floats * 4;
    divide(&region, layer->gates * region.depth * TILE);
    return work_with_memory(&layer->threads, backward_region, &region);
}

/* Returns where a thread's share of the columns begins. */
static size_t column(Thread thread, size_t number, size_t width) {
    enum { STRIP = 64 };
    size_t at = share(thread, number, pieces(width, STRIP)) * STRIP;
    return at < width ? at : width;
}

static void sum_region(void *shared) {
    const Sum *sum = shared;
    Thread thread = this_thread(&sum->threads);
    kinds[sum->kind].sum_rows(sum, column(thread, thread.number, sum->width),
                              column(thread, thread.number + 1, sum->width));
}

/* Adds up the gradients of a table's rows, or of a bias. */
void charrnn_sum_rows(const Sum *sum) {
    run(&sum->threads, sum_region, (void *)sum);
}

uint64_t charrnn_layout(void) {
    uint64_t hash = LAYOUT_START;
    STRUCTURE(Threads) FIELD(Threads, parallel) FIELD(Threads, number) FIELD(Threads, count)
    FIELD(Threads, most)
    STRUCTURE(Layer) FIELD(Layer, threads) FIELD(Layer, kind) FIELD(Layer, cell) FIELD(Layer, time)
    FIELD(Layer, batch) FIELD(Layer, hidden) FIELD(Layer, gates) FIELD(Layer, weight)
    FIELD(Layer, inner_bias) FIELD(Layer, x) FIELD(Layer, index) FIELD(Layer, outputs)
    FIELD(Layer, gates_kept) FIELD(Layer, c) FIELD(Layer, c_stride) FIELD(Layer, h)
    FIELD(Layer, doutputs) FIELD(Layer, dc) FIELD(Layer, dx) FIELD(Layer, dinner)
    STRUCTURE(Sum) FIELD(Sum, threads) FIELD(Sum, kind) FIELD(Sum, count) FIELD(Sum, width)
    FIELD(Sum, rows) FIELD(Sum, index) FIELD(Sum, sums)
    FUNCTION(charrnn_kind, 2, sizeof(char *))
    FUNCTION(charrnn_forward, 1, sizeof(int))
    FUNCTION(charrnn_backward, 1, sizeof(int))
    FUNCTION(charrnn_sum_rows, 1, 0)
    return hash;
}
