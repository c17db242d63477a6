/* Runs a memory, for test_elsewhere.py: reads it from standard input, as written there, scores ids
   with and without a network, and writes their probabilities, a distribution, what it learned, and the code of the ids. */

#include <stdio.h>
#include <stdlib.h>

#include "memory.c"

static size_t sizes[32];

/* Return the next array, whose bytes come after their number. */
static void *array(size_t place) {
    uint64_t size;
    if (fread(&size, sizeof size, 1, stdin) != 1)
        exit(2);
    void *memory = malloc(size + 1);
    if (memory == NULL || fread(memory, 1, size, stdin) != size)
        exit(2);
    sizes[place] = size;
    return memory;
}

static void put(const void *memory, size_t size) {
    if (fwrite(memory, 1, size, stdout) != size)
        exit(3);
}

int main(void) {
    const uint64_t *settings = array(0);
    void *arrays[13];
    for (size_t i = 0; i < 13; i++)
        arrays[i] = array(i);
    Memory memory = {settings[0], settings[1], settings[2], settings[3], settings[4], settings[5],
                     arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], arrays[6],
                     arrays[7], arrays[8], arrays[9], arrays[10], arrays[11], arrays[12],
                     calloc(1, charrnn_memory_scratch())};
    const size_t vocabulary = memory.vocabulary;
    float *tree = calloc((size_t)2 << memory.decisions, sizeof *tree);
    charrnn_memory_prepare(&memory, tree);
    const int32_t *ids = array(13);
    const size_t count = sizes[13] / sizeof *ids;
    const float *logits = array(14);
    double *found = calloc(count + vocabulary, sizeof *found);
    charrnn_memory_learn(&memory, ids, count);
    charrnn_memory_score(&memory, ids, NULL, found, count);
    charrnn_memory_score(&memory, ids, logits, found, count);
    charrnn_memory_distribution(&memory, memory.context, logits, 1, tree, found + count);
    put(found, (count + vocabulary) * sizeof *found);
    for (size_t i = 0; i < 13; i++)
        put(arrays[i], sizes[i]);
    uint8_t *code = calloc(count, 3 * memory.decisions);
    Encoder encoder = {0, (uint64_t)1 << CODE_BITS, code, 0, count * 3 * memory.decisions};
    if (charrnn_memory_encode(&memory, &encoder, ids, logits, count) != count)
        return 4;
    put(&encoder.low, sizeof encoder.low);
    put(&encoder.range, sizeof encoder.range);
    put(code, encoder.size);
    return 0;
}
