/* A memory: what followed where in the text that was read, mixed with what a network predicts. See
   engines/memory/memory.py; engines/memory/reference.py computes the same bits.

   An id is coded as decisions, its bits from the highest on:

       memory_begin(memory, logits);                    NULL logits without a network
       while (memory_undecided(memory)) {
           uint32_t p = memory_predict_bit(memory);     that the decision is 1, of 2^MEMORY_BITS
           int bit = ...;                               encoding: memory_bit(memory, id)
           memory_update_bit(memory, bit);
       }
       int32_t id = memory_end(memory);                 learns from it

   memory_predict_bit comes before each memory_update_bit. Decisions whose other side holds no id
   are left out. Nothing is learned before the end, so that the decisions of an id are those of the
   distribution before it.

   The arrays are trusted to have the sizes that tables.py gives them; ids are checked there. */

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BITS 22
#define CONTEXT 32  /* the last ids, on which a distribution depends */
#define ORDERS 6
#define COUNTERS 8  /* the orders, the word, and the word with the one before */
#define MATCHES 2
#define INPUTS 32   /* of a mixture: two of each counter and match, and so on; the rest is 0 */
#define SETS 4      /* of weights, each with a selected row; as many as LANES */
#define LEVELS 33
#define DEEPEST 21  /* the most decisions of an id */

/* The bits of `left_out`: each counter, the matches, each set's selection, the adjustment, and the
   average with the network alone. */
enum { MATCH_BIT = COUNTERS, SET_BIT, ADJUSTMENT_BIT = SET_BIT + SETS, TRUST_BIT };

enum { IDS_READ, STEPS }; /* of `totals`; there are two STEPS: without and with a network */

typedef struct {
    size_t vocabulary, decisions, table_bits, history_bits, place_bits;
    size_t left_out;             /* a bit for each part that is left out */
    int32_t *context;            /* (CONTEXT): the last ids; -1 before the first */
    const int32_t *words;        /* (V): 0 outside words; the same for both cases of a letter */
    const float *stretched;      /* (4096): the log-odds of probabilities */
    uint32_t *table;             /* (2^table_bits, 16): 15 nodes and a check */
    uint32_t *maps;              /* (COUNTERS, MAP): how often a state of a node came out as 1 */
    int32_t *history;            /* (2^history_bits): a ring of the ids that were read */
    uint32_t *places;            /* (MATCHES, 2^place_bits): the last place after a context; 0: none */
    uint32_t *match_maps;        /* (MATCHES, 64): how often a match was right, by its length */
    float *weights;              /* (2, ROWS, INPUTS): without and with a network */
    float *final_weights;        /* (2, SETS) */
    float *adjustments;          /* (2, ADJUSTED, LEVELS) */
    float *trust;                /* (2): the shares of the mixture and of the network alone */
    uint64_t *totals;            /* (3) */
    void *scratch;               /* what is known of the id that was begun */
} Memory;

#include "memory_numbers.h"

#include "memory_counts.h"

#include "memory_mixture.h"

/* Begin the next id, of which a network predicts `logits` (V). */
static void memory_begin(Memory *memory, const float *logits) {
    Guess *guess = memory->scratch;
    guess_begin(memory, guess, memory->context, logits, 1);
    guess->left = memory->decisions;
    guess->prefix = 1;
    guess->count = 0;
    guess_skip(memory, guess);
}

static inline int memory_undecided(const Memory *memory) {
    return ((const Guess *)memory->scratch)->left > 0;
}

/* Return the next decision of an id. */
static inline int memory_bit(const Memory *memory, int32_t id) {
    return (int)((uint32_t)id >> (((const Guess *)memory->scratch)->left - 1) & 1);
}

static uint32_t memory_predict_bit(Memory *memory) {
    Guess *guess = memory->scratch;
    Decision *decision = guess->made + guess->count;
    return decide(memory, guess, guess->slots, guess->shares, guess->prefix, guess->left, decision);
}

static void memory_update_bit(Memory *memory, int bit) {
    Guess *guess = memory->scratch;
    Decision *decision = guess->made + guess->count++;
    decision->bit = bit;
    guess->shares = shares_after(guess->shares, decision, bit);
    guess->prefix = guess->prefix * 2 + (size_t)bit;
    guess->left--;
    guess_skip(memory, guess);
}

/* Learn the id that was decided, and return it. */
static int32_t memory_end(Memory *memory) {
    Guess *guess = memory->scratch;
    const int32_t id = (int32_t)(guess->prefix - ((size_t)1 << memory->decisions));
    learn_mixture(memory, guess);
    learn_counts(memory, &guess->view, id);
    append(memory, &guess->view, id);
    return id;
}
