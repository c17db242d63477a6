/* The int8 engine: one character in every lane, with weights and activations of int8. See
   int8_engine.py; int8_numpy.py computes the same bits.

   The columns of a layer are divided into panels, whose weights are contiguous and read in order.
   A panel has four blocks of 16 sums side by side: the gates of the same 16 units (for the plain RNN
   and the head, 64 units). For four inputs after another it has 16 x 4 weights of each block, as
   the instructions for products of int8 take them. So the sums of a panel stay in registers until
   its units are done. All processors read the same layout.

   The arrays are trusted to have the sizes that int8_engine.py gives them; ids are checked. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

#include "layout.h"

/* The cells, and the products without a cell: those of the head and of a layer's inputs. */
enum kind { RNN, GRU, LSTM, SUMS, GRU_SUMS };

typedef struct {
    const int8_t *weight;       /* (panels, fours, 3 or 4, 16, 4) */
    const float *scale;         /* (panels, 3 or 4, 16) */
    const int32_t *start;       /* the same: what undoes the offset of the bytes */
    const int8_t *rest;         /* as `weight`: the remainders of weights of 16 bits, or NULL */
    const int32_t *rest_start;  /* as `start`, for the products with remainders */
} Weights;

#define REST (1.0f / 254.0f) /* what a remainder of 1 is worth */

/* The GRU has blocks n, r, z and the candidate's recurrent part: its input weights are those of
   n, r, z and its recurrent weights those of r, z, n. */
typedef struct {
    size_t panels;
    const float *start;       /* (V or 1, panels, 4, 16): the first layer's table, or biases */
    Weights input, recurrent; /* NULL weights: the first layer's input, the head's recurrent */
} Layer;

typedef struct {
    size_t processor, cell, symbols, hidden_size, layer_count; /* the head is the last */
    const Layer *layers;
} Model;

typedef struct {
    const Model *model;
    size_t count, active, state_stride, score_stride; /* the first `active` lanes are stepped */
    const int64_t *ids; /* (B) */
    float *h, *c;       /* (L, B, state_stride) */
    uint8_t *bytes;     /* (2, B, 2 state_stride): activations, each row before its remainders */
    uint8_t *lost;      /* (2, B): whether a row of them has NaN, which has no byte */
    float *scores;      /* (B, score_stride) */
} Lanes;

/* The computation of a layer, or of its input product alone, for some rows. */
typedef struct {
    enum kind kind;
    size_t panels, rows, fours, stride; /* from row to row of h and c; twice that of bytes */
    const float *starts;                /* the starts of the sums, by the row's id or by the row */
    size_t start_stride;                /* 0 if all rows have the same start */
    const int64_t *ids;                 /* (rows), or NULL */
    const Weights *input, *recurrent;   /* NULL leaves out the product */
    const uint8_t *below, *own;         /* the bytes of the layer below, and of the layer's own h */
    const uint8_t *below_lost, *own_lost;
    float *h, *c;      /* updated in place */
    float *out;        /* sums */
    size_t out_stride; /* the stride of sums */
} Task;

#include "filters.h"

#include "int8_processors.h"

/* Return the name of entry `processor`; "" if this processor does not support it, NULL if there is
   no such entry. */
const char *charrnn_int8_processor(size_t processor) {
    if (processor >= sizeof processors / sizeof *processors)
        return NULL;
    return processors[processor].supported() ? processors[processor].name : "";
}

/* Return what entry `processor` adds to the whole number of an activation to make its byte. */
int charrnn_int8_offset(size_t processor) { return processors[processor].offset; }

/* Apply tanh or exp to `count` numbers in place, a multiple of 16. */
void charrnn_int8_tanh(size_t processor, float *x, size_t count) {
    processors[processor].tanh(x, count);
}

void charrnn_int8_exp(size_t processor, float *x, size_t count) {
    processors[processor].exp(x, count);
}

/* Return the sum of `count` numbers in the order of int8_numbers.py. */
float charrnn_int8_total(const float *x, size_t count) {
    float sums[16] = {0};
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (size_t k = 0; k < 16; k++)
            sums[k] += x[i + k];
    for (size_t k = 0; i < count; i++, k++)
        sums[k] += x[i];
    for (size_t middle = 8; middle > 0; middle /= 2)
        for (size_t k = 0; k < middle; k++)
            sums[k] += sums[k + middle];
    return sums[0];
}

/* Add to each row of a table (rows, count) a row of x (rows, length) times the weight (length,
   count). */
void charrnn_int8_fold(size_t processor, float *table, const float *x, const float *weight,
                       size_t rows, size_t count, size_t length) {
    for (size_t row = 0; row < rows; row++)
        processors[processor].fold(table + row * count, x + row * length, weight, count, length);
}

