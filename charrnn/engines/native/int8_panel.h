/* The computation of a panel with weights and activations of int8. int8.c includes this file for
   each kind of processor after elementary.h, whose names it uses, with

       ROWS            the rows whose sums fit into its registers at once
       Factor          four activations, repeated for every sum of a vector
       FACTOR(bytes)   those of an address
       DOT(sum, factor, weights)   sum plus the products of four weights and activations each

   Sums of whole numbers are exact, so their order is free. Sums of float32 numbers are not: a
   pre-activation is (start + input sum * scale) + recurrent sum * scale. */

enum { NAME(PARTS) = 16 / FLOATS, NAME(VECTORS) = 4 * 16 / FLOATS };
#define PARTS NAME(PARTS)
#define VECTORS NAME(VECTORS)

INLINE Ints NAME(load_ints)(const int32_t *from) { return *(const NAME(IntMemory) *)from; }

/* Set sums (rows, vectors) to what those of a panel begin with. */
INLINE void NAME(begin)(Ints sum[][VECTORS], size_t rows, size_t vectors, const int32_t *start) {
#pragma GCC unroll 8
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 16
        for (size_t v = 0; v < vectors; v++)
            sum[row][v] = NAME(load_ints)(start + v * FLOATS);
}

/* Add to sum (rows, vectors) the products of `rows` rows of bytes x with the weights of a panel. */
INLINE void NAME(multiply)(Ints sum[][VECTORS], size_t rows, size_t vectors, const int8_t *weight,
                           const uint8_t *x, size_t stride, size_t fours) {
    for (size_t k = 0; k < fours; k++, weight += vectors * FLOATS * 4) {
        Factor factors[ROWS];
#pragma GCC unroll 8
        for (size_t row = 0; row < rows; row++)
            factors[row] = FACTOR(x + row * stride + k * 4);
#pragma GCC unroll 16
        for (size_t v = 0; v < vectors; v++)
#pragma GCC unroll 8
            for (size_t row = 0; row < rows; row++)
                sum[row][v] = DOT(sum[row][v], factors[row], weight + v * FLOATS * 4);
    }
}

/* Add to pre[row][first + v] the scaled products of rows of bytes x with a panel's weights. Weights
   of 16 bits add the products with the remainders of weights and of activations, which are
   `task->stride` bytes behind. */
INLINE void NAME(add)(Vector pre[][VECTORS], size_t rows, size_t first, size_t vectors,
                      const Weights *weights, size_t panel, const uint8_t *x, const Task *task) {
    const size_t place = panel * vectors * FLOATS, begin = place * task->fours * 4;
    const size_t stride = 2 * task->stride, fours = task->fours;
    const float *scale = weights->scale + place;
    Ints sum[ROWS][VECTORS], rest[ROWS][VECTORS];
    NAME(begin)(sum, rows, vectors, weights->start + place);
    NAME(multiply)(sum, rows, vectors, weights->weight + begin, x, stride, fours);
    if (weights->rest == NULL) {
#pragma GCC unroll 8
        for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 16
            for (size_t v = 0; v < vectors; v++)
                pre[row][first + v] +=
                    __builtin_convertvector(sum[row][v], Vector) * load(scale + v * FLOATS);
        return;
    }
    NAME(begin)(rest, rows, vectors, weights->rest_start + place);
    NAME(multiply)(rest, rows, vectors, weights->rest + begin, x, stride, fours);
    NAME(multiply)(rest, rows, vectors, weights->weight + begin, x + task->stride, stride, fours);
#pragma GCC unroll 8
    for (size_t row = 0; row < rows; row++)
#pragma GCC unroll 16
        for (size_t v = 0; v < vectors; v++)
            pre[row][first + v] += (__builtin_convertvector(sum[row][v], Vector) +
                                    __builtin_convertvector(rest[row][v], Vector) * REST) *
                                   load(scale + v * FLOATS);
}

