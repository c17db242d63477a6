/* multiply for processors without a matrix unit: a few rows at a time, whose sums stay in
   registers. */

INLINE void NAME(multiply_rows)(const char *tiles, size_t first, const size_t rows, size_t depth,
                                const char *panel, const size_t vectors, float *sums) {
    Vector sum[ROWS][4];
    const char *a[ROWS];
#pragma GCC unroll 8
    for (size_t row = 0; row < rows; row++) {
        size_t at = first + row;
        a[row] = tiles + at / TILE_ROWS * depth * TILE + at % TILE_ROWS * TILE_ROW;
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++)
            sum[row][v] = (Vector){0};
    }
    for (size_t tile = 0; tile < depth; tile++) {
        for (size_t word = 0; word < TILE_WORDS; word++, panel += vectors * FLOATS * 4) {
#if FLOATS == 8 /* with few registers, only the rows' numbers stay in them */
            Vector x[ROWS];
#pragma GCC unroll 8
            for (size_t row = 0; row < rows; row++)
                x[row] = BROADCAST(a[row] + word * 4);
#pragma GCC unroll 4
            for (size_t v = 0; v < vectors; v++)
#pragma GCC unroll 8
                for (size_t row = 0; row < rows; row++)
                    sum[row][v] = ADD_PRODUCT(sum[row][v], x[row],
                                              load((const float *)panel + v * FLOATS));
#else
            Vector weight[4];
#pragma GCC unroll 4
            for (size_t v = 0; v < vectors; v++)
                weight[v] = load((const float *)panel + v * FLOATS);
#pragma GCC unroll 8
            for (size_t row = 0; row < rows; row++) {
                Vector x = BROADCAST(a[row] + word * 4);
#pragma GCC unroll 4
                for (size_t v = 0; v < vectors; v++)
                    sum[row][v] = ADD_PRODUCT(sum[row][v], x, weight[v]);
            }
#endif
        }
#pragma GCC unroll 8
        for (size_t row = 0; row < rows; row++)
            a[row] += TILE;
    }
#pragma GCC unroll 8
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++)
            store(sums + (row * vectors + v) * FLOATS, sum[row][v]);
}

/* Computes sums (rows, vectors, FLOATS) = rows of tiles times a panel. */
INLINE void multiply(const char *tiles, size_t first, size_t rows, size_t depth, const char *panel,
                     const size_t vectors, float *sums) {
    size_t row = 0;
    for (; row + ROWS <= rows; row += ROWS)
        NAME(multiply_rows)(tiles, first + row, ROWS, depth, panel, vectors,
                            sums + row * vectors * FLOATS);
    for (; row + 2 <= rows; row += 2)
        NAME(multiply_rows)(tiles, first + row, 2, depth, panel, vectors,
                            sums + row * vectors * FLOATS);
    if (row < rows)
        NAME(multiply_rows)(tiles, first + row, 1, depth, panel, vectors,
                            sums + row * vectors * FLOATS);
}