/* Write the bytes of `rows` rows of activations, and for each whether it has NaN. */
static void quantize_rows(size_t processor, const float *x, uint8_t *bytes, uint8_t *lost,
                          size_t rows, size_t stride) {
    for (size_t row = 0; row < rows; row++)
        lost[row] =
            (uint8_t)processors[processor].quantize(x + row * stride, bytes + row * 2 * stride, stride);
}

static void fill(float *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        x[i] = NAN;
}

/* Compute all panels of a task. Rows that read NaN become NaN. */
static void run(const Model *model, const Task *task) {
    for (size_t panel = 0; panel < task->panels; panel++)
        processors[model->processor].panel(task, panel);
    for (size_t row = 0; row < task->rows; row++) {
        if (!(task->input && task->below_lost[row]) && !(task->recurrent && task->own_lost[row]))
            continue;
        if (task->kind >= SUMS) {
            fill(task->out + row * task->out_stride, task->panels * 64);
        } else {
            fill(task->h + row * task->stride, model->hidden_size);
            fill(task->c + row * task->stride, model->hidden_size);
        }
    }
}

/* Return the task of layer `number` for the active lanes, without the memory it reads and writes. */
static Task task_of(const Lanes *lanes, size_t number) {
    const Model *model = lanes->model;
    const Layer *layer = &model->layers[number];
    const int head = number + 1 == model->layer_count;
    const size_t place = number * lanes->count * lanes->state_stride;
    return (Task){
        .kind = head ? SUMS : (enum kind)model->cell,
        .panels = layer->panels,
        .rows = lanes->active,
        .fours = (model->hidden_size + 3) / 4,
        .stride = lanes->state_stride,
        .starts = layer->start,
        .start_stride = number == 0 ? layer->panels * 64 : 0,
        .ids = number == 0 ? lanes->ids : NULL,
        .input = number == 0 ? NULL : &layer->input,
        .recurrent = head ? NULL : &layer->recurrent,
        .h = head ? NULL : lanes->h + place,
        .c = head ? NULL : lanes->c + place,
        .out_stride = lanes->score_stride,
    };
}

static int all_known(const Model *model, const int64_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((uint64_t)ids[i] >= model->symbols)
            return 0;
    return 1;
}

/* Read one character in every active lane. Returns 1, and reads nothing, if an id is not in the
   vocabulary. */
int charrnn_int8_step(const Lanes *lanes) {
    const Model *model = lanes->model;
    if (!all_known(model, lanes->ids, lanes->active))
        return 1;
    const size_t last = model->layer_count - 1, rows = lanes->active, stride = lanes->state_stride;
    uint8_t *below = lanes->bytes, *own = lanes->bytes + rows * 2 * stride;
    uint8_t *below_lost = lanes->lost, *own_lost = lanes->lost + rows;
    for (size_t number = 0; number <= last; number++) {
        Task task = task_of(lanes, number);
        task.below = below, task.below_lost = below_lost;
        if (number < last) {
            quantize_rows(model->processor, task.h, own, own_lost, rows, stride);
            task.own = own, task.own_lost = own_lost;
        }
        task.out = lanes->scores;
        run(model, &task);
        if (number < last)
            quantize_rows(model->processor, task.h, below, below_lost, rows, stride);
    }
    return 0;
}

/* Read ids (T, B) with the same bits as single steps, all lanes being active, and write scores (T, B, score_stride)
   unless they are NULL. Returns as charrnn_int8_step does. Computes layer by layer, so that the
   input products read a layer's weights once for all characters. `starts` (T, B, panels, 4, 16)
   keeps these products, `history` (T, B, 2 state_stride) and `lost` (T, B) the activations of a
   layer. `tops` (T, B, state_stride) receives h of the top layer, unless it is NULL. */
int charrnn_int8_read(const Lanes *lanes, const int64_t *ids, float *scores, float *starts,
                      uint8_t *history, uint8_t *lost, float *tops, size_t time) {
    const Model *model = lanes->model;
    if (!all_known(model, ids, time * lanes->count))
        return 1;
    const size_t last = model->layer_count - 1, rows = lanes->count, stride = lanes->state_stride;
    for (size_t number = 0; number <= last; number++) {
        Task task = task_of(lanes, number);
        if (number > 0 && (number < last || scores != NULL)) {
            Task product = task;
            product.kind = task.kind == GRU ? GRU_SUMS : SUMS;
            product.rows = time * rows;
            product.recurrent = NULL;
            product.below = history, product.below_lost = lost;
            product.out = number < last ? starts : scores;
            if (number < last)
                product.out_stride = task.panels * 64;
            run(model, &product);
            task.input = NULL;
            task.start_stride = product.out_stride;
        }
        if (number == last)
            break;
        quantize_rows(model->processor, task.h, lanes->bytes, lanes->lost, rows, stride);
        task.own = lanes->bytes, task.own_lost = lanes->lost;
        for (size_t t = 0; t < time; t++) {
            if (number == 0)
                task.ids = ids + t * rows;
            else
                task.starts = starts + t * rows * task.start_stride;
            run(model, &task);
            uint8_t *bytes = history + t * rows * 2 * stride;
            quantize_rows(model->processor, task.h, bytes, lost + t * rows, rows, stride);
            task.own = bytes, task.own_lost = lost + t * rows;
            if (tops != NULL && number + 1 == last)
                memcpy(tops + t * rows * stride, task.h, rows * stride * sizeof(float));
        }
    }
    return 0;
}

