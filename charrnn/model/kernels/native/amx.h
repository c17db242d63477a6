/* multiply for AMX, the matrix unit: up to 32 rows by 32 columns at a time. */

/* Two tiles of rows (or one) times two tiles of columns (or one); the sums are in the tile
   registers 0 to 3. */
#define STEP_2_2 _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7); _tile_dpbf16ps(2, 5, 6); _tile_dpbf16ps(3, 5, 7);
#define STEP_2_1 _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(2, 5, 6);
#define STEP_1_2 _tile_dpbf16ps(0, 4, 6); _tile_dpbf16ps(1, 4, 7);
#define STEP_1_1 _tile_dpbf16ps(0, 4, 6);

INLINE void NAME(multiply_tiles)(const char *a, const size_t rows, size_t depth,
                                 const char *panel, const size_t columns, const size_t stride,
                                 float *sums) {
    _tile_zero(0);
    if (columns == 2) _tile_zero(1);
    if (rows == 2) _tile_zero(2);
    if (rows == 2 && columns == 2) _tile_zero(3);
    const char *below = a + depth * TILE;
    for (size_t tile = 0; tile < depth; tile++, panel += columns * TILE) {
        _tile_loadd(4, a + tile * TILE, TILE_ROW);
        _tile_loadd(6, panel, TILE_ROW);
        if (rows == 2) _tile_loadd(5, below + tile * TILE, TILE_ROW);
        if (columns == 2) _tile_loadd(7, panel + TILE, TILE_ROW);
        if (rows == 2 && columns == 2) { STEP_2_2 }
        else if (rows == 2) { STEP_2_1 }
        else if (columns == 2) { STEP_1_2 }
        else { STEP_1_1 }
    }
    char *to = (char *)sums;
    _tile_stored(0, to, stride);
    if (columns == 2) _tile_stored(1, to + TILE_ROW, stride);
    if (rows == 2) _tile_stored(2, to + TILE_ROWS * stride, stride);
    if (rows == 2 && columns == 2) _tile_stored(3, to + TILE_ROWS * stride + TILE_ROW, stride);
}

/* Computes sums (rows, vectors, FLOATS) = rows of tiles times a panel; `first` begins a tile, and
   the rows span at most two tiles. */
INLINE void multiply(const char *tiles, size_t first, size_t rows, size_t depth, const char *panel,
                     const size_t vectors, float *sums) {
    const char *a = tiles + first / TILE_ROWS * depth * TILE;
    const size_t stride = vectors * TILE_ROW;
    for (size_t v = 0; v < vectors; v += 2) {
        const char *weights = panel + v * depth * TILE;
        float *to = sums + v * FLOATS;
        if (rows > TILE_ROWS && vectors - v > 1)
            NAME(multiply_tiles)(a, 2, depth, weights, 2, stride, to);
        else if (rows > TILE_ROWS)
            NAME(multiply_tiles)(a, 2, depth, weights, 1, stride, to);
        else if (vectors - v > 1)
            NAME(multiply_tiles)(a, 1, depth, weights, 2, stride, to);
        else
            NAME(multiply_tiles)(a, 1, depth, weights, 1, stride, to);
    }
}

#undef STEP_2_2
#undef STEP_2_1
#undef STEP_1_2
#undef STEP_1_1
