/* The primitives of layer.h for AVX2, in float32. */

#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define FLOATS 8
#define Element float
#define Vector __m256
#define load _mm256_load_ps
#define store _mm256_store_ps
#define load_some NAME(load_some)
#define store_some NAME(store_some)
#define load_elements NAME(load_some)
#define store_elements NAME(store_some)
#define store_words(to, x) _mm256_storeu_ps((float *)(to), (x)[0])
#define transpose NAME(transpose)
#define exp2 NAME(exp2)
#define inverse(x) (1.0f / (x))
#define multiply NAME(multiply)
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)

INLINE Vector NAME(all)(float x) { return _mm256_set1_ps(x); }

INLINE __m256i NAME(first)(size_t count) {
    const __m256i number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), number);
}

INLINE Vector load_some(const float *from, size_t count) {
    return count == FLOATS ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, NAME(first)(count));
}

INLINE void store_some(float *to, Vector x, size_t count) {
    if (count == FLOATS)
        _mm256_storeu_ps(to, x);
    else
        _mm256_maskstore_ps(to, NAME(first)(count), x);
}

/* to[word][row] = from[row][word] */
INLINE void transpose(uint32_t from[FLOATS][TILE_WORDS], uint32_t *to, size_t stride) {
    for (size_t word = 0; word < TILE_WORDS; word++)
        for (size_t row = 0; row < FLOATS; row++)
            to[word * stride + row] = from[row][word];
}

/* 2^k by the exponent's bits, times 2^f by a polynomial with an error below 1e-7. */
INLINE Vector exp2(Vector x) {
    const Vector limit = _mm256_set1_ps(126.0f);
    x = _mm256_max_ps(-limit, _mm256_min_ps(limit, x)); /* returns x where x is NaN */
    Vector k = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = x - k;
    Vector p = MULTIPLY_ADD(f, NAME(all)(0.00132186725f), NAME(all)(0.00967169794f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.0555089295f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.24022238f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.693146856f));
    p = MULTIPLY_ADD(p, f, NAME(all)(1.0f));
    __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(k),
                                                       _mm256_set1_epi32(127)), 23);
    return p * _mm256_castsi256_ps(power);
}

#define ROWS 3
#define BROADCAST(a) _mm256_broadcast_ss((const float *)(a))
#define ADD_PRODUCT(sum, a, b) _mm256_fmadd_ps(a, b, sum)
