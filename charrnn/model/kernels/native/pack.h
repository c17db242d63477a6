/* Packs weights into panels, as multiply reads them.

   A word is multiplied with a broadcast at a time: one float32, or two bf16 numbers that follow
   each other along the sum. */

#define TILE_ELEMENTS (TILE_ROW / sizeof(Element))
#define WORD_ELEMENTS (4 / sizeof(Element))

INLINE size_t NAME(left)(size_t from, size_t end) {
    return from >= end ? 0 : end - from < FLOATS ? end - from : FLOATS;
}

/* Packs FLOATS columns of a square matrix: down each column, the words of a tile. */
INLINE void NAME(pack_across)(const float *matrix, size_t size, size_t first, size_t column,
                              uint32_t *to, size_t stride) {
    const size_t some = NAME(left)(column, size);
    for (size_t word = 0; word < TILE_WORDS; word++, to += stride) {
        Vector x[WORD_ELEMENTS];
        for (size_t i = 0; i < WORD_ELEMENTS; i++) {
            size_t row = first + word * WORD_ELEMENTS + i;
            x[i] = row < size && some ? load_some(matrix + row * size + column, some) : (Vector){0};
        }
        store_words(to, x);
    }
}

/* Packs a tile's words of FLOATS rows, of which `some` exist, transposed: here the sum runs along
   the rows. */
INLINE void NAME(pack_along)(const float *matrix, size_t size, size_t some, size_t first,
                             uint32_t *to, size_t stride) {
    union {
        Element elements[FLOATS][TILE_ELEMENTS];
        uint32_t words[FLOATS][TILE_WORDS];
    } block __attribute__((aligned(64)));
    for (size_t row = 0; row < FLOATS; row++)
        for (size_t k = 0; k < TILE_ELEMENTS; k += FLOATS) {
            size_t inside = row < some ? NAME(left)(first + k, size) : 0;
            store_elements(block.elements[row] + k,
                           inside ? load_some(matrix + row * size + first + k, inside) : (Vector){0}, FLOATS);
        }
    transpose(block.words, to, stride);
}

/* panel_words returns the address in a panel of the first word of vector `v` (FLOATS columns) of a
   tile; panel_stride, the distance from one of its words to the next. */
INLINE uint32_t *NAME(panel_words)(char *panel, size_t tile, size_t depth, size_t v,
                                   size_t vectors) {
#ifdef MATRIX_UNIT /* pairs of tiles of columns, each tile in one piece */
    size_t pair = v & ~(size_t)1, width = vectors - pair < 2 ? 1 : 2;
    return (uint32_t *)(panel + (pair * depth + tile * width + (v - pair)) * TILE);
#else
    (void)depth;
    return (uint32_t *)panel + (tile * TILE_WORDS * vectors + v) * FLOATS;
#endif
}

INLINE size_t NAME(panel_stride)(size_t vectors) {
#ifdef MATRIX_UNIT
    return (void)vectors, FLOATS;
#else
    return vectors * FLOATS;
#endif
}
