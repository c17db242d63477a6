/* A memory: what followed where in the text that was read, mixed with what a network predicts. See
   engines/memory/memory.py; reference.py computes the same bits.

   An id is coded as decisions, its bits from the highest on:

       memory_begin(memory, logits);                    NULL logits without a network
       while (memory_undecided(memory)) {
           uint32_t p = memory_predict_bit(memory);     that the decision is 1, of 2^MEMORY_BITS
           int bit = ...;                               encoding: memory_bit(memory, id)
           memory_update_bit(memory, bit);
       }
       int32_t id = memory_end(memory);                 appended to what was read

   memory_predict_bit comes before each memory_update_bit. Decisions whose other side holds no id
   are left out. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BITS 22
#define CONTEXT 32

typedef struct {
    size_t vocabulary, decisions, table_bits;
    size_t prefix, left; /* the bits that were decided, and how many are not */
    size_t has_network;
    int32_t *context;    /* (CONTEXT): the last ids; -1 before the first */
    uint16_t *counters;  /* (2^table_bits) */
    uint32_t *shares;    /* (V): in proportion to the network's probabilities */
} Memory;

static inline int memory_undecided(const Memory *memory) { return memory->left > 0; }

static inline int memory_bit(const Memory *memory, int32_t id) {
    return (int)((size_t)id >> (memory->left - 1) & 1);
}

/* Take the decisions whose other side holds no id. */
static inline void memory_skip(Memory *memory) {
    while (memory->left > 0 &&
           (memory->prefix * 2 + 1) << (memory->left - 1) >= memory->vocabulary) {
        memory->prefix *= 2;
        memory->left--;
    }
}

static inline float memory_exp(float x) {
    const float rounding = 12582912.0f;
    x = x < -104.0f ? -104.0f : x;
    const float shifted = x * 1.44269504f + rounding;
    const float k = shifted - rounding;
    const float r = x - k * 0.693359375f - k * -2.12194440e-4f;
    float p = r * 0.0013813372f + 0.008369412f;
    p = p * r + 0.041668452f;
    p = p * r + 0.16666515f;
    p = p * r + 0.49999994f;
    p = p * (r * r) + r + 1.0f;
    uint32_t bits, high, low;
    float first, second;
    memcpy(&bits, &shifted, 4);
    const int32_t whole = (int32_t)(bits - 0x4b400000u), half = whole >> 1;
    high = ((uint32_t)half + 127u) << 23;
    low = ((uint32_t)(whole - half) + 127u) << 23;
    memcpy(&first, &high, 4);
    memcpy(&second, &low, 4);
    return p * first * second;
}

static inline void memory_begin(Memory *memory, const float *logits) {
    memory->has_network = logits != NULL;
    if (logits) {
        float most = logits[0];
        for (size_t i = 1; i < memory->vocabulary; i++)
            most = logits[i] > most ? logits[i] : most;
        for (size_t i = 0; i < memory->vocabulary; i++)
            memory->shares[i] = (uint32_t)(memory_exp(logits[i] - most) * 16777216.0f) + 1;
    }
    memory->prefix = 0;
    memory->left = memory->decisions;
    memory_skip(memory);
}

static inline size_t memory_slot(const Memory *memory) {
    uint32_t hash = (uint32_t)(memory->context[CONTEXT - 2] + 1) * 0x9E3779B1u;
    hash = (hash + (uint32_t)(memory->context[CONTEXT - 1] + 1)) * 0x9E3779B1u;
    hash = (hash + (uint32_t)(memory->prefix + ((size_t)1 << memory->left))) * 0x9E3779B1u;
    return hash >> (32 - memory->table_bits);
}

static inline uint32_t memory_predict_bit(Memory *memory) {
    uint64_t p = (uint64_t)memory->counters[memory_slot(memory)] << (MEMORY_BITS - 16);
    if (memory->has_network) {
        const size_t half = (size_t)1 << (memory->left - 1), first = memory->prefix * 2 * half;
        uint64_t zero = 0, one = 0;
        for (size_t i = first; i < first + half; i++)
            zero += memory->shares[i];
        for (size_t i = first + half; i < first + 2 * half && i < memory->vocabulary; i++)
            one += memory->shares[i];
        p = (p + 3 * ((one << MEMORY_BITS) / (zero + one))) / 4;
    }
    const uint64_t most = (1 << MEMORY_BITS) - 1;
    return (uint32_t)(p < 1 ? 1 : p > most ? most : p);
}

static inline void memory_update_bit(Memory *memory, int bit) {
    uint16_t *counter = memory->counters + memory_slot(memory);
    *counter = (uint16_t)(bit ? *counter + ((65535 - *counter) >> 4) : *counter - (*counter >> 4));
    memory->prefix = memory->prefix * 2 + (size_t)bit;
    memory->left--;
    memory_skip(memory);
}

static inline int32_t memory_end(Memory *memory) {
    memmove(memory->context, memory->context + 1, (CONTEXT - 1) * sizeof *memory->context);
    return memory->context[CONTEXT - 1] = (int32_t)memory->prefix;
}
