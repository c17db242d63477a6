/* Runs a model on every kind of processor of int8.c, for test_int8_elsewhere.py: reads it from
   standard input, as written there, and writes the scores of single steps and of reading at once,
   then tanh and exp of some numbers, then the ids that are drawn from the scores with some filters.
   The names of the kinds go to stderr. */

#include <stdio.h>
#include <stdlib.h>

#include "int8.c"

static void *numbers(size_t count, size_t size) {
    void *memory = aligned_alloc(64, (count * size + 128) / 64 * 64);
    if (memory == NULL || fread(memory, size, count, stdin) != count)
        exit(2);
    return memory;
}

static size_t number(void) {
    uint64_t *each = numbers(1, 8);
    return (size_t)*each;
}

static void *floats(void) {
    const size_t count = number();
    return count == 0 ? NULL : numbers(count, 4);
}

/* The starts are for an offset of -1. */
static int32_t *starts_of(const int32_t *sums, size_t count, int offset) {
    int32_t *starts = malloc(count * sizeof *starts + 1);
    for (size_t i = 0; i < count; i++)
        starts[i] = -offset * sums[i];
    return starts;
}

static void put(const void *memory, size_t count) {
    if (fwrite(memory, 4, count, stdout) != count)
        exit(3);
}

static double bias[67];

/* The filters of FILTERS in the test. */
static const Filters FILTERS[] = {
    {67, 0, 0, 0.8, 0, 1, 0},
    {67, 20, 0, 1, 0.9, 1, 0},
    {67, 0, 1.3, 0.7, 0, -3, 0.9},
    {67, 0, 1.3, 0.9, 0, 1, 0, 0.7, -0.3, bias},
};

static void put_draws(size_t processor, const float *scores, size_t stride, size_t rows) {
    uint8_t allowed[67], recent[67];
    uint32_t counts[67];
    const size_t strides[3] = {0, 0, 0};
    for (size_t i = 0; i < 67; i++) {
        allowed[i] = i % 5 != 1, recent[i] = i % 3 == 0, counts[i] = (uint32_t)(i % 4);
        bias[i] = ((double)(i % 7) - 3) * 0.3;
    }
    double *uniforms = malloc(rows * sizeof *uniforms);
    int64_t *ids = malloc(rows * sizeof *ids);
    for (size_t row = 0; row < rows; row++)
        uniforms[row] = ((double)row + 0.5) / (double)rows;
    for (size_t i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++) {
        charrnn_choose(processor, &FILTERS[i], scores, stride, rows, allowed, recent, counts,
                       strides, uniforms, ids);
        for (size_t row = 0; row < rows; row++)
            put(&ids[row], 1); /* the lower half: all these machines are little-endian */
    }
}

int main(void) {
    Model model = {0, number(), number(), number(), number(), NULL};
    const size_t count = number(), time = number(), stride = number(), score_stride = number();
    Layer layers[8];
    const int32_t *sums[8][2][2];
    for (size_t i = 0; i < model.layer_count; i++) {
        layers[i].panels = number();
        layers[i].start = floats();
        Weights *weights[2] = {&layers[i].input, &layers[i].recurrent};
        for (int k = 0; k < 2; k++) {
            weights[k]->weight = floats();
            weights[k]->scale = floats();
            weights[k]->rest = floats();
            sums[i][k][0] = floats();
            sums[i][k][1] = floats();
        }
    }
    model.layers = layers;
    const int64_t *ids = numbers(time * count, 8);
    const size_t functions = number();
    const float *x = numbers(functions, 4);
    const size_t size = model.layer_count * count * stride, scores = count * score_stride;
    for (size_t processor = 0; charrnn_int8_processor(processor) != NULL; processor++) {
        if (!*charrnn_int8_processor(processor))
            continue;
        fprintf(stderr, "%s\n", charrnn_int8_processor(processor));
        model.processor = processor;
        for (size_t i = 0; i < model.layer_count; i++) {
            const int offset = charrnn_int8_offset(processor);
            Weights *weights[2] = {&layers[i].input, &layers[i].recurrent};
            for (int k = 0; k < 2; k++) {
                weights[k]->start = starts_of(sums[i][k][0], layers[i].panels * 64, offset);
                weights[k]->rest_start = starts_of(sums[i][k][1], layers[i].panels * 64, offset);
            }
        }
        float *all = calloc(time * scores, 4);
        for (int once = 0; once < 2; once++) {
            Lanes lanes = {.model = &model, .count = count, .active = count};
            lanes.state_stride = stride;
            lanes.score_stride = score_stride;
            lanes.h = calloc(size, 4), lanes.c = model.cell == LSTM ? calloc(size, 4) : lanes.h;
            lanes.bytes = calloc(4 * count, stride), lanes.lost = calloc(2, count);
            lanes.scores = calloc(scores, 4);
            if (once) {
                float *starts = calloc(time * count * layers[0].panels * 64, 4);
                uint8_t *history = calloc(2 * time * count, stride), *lost = calloc(time, count);
                charrnn_int8_read(&lanes, ids, all, starts, history, lost, NULL, time);
                put(all, time * scores);
            }
            for (size_t t = 0; t < time && !once; t++) {
                lanes.ids = ids + t * count;
                charrnn_int8_step(&lanes);
                put(lanes.scores, scores);
            }
        }
        for (int k = 0; k < 2; k++) {
            float *values = malloc(functions * 4);
            memcpy(values, x, functions * 4);
            (k ? charrnn_int8_exp : charrnn_int8_tanh)(processor, values, functions);
            put(values, functions);
        }
        put_draws(processor, all, score_stride, time * count);
    }
    return 0;
}
