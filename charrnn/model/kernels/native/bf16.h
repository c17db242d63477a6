/* The primitives of layer.h for AVX-512 with bf16: stored and multiplied in bf16, added up in
   float32. */

#define INLINE static inline __attribute__((always_inline)) TARGET
#define FLOATS 16
#define Element uint16_t
#define Vector __m512
#define load _mm512_load_ps
#define store _mm512_store_ps
#define load_some NAME(load_some)
#define store_some NAME(store_some)
#define load_elements NAME(load_elements)
#define store_elements NAME(store_elements)
#define store_words NAME(store_words)
#define exp2 NAME(exp2)
#define inverse NAME(inverse)
#define multiply NAME(multiply)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)

INLINE Vector NAME(all)(float x) { return _mm512_set1_ps(x); }

INLINE Vector load_some(const float *from, size_t count) {
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}

INLINE void store_some(float *to, Vector x, size_t count) {
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), x);
}

INLINE Vector load_elements(const uint16_t *from, size_t count) {
    __m256i half = _mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), from);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

INLINE void store_elements(uint16_t *to, Vector x, size_t count) {
    _mm256_mask_storeu_epi16(to, (__mmask16)((1u << count) - 1), (__m256i)_mm512_cvtneps_pbh(x));
}

/* Stores pairs of numbers: x[0] in the lower halves, x[1] in the upper. */
INLINE void store_words(uint32_t *to, const Vector x[2]) {
    __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x[0]));
    __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x[1]));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

#include "transpose.h"

/* A polynomial with an error below 3e-6: bf16 keeps 8 bits. */
INLINE Vector exp2(Vector x) {
    x = _mm512_min_ps(_mm512_set1_ps(126.0f), x); /* returns x where x is NaN */
    Vector f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    Vector p = MULTIPLY_ADD(f, NAME(all)(0.00960039552f), NAME(all)(0.0559168938f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.240237185f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.693121995f));
    p = MULTIPLY_ADD(p, f, NAME(all)(1.0f));
    return _mm512_scalef_ps(p, x - f);
}

/* An estimate of 14 bits, then one step of Newton's method. x is finite: exp2 is limited. */
INLINE Vector inverse(Vector x) {
    Vector y = _mm512_rcp14_ps(x);
    return y * MULTIPLY_ADD(-x, y, NAME(all)(2.0f));
}

#define ROWS 6
#define BROADCAST(a) _mm512_castsi512_ps(_mm512_set1_epi32(*(const int32_t *)(a)))
#define ADD_PRODUCT(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
