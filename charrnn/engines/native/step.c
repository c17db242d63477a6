/* The native engine's step: one character in every lane. See native_engine.py.

   The columns of a layer are divided into panels, whose weights are contiguous and read in order.
   A panel has four vectors of sums side by side: the gates of the same units (for the plain RNN and
   the head, four times as many units). So its sums stay in registers until its units are done, and
   panels can be computed in any order and by any thread.

   Fused products and sums, which are rounded once, are written out as MULTIPLY_ADD and never left
   to the compiler: rows computed one, two or six at a time must agree, and so must texts read at
   once and by the character.

   The arrays are trusted to have the sizes that native_engine.py gives them; ids are checked. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "layout.h"

/* The cells, and the products without a cell: those of the head and of a layer's inputs. */
enum kind { RNN, GRU, LSTM, SUMS, GRU_SUMS };

typedef struct {
    size_t panels;
    const float *start;     /* (V or 1, panels, 4, FLOATS): the first layer's table, or biases */
    const float *input;     /* (panels, H, 3 or 4, FLOATS); NULL in the first layer */
    const float *recurrent; /* the same; NULL in the head */
} Layer;

typedef struct {
    size_t processor, cell, symbols, hidden_size, layer_count; /* the head is the last */
    const Layer *layers;
} Model;

typedef struct Helper Helper;

typedef struct {
    const Model *model;
    size_t count, state_stride, score_stride;
    const int64_t *ids; /* (B) */
    float *h, *c;       /* (L, B, state_stride) */
    float *outputs;     /* (L, B, state_stride): h of the layers computed in this step */
    float *scores;      /* (B, score_stride) */
    Helper *helper;     /* may be NULL */
} Lanes;

/* The computation of a layer, or of its input product alone, for some rows. */
typedef struct {
    enum kind kind;
    size_t processor, panels, rows, length, stride; /* H; from row to row of below, h, c and out */
    const float *starts; /* the starts of the sums, by the row's id or by the row */
    size_t start_stride; /* 0 if all rows have the same start */
    const int64_t *ids;  /* (rows), or NULL */
    size_t vocabulary_size;
    const float *input, *recurrent; /* weights; NULL leaves out the product */
    const float *below, *h;
    float *c, *out;
    size_t out_stride; /* the stride of sums */
} Task;

#if defined(__x86_64__)
#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx2,fma")))
#define FLOATS 16
#define LANES 6
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#include "panel.h"
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define FLOATS 8
#define LANES 2
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)
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
#if defined(__aarch64__)
#define MULTIPLY_ADD(a, b, c)                                                                      \
    (Vector_plain)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b))
#else /* the processor may lack fused multiply-add: rounded twice */
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
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

static void compute(const Task *task, size_t panel) {
    processors[task->processor].panel(task, panel);
}

#include "helper.h"

/* Return the numbers in a vector of entry `processor`; 0 if this processor does not support it,
   -1 if there is no such entry. The fastest entries come first. */
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

/* Apply tanh to `count` numbers in place, a multiple of the numbers in a vector. */
void charrnn_tanh(size_t processor, float *x, size_t count) {
    processors[processor].tanh(x, count);
}

/* Return the task of layer `number` for all lanes, without the memory it reads and writes. */
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
        .input = layer->input,
        .recurrent = layer->recurrent,
        .out_stride = lanes->score_stride,
    };
}

static int all_known(const Model *model, const int64_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((uint64_t)ids[i] >= model->symbols)
            return 0;
    return 1;
}

/* Read one character in every lane. Returns 1, and reads nothing, if an id is not in the
   vocabulary. */
int charrnn_step(const Lanes *lanes) {
    if (!all_known(lanes->model, lanes->ids, lanes->count))
        return 1;
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
    return 0;
}

/* Compute the first layer's table (V, panels, 4, FLOATS), each id's input products with biases,
   from a layer whose start is its biases, and embeddings (V, E). */
void charrnn_fold(size_t processor, size_t cell, const Layer *layer, const float *embeddings,
                  size_t count, size_t length, float *table) {
    const Task task = {
        .kind = cell == GRU ? GRU_SUMS : SUMS,
        .processor = processor,
        .panels = layer->panels,
        .rows = count,
        .length = length,
        .stride = length,
        .starts = layer->start,
        .input = layer->input,
        .below = embeddings,
        .out = table,
        .out_stride = layer->panels * 4 * processors[processor].floats,
    };
    run(NULL, &task);
}

/* Read ids (T, B) with the same bits as single steps, and write scores (T, B, score_stride)
   unless they are NULL. Returns as charrnn_step does. Computes layer by layer, so that the input
   products read a layer's weights once for all characters. `sums` (T, B, panels, 4, FLOATS) keeps
   these products, `history` (T, B, state_stride) the outputs of a layer. */
int charrnn_read(const Lanes *lanes, const int64_t *ids, float *scores, float *sums,
                 float *history, size_t time) {
    if (!all_known(lanes->model, ids, time * lanes->count))
        return 1;
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
    return 0;
}

#include "attention.h"

uint64_t charrnn_layout(void) {
    uint64_t hash = LAYOUT_START;
    STRUCTURE(Layer) FIELD(Layer, panels) FIELD(Layer, start) FIELD(Layer, input)
    FIELD(Layer, recurrent)
    STRUCTURE(Model) FIELD(Model, processor) FIELD(Model, cell) FIELD(Model, symbols)
    FIELD(Model, hidden_size) FIELD(Model, layer_count) FIELD(Model, layers)
    STRUCTURE(Lanes) FIELD(Lanes, model) FIELD(Lanes, count) FIELD(Lanes, state_stride)
    FIELD(Lanes, score_stride) FIELD(Lanes, ids) FIELD(Lanes, h) FIELD(Lanes, c)
    FIELD(Lanes, outputs) FIELD(Lanes, scores) FIELD(Lanes, helper)
    STRUCTURE(Attention) FIELD(Attention, window) FIELD(Attention, size) FIELD(Attention, start)
    FIELD(Attention, found_stride) FIELD(Attention, joined_stride) FIELD(Attention, weight_stride)
    FIELD(Attention, logit_stride) FIELD(Attention, keys) FIELD(Attention, values)
    FIELD(Attention, biases) FIELD(Attention, weights) FIELD(Attention, found)
    FIELD(Attention, joined) FIELD(Attention, norm_weight) FIELD(Attention, norm_bias)
    FIELD(Attention, logits) FIELD(Attention, output) FIELD(Attention, head)
    FUNCTION(charrnn_floats, 1, sizeof(int))
    FUNCTION(charrnn_tanh, 3, 0)
    FUNCTION(charrnn_step, 1, sizeof(int))
    FUNCTION(charrnn_fold, 7, 0)
    FUNCTION(charrnn_read, 6, sizeof(int))
    FUNCTION(charrnn_attend, 4, 0)
    FUNCTION(charrnn_help, 1, sizeof(int))
    FUNCTION(charrnn_stop_help, 1, 0)
    return hash;
}
