/* The computation of a panel. step.c includes this file for each kind of processor, with

       NAME(x)   x with the name of the kind
       TARGET    the attribute that lets the compiler use the kind's instructions
       FLOATS    float32 numbers in one of its vectors
       LANES     the rows whose sums fit into its registers at once
       MULTIPLY_ADD(a, b, c)   a * b + c, rounded once where the processor can

   Every sum begins with its start, and adds the products with the layer below, then those with
   the layer's own h, one by one. No sum is ever split, so its bits depend neither on the
   number of rows nor on the thread that computes it. */

#define INLINE static inline __attribute__((always_inline)) TARGET
#define Vector NAME(Vector)
#define Bits NAME(Bits)
#define load NAME(load)
#define store NAME(store)

typedef float Vector __attribute__((vector_size(4 * FLOATS)));
typedef uint32_t Bits __attribute__((vector_size(4 * FLOATS)));
typedef float NAME(Memory) __attribute__((vector_size(4 * FLOATS), aligned(4), may_alias));

INLINE Vector NAME(all)(float x) { return x - (Vector){0}; }

INLINE Vector load(const float *from) { return *(const NAME(Memory) *)from; }

INLINE void store(float *to, Vector x) { *(NAME(Memory) *)to = x; }

/* Return tanh(x) as t / (t + 2) with t = exp(2 |x|) - 1, and the sign of x. The error is within
   1e-7; the result is exactly 1 from 9.02 on; NaN stays NaN. */
INLINE Vector NAME(tanh)(Vector x) {
    const float limit = 9.02f, half_ln2_high = 355.0f / 1024, half_ln2_low = -1.06097220e-4f;
    const float rounding = 0x1.8p23f; /* adding it rounds to an integer, left in the low bits */
    Bits sign = (Bits)x & 0x80000000u;
    Vector a = (Vector)((Bits)x ^ sign);
    Bits over = (Bits)(a > limit); /* false for NaN */
    a = (Vector)((over & (Bits)NAME(all)(limit)) | (~over & (Bits)a));
    /* exp(2 a) = 2^k exp(r), with 2^k in the exponent's bits and a polynomial for exp(r) */
    Vector shifted = MULTIPLY_ADD(a, NAME(all)(2.88539008f), NAME(all)(rounding));
    Vector k = shifted - rounding;
    Vector power = (Vector)(((Bits)shifted << 23) + 0x3f800000u);
    Vector r = MULTIPLY_ADD(k, NAME(all)(-half_ln2_high), a);
    r = MULTIPLY_ADD(k, NAME(all)(-half_ln2_low), r);
    r = r + r;
    Vector p = MULTIPLY_ADD(r, NAME(all)(0.00139464508f), NAME(all)(0.00836658385f));
    p = MULTIPLY_ADD(p, r, NAME(all)(0.0416662805f));
    p = MULTIPLY_ADD(p, r, NAME(all)(0.166665435f));
    p = MULTIPLY_ADD(p, r, NAME(all)(0.5f));
    p = MULTIPLY_ADD(r * r, p, r);
    Vector t = MULTIPLY_ADD(power, p, power - 1.0f);
    return (Vector)((Bits)(t / (t + 2.0f)) | sign);
}

/* Return the sigmoid of twice the argument, which the weights have halved. */
INLINE Vector NAME(sigmoid)(Vector half) {
    return MULTIPLY_ADD(NAME(tanh)(half), NAME(all)(0.5f), NAME(all)(0.5f));
}

/* Add to sum[row][first + v] x (rows, length) times the weight (length, vectors, FLOATS). */
INLINE void NAME(multiply)(Vector sum[][4], size_t rows, size_t first, size_t vectors,
                           const float *weight, const float *x, size_t stride, size_t length) {
    for (size_t k = 0; k < length; k++, weight += vectors * FLOATS)
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) {
            Vector columns = load(weight + v * FLOATS);
#pragma GCC unroll 8
            for (size_t row = 0; row < rows; row++)
                sum[row][first + v] = MULTIPLY_ADD(columns, NAME(all)(x[row * stride + k]),
                                                   sum[row][first + v]);
        }
}

/* Compute a panel for `count` rows from `first` on; `kind` and `count` are constants. */
INLINE void NAME(tile)(const Task *task, size_t panel, size_t first, size_t count, enum kind kind) {
    const size_t vectors = kind == GRU || kind == GRU_SUMS ? 3 : 4;
    const size_t units = kind == GRU || kind == LSTM ? 1 : 4;
    const size_t length = task->length, stride = task->stride;
    const size_t weights = panel * length * vectors * FLOATS;
    const size_t place = panel * 4 * FLOATS;
    Vector sum[LANES][4];

#pragma GCC unroll 8
    for (size_t row = 0; row < count; row++) {
        const float *start = task->starts + place;
        start += (task->ids ? (size_t)task->ids[first + row] : first + row) * task->start_stride;
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++)
            sum[row][v] = load(start + v * FLOATS);
    }
    if (task->input)
        NAME(multiply)(sum, count, 0, vectors, task->input + weights,
                       task->below + first * stride, stride, length);
    if (kind < SUMS)
        NAME(multiply)(sum, count, 4 - vectors, vectors, task->recurrent + weights,
                       task->h + first * stride, stride, length);

#pragma GCC unroll 8
    for (size_t row = 0; row < count; row++) {
        const Vector *s = sum[row];
        const size_t unit = (first + row) * stride + panel * units * FLOATS;
        float *out = task->out + unit;
        if (kind >= SUMS) {
            float *sums = task->out + (first + row) * task->out_stride + place;
            for (size_t v = 0; v < 4; v++)
                store(sums + v * FLOATS, s[v]);
        } else if (kind == RNN) {
            for (size_t v = 0; v < 4; v++)
                store(out + v * FLOATS, NAME(tanh)(s[v]));
        } else if (kind == GRU) {
            Vector r = NAME(sigmoid)(s[1]), z = NAME(sigmoid)(s[2]), h = load(task->h + unit);
            Vector n = NAME(tanh)(MULTIPLY_ADD(r, s[3], s[0]));
            store(out, MULTIPLY_ADD(z, h - n, n));
        } else {
            Vector i = NAME(sigmoid)(s[0]), f = NAME(sigmoid)(s[1]), o = NAME(sigmoid)(s[2]);
            Vector g = NAME(tanh)(s[3]), c = load(task->c + unit);
            c = MULTIPLY_ADD(f, c, i * g);
            store(task->c + unit, c);
            store(out, o * NAME(tanh)(c));
        }
    }
}

INLINE void NAME(all_rows)(const Task *task, size_t panel, enum kind kind) {
    size_t row = 0;
    for (; row + LANES <= task->rows; row += LANES)
        NAME(tile)(task, panel, row, LANES, kind);
    for (; row + 2 <= task->rows; row += 2)
        NAME(tile)(task, panel, row, 2, kind);
    if (row < task->rows)
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

TARGET static void NAME(tanh_of)(float *x, size_t count) {
    for (size_t i = 0; i < count; i += FLOATS)
        store(x + i, NAME(tanh)(load(x + i)));
}

#undef INLINE
#undef Vector
#undef Bits
#undef load
#undef store
#undef NAME
#undef TARGET
#undef FLOATS
#undef LANES
#undef MULTIPLY_ADD
