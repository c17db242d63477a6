/* The mixture of a memory: the probability of a decision from all that predicts it, as in PAQ
   (Mahoney, 2005; Mattern, 2013).

   Each prediction is a log-odds. There are SETS of weights, of which each has a row selected by
   something small; each makes a prediction of its own, from which it learns. Their weighted sum
   is adjusted by how such sums came out after the same last ids.

   With a network, the result is averaged with the network alone, each with the share that it has
   earned so far (the fixed share of Herbster & Warmuth, 1998): on a text of which there is nothing
   to remember, hardly more is lost than the share that the mixture begins with. */

#define FIRST_ROWS 16
#define KNOWN_ROWS 16
#define PREFIX_ROWS 1024
#define LAST_ROWS 1024
#define ROWS (FIRST_ROWS + KNOWN_ROWS + PREFIX_ROWS + LAST_ROWS)
#define ADJUSTED 8192 /* the rows of the adjustment */

/* A decision, and what is needed to learn from it. */
typedef struct {
    float inputs[INPUTS];
    float odds[SETS];
    size_t rows[SETS];
    size_t level; /* the one below, of all levels of all rows */
    float share;  /* of the level above */
    float mean, adjusted; /* the probabilities before the adjustment, and of the adjustment alone */
    float mixture, network; /* the probabilities that are averaged */
    int bit;
} Decision;

/* The shares of the mixture and of the network alone, given the decisions so far. */
typedef struct {
    float mixture, network;
} Shares;

/* The id that was begun. */
typedef struct {
    View view;
    int has_network;
    size_t prefix, left, count; /* the decisions so far after a 1, those ahead, those not certain */
    Shares shares;
    const uint32_t *slots[COUNTERS];
    Decision made[DEEPEST + 1];
    float *tree; /* (2^(D + 1)): what the network gives each beginning of an id */
} Guess;

static const uint32_t no_slot[16] = {
    NODE_START, NODE_START, NODE_START, NODE_START, NODE_START, NODE_START, NODE_START, NODE_START,
    NODE_START, NODE_START, NODE_START, NODE_START, NODE_START, NODE_START, NODE_START, 0};

/* Sum up the network's probabilities by the beginnings of ids. Returns 0 if a logit is not finite,
   and the network is then left out. */
static int sum_tree(const Memory *memory, float *tree, const float *logits) {
    const size_t leaves = (size_t)1 << memory->decisions;
    float *leaf = tree + leaves, most = logits[0];
    int lost = 0;
    for (size_t i = 0; i < memory->vocabulary; i++) {
        lost |= !(fabsf(logits[i]) <= FLT_MAX);
        most = logits[i] > most ? logits[i] : most;
    }
    if (lost)
        return 0;
    for (size_t i = 0; i < memory->vocabulary; i += LANES) {
        float x[LANES];
        for (size_t k = 0; k < LANES; k++) {
            const float difference = i + k < memory->vocabulary ? logits[i + k] - most : -60.0f;
            x[k] = difference < -60.0f ? -60.0f : difference;
        }
        exponents_of(x);
        for (size_t k = 0; k < LANES && i + k < memory->vocabulary; k++)
            leaf[i + k] = x[k];
    }
    for (size_t i = memory->vocabulary; i < leaves; i++)
        leaf[i] = 0.0f;
    for (size_t i = leaves - 1; i > 0; i--)
        tree[i] = tree[2 * i] + tree[2 * i + 1];
    return 1;
}

static void guess_begin(const Memory *memory, Guess *guess, const int32_t *context,
                        const float *logits, int matches) {
    look(memory, &guess->view, context, matches);
    guess->has_network = logits != NULL && sum_tree(memory, guess->tree, logits);
    guess->shares.mixture = guess->has_network ? memory->trust[0] : 1.0f;
    guess->shares.network = guess->has_network ? memory->trust[1] : 0.0f;
}

/* Find the slots of the next four decisions. */
static void open_slots(const Memory *memory, const Guess *guess, const uint32_t **slots,
                       size_t prefix) {
    for (size_t counter = 0; counter < COUNTERS; counter++)
        prefetch(memory, slot_hash(&guess->view, counter, prefix));
    for (size_t counter = 0; counter < COUNTERS; counter++) {
        const uint32_t *slot = find(memory, slot_hash(&guess->view, counter, prefix));
        slots[counter] = slot ? slot : no_slot;
    }
}

static inline float stretch_entry(const Memory *memory, uint32_t entry) {
    return memory->stretched[entry >> 20];
}

