/* What a memory counts, and where it looks: contexts, slots of nodes, maps and matches.

   A context has a slot for every four decisions of an id, counted from the last, so that there are
   few slots to be found for a whole distribution; with a node for each that may come: 1 for the
   first, 2 and 3 for the second, and so on. A node has the probability of 1 (16 bits, the
   highest), how often it was seen (8 bits) and its last 8 decisions. */

#define NODES 15
#define BUCKET 4
#define MAP 1600 /* the states of a node */
#define MAP_LIMIT 1023
#define NODE_START 0x80000000u

/* What is known before an id. */
typedef struct {
    const int32_t *context;
    uint32_t seeds[COUNTERS];
    uint32_t hashes[MATCHES]; /* of the contexts of matches, where `known` */
    int known[MATCHES];
    int32_t expected[MATCHES]; /* the id that followed the match; -1 without one */
    size_t lengths[MATCHES];
} View;

static const size_t orders[ORDERS] = {1, 2, 3, 4, 6, 8}, match_least[MATCHES] = {12, 20};

static inline uint32_t mixed(uint32_t hash, uint32_t value) {
    hash = (hash + value + 1) * 0x9E3779B1u;
    return hash ^ hash >> 15;
}

/* Find the contexts, and the matches if they are wanted. */
static void look(const Memory *memory, View *view, const int32_t *context, int matches) {
    const int32_t *last = context + CONTEXT - 1;
    view->context = context;
    uint32_t hash = 0;
    size_t order = 0, counter = 0;
    for (size_t match = 0; match < MATCHES; match++) {
        while (order < match_least[match]) {
            hash = mixed(hash, (uint32_t)last[-(ptrdiff_t)order++]);
            if (counter < ORDERS && order == orders[counter])
                view->seeds[counter++] = mixed(hash, 0);
        }
        view->hashes[match] = hash * 0x85EBCA6Bu >> (32 - memory->place_bits);
        view->known[match] = last[-(ptrdiff_t)order + 1] >= 0;
    }
    hash = 77;
    ptrdiff_t i = 0;
    for (; i < CONTEXT && last[-i] >= 0 && memory->words[last[-i]]; i++)
        hash = mixed(hash, (uint32_t)memory->words[last[-i]]);
    view->seeds[ORDERS] = mixed(hash, 1);
    for (; i < CONTEXT && last[-i] >= 0 && !memory->words[last[-i]]; i++)
        hash = mixed(hash, (uint32_t)last[-i]);
    for (; i < CONTEXT && last[-i] >= 0 && memory->words[last[-i]]; i++)
        hash = mixed(hash, (uint32_t)memory->words[last[-i]]);
    view->seeds[ORDERS + 1] = mixed(hash, 2);
    const uint64_t read = memory->totals[IDS_READ], ring = (uint64_t)1 << memory->history_bits;
    for (size_t match = 0; match < MATCHES; match++) {
        view->expected[match] = -1;
        view->lengths[match] = 0;
        if (!matches || memory->left_out >> MATCH_BIT & 1 || !view->known[match])
            continue;
        const uint64_t place = memory->places[(match << memory->place_bits) + view->hashes[match]];
        if (place == 0 || place >= read || read - place + CONTEXT >= ring)
            continue;
        size_t length = 0;
        while (length < CONTEXT && length < place &&
               memory->history[(place - 1 - length) & (ring - 1)] == last[-(ptrdiff_t)length])
            length++;
        if (length >= match_least[match]) {
            view->expected[match] = memory->history[place & (ring - 1)];
            view->lengths[match] = length;
        }
    }
    if (view->expected[1] == view->expected[0] && view->lengths[1] == view->lengths[0])
        view->expected[1] = -1; /* the same place */
}

/* Return the hash of a slot: of a counter's context, and of the decisions before. */
static inline uint32_t slot_hash(const View *view, size_t counter, size_t prefix) {
    uint32_t hash = mixed(view->seeds[counter], (uint32_t)(prefix * 16 + counter));
    hash *= 0x2C1B3C6Du;
    hash ^= hash >> 13;
    return hash ? hash : 1;
}

static inline size_t slot_index(const Memory *memory, uint32_t hash) {
    return (size_t)(hash * 0x297A2D39u >> (32 - memory->table_bits));
}

static inline void prefetch(const Memory *memory, uint32_t hash) {
    __builtin_prefetch(memory->table + slot_index(memory, hash) * 16);
}

/* Return a slot, or NULL. */
static inline const uint32_t *find(const Memory *memory, uint32_t hash) {
    const size_t index = slot_index(memory, hash);
    for (size_t k = 0; k < BUCKET; k++) {
        const uint32_t *slot = memory->table + (index ^ k) * 16;
        if (slot[NODES] == hash)
            return slot;
    }
    return NULL;
}

/* Return a slot; a new one takes the place of the one whose first node was seen least. */
static inline uint32_t *find_or_make(Memory *memory, uint32_t hash) {
    const size_t index = slot_index(memory, hash);
    uint32_t *least = NULL, lowest = UINT32_MAX;
    for (size_t k = 0; k < BUCKET; k++) {
        uint32_t *slot = memory->table + (index ^ k) * 16;
        if (slot[NODES] == hash)
            return slot;
        const uint32_t seen = slot[NODES] ? 1 + (slot[0] >> 8 & 255) : 0;
        if (seen < lowest) {
            lowest = seen;
            least = slot;
        }
    }
    for (size_t k = 0; k < NODES; k++)
        least[k] = NODE_START;
    least[NODES] = hash;
    return least;
}

