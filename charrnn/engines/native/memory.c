/* The memory, for Python. See memory.h. */

#include "memory.h"
#include "range_coder.h"

#include "layout.h"

size_t charrnn_memory_scratch(void) { return sizeof(Guess); }

/* Tell scratch where the tree of a network is. */
void charrnn_memory_prepare(Memory *memory, float *tree) {
    ((Guess *)memory->scratch)->tree = tree;
}

void charrnn_memory_begin(Memory *memory, const float *logits) { memory_begin(memory, logits); }

int charrnn_memory_undecided(const Memory *memory) { return memory_undecided(memory); }

int charrnn_memory_bit(const Memory *memory, int32_t id) { return memory_bit(memory, id); }

uint32_t charrnn_memory_predict_bit(Memory *memory) { return memory_predict_bit(memory); }

void charrnn_memory_update_bit(Memory *memory, int bit) { memory_update_bit(memory, bit); }

int32_t charrnn_memory_end(Memory *memory) { return memory_end(memory); }

/* Count what follows what in ids; the mixture does not change. */
void charrnn_memory_learn(Memory *memory, const int32_t *ids, size_t count) {
    Guess *guess = memory->scratch;
    for (size_t i = 0; i < count; i++) {
        look(memory, &guess->view, memory->context, 1);
        learn_counts(memory, &guess->view, ids[i]);
        append(memory, &guess->view, ids[i]);
    }
}

/* Write the probability of each id after another, and learn from each. NULL logits (N, V) without a
   network. */
void charrnn_memory_score(Memory *memory, const int32_t *ids, const float *logits,
                          double *probabilities, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double product = 1.0;
        memory_begin(memory, logits ? logits + i * memory->vocabulary : NULL);
        while (memory_undecided(memory)) {
            const double one = memory_predict_bit(memory) / (double)(1 << MEMORY_BITS);
            const int bit = memory_bit(memory, ids[i]);
            product *= bit ? one : 1.0 - one;
            memory_update_bit(memory, bit);
        }
        memory_end(memory);
        probabilities[i] = product;
    }
}

/* Write the probabilities of the ids under a beginning. */
static void spread(const Memory *memory, const Guess *guess, const uint32_t *const *slots,
                   Shares shares, size_t prefix, size_t left, double product, double *probabilities) {
    if (left == 0) {
        probabilities[prefix - ((size_t)1 << memory->decisions)] = product;
        return;
    }
    const uint32_t *opened[COUNTERS];
    if (passed(memory, left) == 0) {
        open_slots(memory, guess, opened, prefix);
        slots = opened;
    }
    if (is_certain(memory, prefix, left)) {
        spread(memory, guess, slots, shares, prefix * 2, left - 1, product, probabilities);
        return;
    }
    Decision decision;
    const double one =
        decide(memory, guess, slots, shares, prefix, left, &decision) / (double)(1 << MEMORY_BITS);
    spread(memory, guess, slots, shares_after(shares, &decision, 0), prefix * 2, left - 1,
           product * (1.0 - one), probabilities);
    spread(memory, guess, slots, shares_after(shares, &decision, 1), prefix * 2 + 1, left - 1,
           product * one, probabilities);
}

/* Write the distribution (V) of the id after a context (CONTEXT). `tree` has room for that of the
   network. */
void charrnn_memory_distribution(const Memory *memory, const int32_t *context, const float *logits,
                                 int matches, float *tree, double *probabilities) {
    Guess guess;
    guess.tree = tree;
    guess_begin(memory, &guess, context, logits, matches);
    spread(memory, &guess, NULL, guess.shares, 1, memory->decisions, 1.0, probabilities);
}

uint64_t charrnn_layout(void) {
    uint64_t hash = LAYOUT_START;
    CODER_STRUCTURES
    STRUCTURE(Memory)
    FIELD(Memory, vocabulary)
    FIELD(Memory, decisions)
    FIELD(Memory, table_bits)
    FIELD(Memory, history_bits)
    FIELD(Memory, place_bits)
    FIELD(Memory, left_out)
    FIELD(Memory, context)
    FIELD(Memory, words)
    FIELD(Memory, stretched)
    FIELD(Memory, table)
    FIELD(Memory, maps)
    FIELD(Memory, history)
    FIELD(Memory, places)
    FIELD(Memory, match_maps)
    FIELD(Memory, weights)
    FIELD(Memory, final_weights)
    FIELD(Memory, adjustments)
    FIELD(Memory, trust)
    FIELD(Memory, totals)
    FIELD(Memory, scratch)
    FUNCTION(charrnn_memory_scratch, 0, sizeof(size_t))
    FUNCTION(charrnn_memory_prepare, 2, 0)
    FUNCTION(charrnn_memory_begin, 2, 0)
    FUNCTION(charrnn_memory_undecided, 1, sizeof(int))
    FUNCTION(charrnn_memory_bit, 2, sizeof(int))
    FUNCTION(charrnn_memory_predict_bit, 1, sizeof(uint32_t))
    FUNCTION(charrnn_memory_update_bit, 2, 0)
    FUNCTION(charrnn_memory_end, 1, sizeof(int32_t))
    FUNCTION(charrnn_memory_learn, 3, 0)
    FUNCTION(charrnn_memory_score, 5, 0)
    FUNCTION(charrnn_memory_distribution, 6, 0)
    CODER_FUNCTIONS
    return hash;
}