#include "int8_attention.h"
#include "int8_choose.h"
#include "int8_write.h"

uint64_t charrnn_layout(void) {
    uint64_t hash = LAYOUT_START;
    STRUCTURE(Weights) FIELD(Weights, weight) FIELD(Weights, scale) FIELD(Weights, start)
    FIELD(Weights, rest) FIELD(Weights, rest_start)
    STRUCTURE(Layer) FIELD(Layer, panels) FIELD(Layer, start) FIELD(Layer, input)
    FIELD(Layer, recurrent)
    STRUCTURE(Model) FIELD(Model, processor) FIELD(Model, cell) FIELD(Model, symbols)
    FIELD(Model, hidden_size) FIELD(Model, layer_count) FIELD(Model, layers)
    STRUCTURE(Lanes) FIELD(Lanes, model) FIELD(Lanes, count) FIELD(Lanes, active)
    FIELD(Lanes, state_stride) FIELD(Lanes, score_stride) FIELD(Lanes, ids) FIELD(Lanes, h) FIELD(Lanes, c)
    FIELD(Lanes, bytes) FIELD(Lanes, lost) FIELD(Lanes, scores)
    STRUCTURE(Attention) FIELD(Attention, window) FIELD(Attention, size) FIELD(Attention, start)
    FIELD(Attention, weight_stride) FIELD(Attention, logit_stride) FIELD(Attention, keys)
    FIELD(Attention, values) FIELD(Attention, biases) FIELD(Attention, weights)
    FIELD(Attention, found) FIELD(Attention, output) FIELD(Attention, norm_weight)
    FIELD(Attention, norm_bias) FIELD(Attention, joined) FIELD(Attention, logits)
    FIELD(Attention, bias) FIELD(Attention, head)
    STRUCTURE(Filters) FIELD(Filters, vocabulary) FIELD(Filters, top_k) FIELD(Filters, penalty)
    FIELD(Filters, temperature) FIELD(Filters, top_p) FIELD(Filters, log_min_p)
    FIELD(Filters, typical) FIELD(Filters, presence) FIELD(Filters, frequency)
    FIELD(Filters, bias)
    STRUCTURE(Rules) FIELD(Rules, filters) FIELD(Rules, allowed) FIELD(Rules, length)
    FIELD(Rules, min_length) FIELD(Rules, window) FIELD(Rules, longest_stop)
    FIELD(Rules, stop_count) FIELD(Rules, stops) FIELD(Rules, stop_ends) FIELD(Rules, scored)
    STRUCTURE(Queue) FIELD(Queue, text_keys) FIELD(Queue, count) FIELD(Queue, taken)
    FIELD(Queue, rules) FIELD(Queue, h) FIELD(Queue, c) FIELD(Queue, keys) FIELD(Queue, values)
    FIELD(Queue, ids) FIELD(Queue, id_count)
    STRUCTURE(Text) FIELD(Text, rules) FIELD(Text, entry) FIELD(Text, key) FIELD(Text, made)
    FIELD(Text, before)
    STRUCTURE(Writer) FIELD(Writer, lanes) FIELD(Writer, attention) FIELD(Writer, texts)
    FIELD(Writer, next) FIELD(Writer, rings) FIELD(Writer, ring_size) FIELD(Writer, room)
    FIELD(Writer, interrupted) FIELD(Writer, begun) FIELD(Writer, ids) FIELD(Writer, ends)
    FIELD(Writer, scores) FIELD(Writer, masks) FIELD(Writer, counts) FIELD(Writer, memory)
    FUNCTION(charrnn_int8_processor, 1, sizeof(char *))
    FUNCTION(charrnn_int8_offset, 1, sizeof(int))
    FUNCTION(charrnn_int8_tanh, 3, 0)
    FUNCTION(charrnn_int8_exp, 3, 0)
    FUNCTION(charrnn_int8_total, 2, sizeof(float))
    FUNCTION(charrnn_int8_fold, 7, 0)
    FUNCTION(charrnn_int8_step, 1, sizeof(int))
    FUNCTION(charrnn_int8_read, 8, sizeof(int))
    FUNCTION(charrnn_int8_attend, 4, 0)
    FUNCTION(charrnn_int8_next, 2, sizeof(int))
    FUNCTION(charrnn_exp, 3, 0)
    FUNCTION(charrnn_choose, 11, sizeof(int))
    FUNCTION(charrnn_int8_write, 3, sizeof(int64_t))
    return hash;
}
