/* The primitives of layer.h for AVX-512, in float32. */

#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define FLOATS 16
#define Element float
#define Vector __m512
#define load _mm512_load_ps
#define store _mm512_store_ps
#define load_some NAME(load_some)
#define store_some NAME(store_some)
#define load_elements NAME(load_some)
#define store_elements NAME(store_some)
#define store_words(to, x) _mm512_storeu_ps((float *)(to), (x)[0])
#define exp2 NAME(exp2)
#define inverse(x) (1.0f / (x))
#define multiply NAME(multiply)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)

INLINE Vector NAME(all)(float x) { return _mm512_set1_ps(x); }

INLINE Vector load_some(const float *from, size_t count) {
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}

INLINE void store_some(float *to, Vector x, size_t count) {
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), x);
}

#include "transpose.h"

/* A polynomial with an error below 1e-7. */
INLINE Vector exp2(Vector x) {
    Vector f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    Vector p = MULTIPLY_ADD(f, NAME(all)(0.00132186725f), NAME(all)(0.00967169794f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.0555089295f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.24022238f));
    p = MULTIPLY_ADD(p, f, NAME(all)(0.693146856f));
    p = MULTIPLY_ADD(p, f, NAME(all)(1.0f));
    return _mm512_scalef_ps(p, x - f);
}

#define ROWS 6
#define BROADCAST(a) _mm512_set1_ps(*(const float *)(a))
#define ADD_PRODUCT(sum, a, b) _mm512_fmadd_ps(a, b, sum)
