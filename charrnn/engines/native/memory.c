/* The memory, for Python. See memory.h. */

#include "memory.h"
#include "range_coder.h"

#include "layout.h"

void charrnn_memory_begin(Memory *memory, const float *logits) { memory_begin(memory, logits); }

uint32_t charrnn_memory_predict_bit(Memory *memory) { return memory_predict_bit(memory); }

void charrnn_memory_update_bit(Memory *memory, int bit) { memory_update_bit(memory, bit); }

int32_t charrnn_memory_end(Memory *memory) { return memory_end(memory); }

uint64_t charrnn_layout(void) {
    uint64_t hash = LAYOUT_START;
    CODER_STRUCTURES
    STRUCTURE(Memory)
    FIELD(Memory, vocabulary)
    FIELD(Memory, decisions)
    FIELD(Memory, table_bits)
    FIELD(Memory, prefix)
    FIELD(Memory, left)
    FIELD(Memory, has_network)
    FIELD(Memory, context)
    FIELD(Memory, counters)
    FIELD(Memory, shares)
    FUNCTION(charrnn_memory_begin, 2, 0)
    FUNCTION(charrnn_memory_predict_bit, 1, sizeof(uint32_t))
    FUNCTION(charrnn_memory_update_bit, 2, 0)
    FUNCTION(charrnn_memory_end, 1, sizeof(int32_t))
    CODER_FUNCTIONS
    return hash;
}