/* Return the state of a node: its decisions where it has few; else its last four, about how often
   it was seen, and its probability. */
static inline size_t state_of(uint32_t node) {
    const uint32_t seen = node >> 8 & 255, last = node & 255;
    if (seen <= 5)
        return (1u << seen) | (last & ((1u << seen) - 1));
    const uint32_t often = seen < 12 ? 0 : seen < 32 ? 1 : 2;
    return 64 + ((often * 32 + (node >> 27)) * 16 + (last & 15));
}

static inline uint32_t learned_node(uint32_t node, int bit) {
    uint32_t p = node >> 16;
    const uint32_t seen = node >> 8 & 255, rate = 131072u / (2 * seen + 3);
    p = bit ? p + ((65535 - p) * rate >> 16) : p - (p * rate >> 16);
    return p << 16 | (seen < 255 ? seen + 1 : 255) << 8 | (node << 1 & 254) | (uint32_t)bit;
}

/* Return an entry of a map, 22 bits of a probability and 10 of a count, after an outcome. */
static inline uint32_t learned_entry(uint32_t entry, int outcome) {
    uint64_t p = entry >> 10;
    const uint32_t count = entry & 1023;
    const uint64_t rate = 131072u / (2 * count + 3), most = (1u << 22) - 1;
    p = outcome ? p + ((most - p) * rate >> 16) : p - (p * rate >> 16);
    return (uint32_t)p << 10 | (count < MAP_LIMIT ? count + 1 : MAP_LIMIT);
}

/* Return the entry of a match's map: by the length, and whether it is the first decision. */
static inline size_t match_entry(const Memory *memory, const View *view, size_t match,
                                 size_t left) {
    return match * 64 + view->lengths[match] / 2 * 2 + (left == memory->decisions);
}

/* Return whether a match expects the decisions so far. */
static inline int agrees(const Memory *memory, const View *view, size_t match, size_t prefix,
                         size_t left) {
    return view->expected[match] >= 0 &&
           (((size_t)view->expected[match] | (size_t)1 << memory->decisions) >> left) == prefix;
}

static inline int is_certain(const Memory *memory, size_t prefix, size_t left) {
    const size_t one = prefix * 2 + 1 - ((size_t)1 << (memory->decisions - left + 1));
    return one << (left - 1) >= memory->vocabulary;
}

/* Return how many decisions ahead come after those of a slot. */
static inline size_t after_slot(size_t left) { return (left - 1) / 4 * 4; }

/* Return how many decisions of a slot are passed. */
static inline size_t passed(const Memory *memory, size_t left) {
    const size_t first = after_slot(left) + 4;
    return (first < memory->decisions ? first : memory->decisions) - left;
}

/* Count that an id came. */
static void learn_counts(Memory *memory, const View *view, int32_t id) {
    const size_t whole = (size_t)id | (size_t)1 << memory->decisions;
    for (size_t first = memory->decisions; first > 0; first = after_slot(first))
        for (size_t counter = 0; counter < COUNTERS; counter++)
            prefetch(memory, slot_hash(view, counter, whole >> first));
    for (size_t first = memory->decisions; first > 0; first = after_slot(first)) {
        for (size_t counter = 0; counter < COUNTERS; counter++) {
            uint32_t *slot = find_or_make(memory, slot_hash(view, counter, whole >> first));
            uint32_t *map = memory->maps + counter * MAP;
            for (size_t left = first; left > after_slot(first); left--) {
                if (is_certain(memory, whole >> left, left))
                    continue;
                const int bit = (int)(whole >> (left - 1) & 1);
                const size_t number =
                    (whole >> left & (((size_t)1 << (first - left)) - 1)) | (size_t)1 << (first - left);
                uint32_t *node = slot + number - 1;
                if (*node >> 8 & 255) {
                    uint32_t *entry = map + state_of(*node);
                    *entry = learned_entry(*entry, bit);
                }
                *node = learned_node(*node, bit);
            }
        }
    }
    for (size_t left = memory->decisions; left > 0; left--)
        for (size_t match = 0; match < MATCHES; match++)
            if (!is_certain(memory, whole >> left, left) &&
                agrees(memory, view, match, whole >> left, left)) {
                uint32_t *entry = memory->match_maps + match_entry(memory, view, match, left);
                const int expected = view->expected[match] >> (left - 1) & 1;
                *entry = learned_entry(*entry, expected == (int)(whole >> (left - 1) & 1));
            }
}

/* Append an id to what was read. */
static void append(Memory *memory, const View *view, int32_t id) {
    const uint64_t ring = (uint64_t)1 << memory->history_bits, read = memory->totals[IDS_READ]++;
    for (size_t match = 0; match < MATCHES; match++)
        if (view->known[match])
            memory->places[(match << memory->place_bits) + view->hashes[match]] = (uint32_t)read;
    memory->history[read & (ring - 1)] = id;
    memmove(memory->context, memory->context + 1, (CONTEXT - 1) * sizeof *memory->context);
    memory->context[CONTEXT - 1] = id;
}
