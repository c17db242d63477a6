/* An arithmetic coder of the decisions of a memory. See engines/memory/coder.py;
   engines/memory/arithmetic.py writes and reads the same bytes. memory.c includes this file.

   A code is a number in [0, 1), of which `low` and `range` hold the 40 bits that are not settled
   yet. The range stays above 2^32, so that rounding a probability of 22 bits to it costs nothing
   that could be measured, and the product of both fits into 64 bits. */

#define CODE_BITS 40
#define CODE_MASK (((uint64_t)1 << CODE_BITS) - 1)
#define LEAST_RANGE ((uint64_t)1 << (CODE_BITS - 8))

typedef struct {
    uint64_t low, range;
    uint8_t *code;     /* what is settled, but for a carry */
    size_t size, room; /* of `code`, in bytes */
} Encoder;

typedef struct {
    uint64_t offset, range; /* of the code within the range */
    const uint8_t *code;
    size_t size, read; /* zeros follow the last byte */
} Decoder;

/* A network that reads one id after another. */
typedef struct {
    int (*step)(const void *lanes, void *attention);
    const void *lanes;
    void *attention;
    int64_t *id;         /* what it reads next */
    const float *logits; /* (V): what it predicts then */
} Network;

/* Return the part of a range in which a decision is 1, given its probability. */
static inline uint64_t part_of(uint64_t range, uint32_t probability) {
    return range * probability >> MEMORY_BITS;
}

static inline void encode_bit(Encoder *encoder, int bit, uint32_t probability) {
    const uint64_t part = part_of(encoder->range, probability);
    encoder->low += bit ? 0 : part;
    encoder->range = bit ? part : encoder->range - part;
    if (encoder->low > CODE_MASK) { /* a carry goes through all bytes of 255 */
        encoder->low &= CODE_MASK;
        size_t place = encoder->size;
        while (++encoder->code[--place] == 0) {
        }
    }
    while (encoder->range <= LEAST_RANGE) {
        encoder->code[encoder->size++] = (uint8_t)(encoder->low >> (CODE_BITS - 8));
        encoder->low = encoder->low << 8 & CODE_MASK;
        encoder->range <<= 8;
    }
}

static inline int decode_bit(Decoder *decoder, uint32_t probability) {
    const uint64_t part = part_of(decoder->range, probability);
    const int bit = decoder->offset < part;
    decoder->offset -= bit ? 0 : part;
    decoder->range = bit ? part : decoder->range - part;
    while (decoder->range <= LEAST_RANGE) {
        const size_t place = decoder->read++;
        decoder->offset = decoder->offset << 8 | (place < decoder->size ? decoder->code[place] : 0);
        decoder->range <<= 8;
    }
    return bit;
}

static int all_finite(const float *x, size_t count) {
    uint32_t lost = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        lost |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return lost == 0;
}

/* Encode ids, of which a network predicts `logits` (count, V), or NULL. Returns how many: fewer
   where `code` has no room for more, or at logits that are not finite. */
size_t charrnn_memory_encode(Memory *memory, Encoder *encoder, const int32_t *ids,
                             const float *logits, size_t count) {
    const size_t vocabulary = memory->vocabulary, most = 3 * memory->decisions;
    for (size_t i = 0; i < count; i++) {
        const float *predicted = logits ? logits + i * vocabulary : NULL;
        if (encoder->room - encoder->size < most || (logits && !all_finite(predicted, vocabulary)))
            return i;
        memory_begin(memory, predicted);
        while (memory_undecided(memory)) {
            const uint32_t probability = memory_predict_bit(memory);
            const int bit = memory_bit(memory, ids[i]);
            encode_bit(encoder, bit, probability);
            memory_update_bit(memory, bit);
        }
        memory_end(memory);
    }
    return count;
}

/* Decode `count` ids, with a network that has read the one before the first, or NULL. Returns how
   many: fewer where its logits are not finite. */
size_t charrnn_memory_decode(Memory *memory, Decoder *decoder, const Network *network, int32_t *ids,
                             size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (network && (network->step(network->lanes, network->attention) ||
                        !all_finite(network->logits, memory->vocabulary)))
            return i;
        memory_begin(memory, network ? network->logits : NULL);
        while (memory_undecided(memory))
            memory_update_bit(memory, decode_bit(decoder, memory_predict_bit(memory)));
        ids[i] = memory_end(memory);
        if (network)
            *network->id = ids[i];
    }
    return count;
}

#define CODER_STRUCTURES                                                                           \
    STRUCTURE(Encoder) FIELD(Encoder, low) FIELD(Encoder, range) FIELD(Encoder, code)              \
    FIELD(Encoder, size) FIELD(Encoder, room)                                                      \
    STRUCTURE(Decoder) FIELD(Decoder, offset) FIELD(Decoder, range) FIELD(Decoder, code)           \
    FIELD(Decoder, size) FIELD(Decoder, read)                                                      \
    STRUCTURE(Network) FIELD(Network, step) FIELD(Network, lanes) FIELD(Network, attention)        \
    FIELD(Network, id) FIELD(Network, logits)

#define CODER_FUNCTIONS                                                                            \
    FUNCTION(charrnn_memory_encode, 5, sizeof(size_t))                                             \
    FUNCTION(charrnn_memory_decode, 5, sizeof(size_t))