/* Compute a panel for `count` rows from `first` on; `kind` and `count` are constants. */
INLINE void NAME(tile)(const Task *task, size_t panel, size_t first, size_t count, enum kind kind) {
    const size_t vectors = (kind == GRU || kind == GRU_SUMS ? 3 : 4) * PARTS;
    const size_t units = kind == GRU || kind == LSTM ? 16 : 64;
    Vector pre[ROWS][VECTORS];
#pragma GCC unroll 8
    for (size_t row = 0; row < count; row++) {
        const float *start = task->starts + panel * 64;
        start += (task->ids ? (size_t)task->ids[first + row] : first + row) * task->start_stride;
#pragma GCC unroll 16
        for (size_t v = 0; v < VECTORS; v++)
            pre[row][v] = load(start + v * FLOATS);
    }
    if (task->input)
        NAME(add)(pre, count, 0, vectors, task->input, panel,
                  task->below + first * 2 * task->stride, task);
    if (kind < SUMS)
        NAME(add)(pre, count, VECTORS - vectors, vectors, task->recurrent, panel,
                  task->own + first * 2 * task->stride, task);
    for (size_t row = 0; row < count; row++) {
        const size_t unit = (first + row) * task->stride + panel * units;
        float *out = kind >= SUMS ? task->out + (first + row) * task->out_stride + panel * 64
                                  : task->h + unit;
        if (kind >= SUMS || kind == RNN) {
            for (size_t v = 0; v < VECTORS; v++)
                store(out + v * FLOATS, kind == RNN ? NAME(tanh)(pre[row][v]) : pre[row][v]);
            continue;
        }
        for (size_t part = 0; part < PARTS; part++, out += FLOATS) {
            const Vector *s = pre[row] + part;
            if (kind == GRU) {
                const Vector r = NAME(sigmoid)(s[PARTS]), z = NAME(sigmoid)(s[2 * PARTS]);
                const Vector n = NAME(tanh)(s[0] + r * s[3 * PARTS]);
                store(out, n + z * (load(out) - n));
            } else {
                float *c = task->c + unit + part * FLOATS;
                const Vector i = NAME(sigmoid)(s[0]), f = NAME(sigmoid)(s[PARTS]);
                const Vector o = NAME(sigmoid)(s[2 * PARTS]), g = NAME(tanh)(s[3 * PARTS]);
                const Vector cell = f * load(c) + i * g;
                store(c, cell);
                store(out, o * NAME(tanh)(cell));
            }
        }
    }
}

INLINE void NAME(all_rows)(const Task *task, size_t panel, enum kind kind) {
    size_t row = 0;
    for (; row + ROWS <= task->rows; row += ROWS)
        NAME(tile)(task, panel, row, ROWS, kind);
#if ROWS > 2
    for (; row + 2 <= task->rows; row += 2)
        NAME(tile)(task, panel, row, 2, kind);
#endif
    for (; row < task->rows; row++)
        NAME(tile)(task, panel, row, 1, kind);
}

TARGET static void NAME(panel)(const Task *task, size_t panel) {
    switch (task->kind) {
    case RNN: NAME(all_rows)(task, panel, RNN); break;
    case GRU: NAME(all_rows)(task, panel, GRU); break;
    case LSTM: NAME(all_rows)(task, panel, LSTM); break;
    case SUMS: NAME(all_rows)(task, panel, SUMS); break;
    case GRU_SUMS: NAME(all_rows)(task, panel, GRU_SUMS); break;
    }
}

#undef INLINE
#undef Vector
#undef Ints
#undef Bits
#undef Bytes
#undef load
#undef store
#undef all
#undef PARTS
#undef VECTORS
#undef NAME
#undef TARGET
#undef FLOATS
#undef OFFSET
#undef MINIMUM
#undef MAXIMUM
#undef ROWS
#undef Factor
#undef FACTOR
#undef DOT