/* Return the probability of 1, of 2^MEMORY_BITS, and write down how it came about. */
static uint32_t decide(const Memory *memory, const Guess *guess, const uint32_t *const *slots,
                       Shares shares, size_t prefix, size_t left, Decision *decision) {
    const size_t inner = passed(memory, left);
    const size_t node_number = (prefix & (((size_t)1 << inner) - 1)) | (size_t)1 << inner;
    const size_t kind = (size_t)guess->has_network;
    float *x = decision->inputs;
    size_t known = 0, longest = 0;
    float odds_of_network = 0.0f;
    memset(x, 0, sizeof decision->inputs);
    for (size_t counter = 0; counter < COUNTERS; counter++) {
        const uint32_t node = slots[counter][node_number - 1];
        if (!(node >> 8 & 255) || memory->left_out >> counter & 1)
            continue;
        known++;
        x[2 * counter] = clamped(memory->stretched[node >> 20], 8.0f);
        x[2 * counter + 1] =
            stretch_entry(memory, memory->maps[counter * MAP + state_of(node)]);
    }
    for (size_t match = 0; match < MATCHES; match++) {
        if (!agrees(memory, &guess->view, match, prefix, left))
            continue;
        const uint32_t entry =
            memory->match_maps[match_entry(memory, &guess->view, match, left)];
        const int one = guess->view.expected[match] >> (left - 1) & 1;
        const float odds = stretch_entry(memory, entry);
        const float certainty = (float)(entry >> 10) * 0x1p-21f - 1.0f;
        x[2 * COUNTERS + 2 * match] = one ? odds : -odds;
        x[2 * COUNTERS + 2 * match + 1] = one ? certainty : -certainty;
        if (guess->view.lengths[match] > longest)
            longest = guess->view.lengths[match];
    }
    if (guess->has_network) {
        const float *halves = guess->tree + 2 * prefix;
        odds_of_network =
            clamped(logarithm(halves[1] + 1e-30f) - logarithm(halves[0] + 1e-30f), 12.0f);
        x[2 * (COUNTERS + MATCHES)] = odds_of_network;
    }
    x[2 * (COUNTERS + MATCHES) + 1] = 0.3f;
    const int32_t last = guess->view.context[CONTEXT - 1];
    size_t selected[SETS] = {longest < 16 ? longest / 2 : 6 + longest / 8, known,
                             prefix % PREFIX_ROWS, (size_t)(last + 1) % LAST_ROWS};
    static const size_t sizes[SETS] = {FIRST_ROWS, KNOWN_ROWS, PREFIX_ROWS, LAST_ROWS};
    size_t base = kind * ROWS;
    for (size_t set = 0; set < SETS; set++) {
        if (memory->left_out >> (SET_BIT + set) & 1)
            selected[set] = 0;
        decision->rows[set] = (base + selected[set]) * INPUTS;
        base += sizes[set];
        decision->odds[set] =
            clamped(dot(x, memory->weights + decision->rows[set], INPUTS), 16.0f);
    }
    const float odds =
        clamped(dot(decision->odds, memory->final_weights + kind * SETS, SETS), 16.0f);
    const float place = (clamped(odds, 7.999f) + 8.0f) * 2.0f;
    const size_t level = (size_t)place;
    const size_t row = mixed(mixed(3, (uint32_t)last), (uint32_t)prefix) % ADJUSTED;
    decision->share = place - (float)level;
    decision->level = (kind * ADJUSTED + row) * LEVELS + level;
    const float *levels = memory->adjustments + decision->level;
    const float adjusted = levels[0] * (1.0f - decision->share) + levels[1] * decision->share;
    const int is_adjusted = !(memory->left_out >> ADJUSTMENT_BIT & 1);
    float outcomes[LANES] = {odds, clamped(adjusted, 16.0f),
                             is_adjusted ? clamped((odds + adjusted) * 0.5f, 16.0f) : odds,
                             odds_of_network};
    logistic_of(outcomes, outcomes);
    decision->mean = outcomes[0];
    decision->adjusted = outcomes[1];
    decision->mixture = outcomes[2];
    decision->network = outcomes[3];
    const float p = shares.mixture * decision->mixture + shares.network * decision->network;
    const uint32_t whole = (uint32_t)(p * (float)(1 << MEMORY_BITS));
    const uint32_t most = (1u << MEMORY_BITS) - 1;
    return whole < 1 ? 1 : whole > most ? most : whole;
}

/* Return the shares after a decision. */
static inline Shares shares_after(Shares shares, const Decision *decision, int bit) {
    const float mixture =
        shares.mixture * (bit ? decision->mixture : 1.0f - decision->mixture);
    const float network =
        shares.network * (bit ? decision->network : 1.0f - decision->network);
    const float all = mixture + network;
    shares.mixture = mixture / all;
    shares.network = network / all;
    return shares;
}

/* Move the weights of an id's decisions towards what came. */
static void learn_mixture(Memory *memory, const Guess *guess) {
    const size_t kind = (size_t)guess->has_network;
    if (guess->has_network && !(memory->left_out >> TRUST_BIT & 1)) {
        memory->trust[0] = guess->shares.mixture * 0.999f + 0.0005f;
        memory->trust[1] = guess->shares.network * 0.999f + 0.0005f;
    }
    for (size_t k = 0; k < guess->count; k++) {
        const Decision *decision = guess->made + k;
        const float bit = (float)decision->bit;
        const float late = 1.0f + (float)memory->totals[STEPS + kind]++ * (1.0f / 3000.0f);
        const float rate = 0.006f + 0.014f / late, final_rate = 0.0005f + 0.0045f / late;
        float *final_weights = memory->final_weights + kind * SETS, probabilities[SETS];
        logistic_of(decision->odds, probabilities);
        const float final_step = (bit - decision->mean) * final_rate;
        for (size_t set = 0; set < SETS; set++) {
            const float step = (bit - probabilities[set]) * rate;
            float *weights = memory->weights + decision->rows[set];
            for (size_t i = 0; i < INPUTS; i++)
                weights[i] += decision->inputs[i] * step;
            final_weights[set] += decision->odds[set] * final_step;
        }
        const float step = (bit - decision->adjusted) * 0.08f;
        float *levels = memory->adjustments + decision->level;
        levels[0] += (1.0f - decision->share) * step;
        levels[1] += decision->share * step;
    }
}

/* Take the decisions that are certain, and find slots where the next four begin. */
static void guess_skip(const Memory *memory, Guess *guess) {
    for (;;) {
        if (guess->left == 0)
            return;
        if (passed(memory, guess->left) == 0)
            open_slots(memory, guess, guess->slots, guess->prefix);
        if (!is_certain(memory, guess->prefix, guess->left))
            return;
        guess->prefix *= 2;
        guess->left--;
    }
}
