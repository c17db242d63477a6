/* The float32 functions of the memory, which have the bits of engines/memory/numbers.py. Each
   operation is rounded once, element by element, in vectors as in loops, and the library is compiled
   without fusing products and sums. */

#define INLINE static inline __attribute__((always_inline))

#define LANES 4

typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Wholes __attribute__((vector_size(16)));
typedef uint32_t Words __attribute__((vector_size(16)));
typedef float FloatsInMemory __attribute__((vector_size(16), aligned(4), may_alias));

#define LOAD(from) (*(const FloatsInMemory *)(from))
#define STORE(to, x) (*(FloatsInMemory *)(to) = (x))

INLINE float clamped(float x, float limit) { return x < -limit ? -limit : x > limit ? limit : x; }

/* Return the sum of the products of two rows of numbers, as many as a power of 2, at most 32: of 16,
   those of 0 and 8, 1 and 9, ..., then 0 and 4, and so on. */
INLINE float dot(const float *x, const float *y, size_t count) {
    float sums[32];
    for (size_t k = 0; k < count; k++)
        sums[k] = x[k] * y[k];
    for (size_t middle = count / 2; middle > 0; middle /= 2)
        for (size_t k = 0; k < middle; k++)
            sums[k] += sums[k + middle];
    return sums[0];
}

/* Replace LANES numbers from -104 to 89 by exp(x), as int8_numbers.py computes it. */
INLINE void exponents_of(float *numbers) {
    const float rounding = 12582912.0f;
    const Floats x = LOAD(numbers);
    const Floats shifted = x * 1.44269504f + rounding;
    const Floats k = shifted - rounding;
    const Floats r = x - k * 0.693359375f - k * -2.12194440e-4f;
    Floats p = r * 0.0013813372f + 0.008369412f;
    p = p * r + 0.041668452f;
    p = p * r + 0.16666515f;
    p = p * r + 0.49999994f;
    p = p * (r * r) + r + 1.0f;
    const Wholes whole = (Wholes)((Words)shifted - 0x4b400000u), half = whole >> 1;
    STORE(numbers, p * (Floats)(((Words)half + 127u) << 23) *
                       (Floats)(((Words)(whole - half) + 127u) << 23));
}

/* Write the logistic function of LANES numbers. */
INLINE void logistic_of(const float *x, float *y) {
    STORE(y, -LOAD(x));
    exponents_of(y);
    STORE(y, 1.0f / (1.0f + LOAD(y)));
}

/* Return the natural logarithm of a normal positive number. */
INLINE float logarithm(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t exponent = (int32_t)(bits >> 23) - 127;
    bits = (bits & 0x7fffffu) | 0x3f800000u;
    float m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356f) {
        m *= 0.5f;
        exponent++;
    }
    const float s = (m - 1.0f) / (m + 1.0f), z = s * s, twice = s + s;
    float p = z * 0.11111111f + 0.14285715f;
    p = p * z + 0.2f;
    p = p * z + 0.33333334f;
    return p * z * twice + twice + (float)exponent * 0.6931472f;
}
