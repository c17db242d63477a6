/* The float32 functions of the int8 engine, which have the bits of int8_numbers.py, and its rows of
   activations. int8.c includes this file for each kind of processor, with

       NAME(x)   x with the name of the kind
       TARGET    the attribute that lets the compiler use the kind's instructions
       FLOATS    float32 numbers in one of its vectors
       OFFSET    added to the whole number of an activation, which makes its byte
       MINIMUM(limit, x), MAXIMUM(limit, x)   the smaller and the larger one; NaN if x is

   Each operation is rounded once, element by element, so the width of a vector changes nothing.
   The library is compiled without fusing products and sums (-ffp-contract=off). */

#define INLINE static inline __attribute__((always_inline)) TARGET
#define Vector NAME(Vector)
#define Ints NAME(Ints)
#define Bits NAME(Bits)
#define Bytes NAME(Bytes)
#define load NAME(load)
#define store NAME(store)
#define all NAME(all)

typedef float Vector __attribute__((vector_size(4 * FLOATS)));
typedef int32_t Ints __attribute__((vector_size(4 * FLOATS)));
typedef uint32_t Bits __attribute__((vector_size(4 * FLOATS)));
typedef uint8_t Bytes __attribute__((vector_size(FLOATS)));
typedef float NAME(Memory) __attribute__((vector_size(4 * FLOATS), aligned(4), may_alias));
typedef int32_t NAME(IntMemory) __attribute__((vector_size(4 * FLOATS), aligned(4), may_alias));
typedef uint8_t NAME(ByteMemory) __attribute__((vector_size(FLOATS), aligned(1), may_alias));

INLINE Vector all(float x) { return x - (Vector){0}; }

INLINE Vector load(const float *from) { return *(const NAME(Memory) *)from; }

INLINE void store(float *to, Vector x) { *(NAME(Memory) *)to = x; }

INLINE Vector NAME(clamp)(Vector x, float low, float high) {
    x = MAXIMUM(all(low), x);
    return MINIMUM(all(high), x);
}

INLINE Vector NAME(tanh)(Vector x) {
    x = NAME(clamp)(x, -8.0f, 8.0f);
    const Vector square = x * x;
    Vector above = square * 1.1595627e-05f + 0.002967746f;
    above = above * square + 0.12941751f;
    above = above * square + 0.99999994f;
    Vector below = square * 2.5099746e-07f + 0.00024095412f;
    below = below * square + 0.0238855f;
    below = below * square + 0.4627502f;
    below = below * square + 1.0f;
    return x * above / below;
}

/* Return the sigmoid of twice the argument, which the weights have halved. */
INLINE Vector NAME(sigmoid)(Vector half) { return NAME(tanh)(half) * 0.5f + 0.5f; }

INLINE Vector NAME(exp)(Vector x) {
    const float rounding = 12582912.0f;
    x = NAME(clamp)(x, -104.0f, 89.0f);
    const Vector shifted = x * 1.44269504f + rounding;
    const Vector k = shifted - rounding;
    const Vector r = x - k * 0.693359375f - k * -2.12194440e-4f;
    Vector p = r * 0.0013813372f + 0.008369412f;
    p = p * r + 0.041668452f;
    p = p * r + 0.16666515f;
    p = p * r + 0.49999994f;
    p = p * (r * r) + r + 1.0f;
    const Ints whole = (Ints)((Bits)shifted - 0x4b400000u), half = whole >> 1;
    return p * (Vector)(((Bits)half + 127u) << 23) * (Vector)(((Bits)(whole - half) + 127u) << 23);
}

TARGET static void NAME(tanh_of)(float *x, size_t count) {
    for (size_t i = 0; i < count; i += FLOATS)
        store(x + i, NAME(tanh)(load(x + i)));
}

TARGET static void NAME(exp_of)(float *x, size_t count) {
    for (size_t i = 0; i < count; i += FLOATS)
        store(x + i, NAME(exp)(load(x + i)));
}

/* Write the bytes of `count` activations and, `count` bytes behind, those of their remainders.
   Returns whether one is NaN, which has no byte. */
TARGET static int NAME(quantize)(const float *x, uint8_t *bytes, size_t count) {
    const float rounding = 12582912.0f; /* leaves the whole number in the lowest bits */
    Ints lost = {0};
    for (size_t i = 0; i < count; i += FLOATS) {
        const Vector value = load(x + i);
        lost |= value != value;
        const Vector steps = NAME(clamp)(value, -1.0f, 1.0f) * 127.0f, whole = steps + rounding;
        const Vector rest = (steps - (whole - rounding)) * 254.0f + rounding;
        *(NAME(ByteMemory) *)(bytes + i) = __builtin_convertvector((Bits)whole, Bytes) + OFFSET;
        *(NAME(ByteMemory) *)(bytes + count + i) =
            __builtin_convertvector((Bits)rest, Bytes) + OFFSET;
    }
    int any = 0;
    for (size_t i = 0; i < FLOATS; i++)
        any |= lost[i];
    return any != 0;
}

/* Add to sums (count) x (length) times the weight (length, count), one by one. */
TARGET static void NAME(fold)(float *restrict sums, const float *restrict x,
                              const float *restrict weight, size_t count, size_t length) {
    for (size_t k = 0; k < length; k++, weight += count) {
        const float factor = x[k];
        size_t i = 0;
        for (; i + FLOATS <= count; i += FLOATS)
            store(sums + i, load(sums + i) + load(weight + i) * factor);
        for (; i < count; i++)
            sums[i] += weight[i] * factor;
    }
}
