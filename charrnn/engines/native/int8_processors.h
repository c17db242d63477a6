/* The kinds of processors that the int8 engine knows, from AVX-512 VNNI to plain C, and the table of
   them. int8.c includes this file. */

static inline int32_t four_bytes(const uint8_t *from) {
    int32_t bytes;
    memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

#if defined(__x86_64__)

#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")))
#define FLOATS 16
#define OFFSET 128 /* the instruction multiplies unsigned activations by signed weights */
#define MINIMUM(limit, x) (Vector) _mm512_min_ps((__m512)(limit), (__m512)(x))
#define MAXIMUM(limit, x) (Vector) _mm512_max_ps((__m512)(limit), (__m512)(x))
#include "elementary.h"
#include "choice.h"
#define ROWS 6
#define Factor __m512i
#define FACTOR(bytes) _mm512_set1_epi32(four_bytes(bytes))
#define DOT(sum, factor, weights)                                                                  \
    (Ints) _mm512_dpbusd_epi32((__m512i)(sum), factor, _mm512_loadu_si512(weights))
#include "int8_panel.h"

#define MINIMUM_256(limit, x) (Vector) _mm256_min_ps((__m256)(limit), (__m256)(x))
#define MAXIMUM_256(limit, x) (Vector) _mm256_max_ps((__m256)(limit), (__m256)(x))
#define LOAD_256(weights) _mm256_loadu_si256((const __m256i *)(const void *)(weights))

#if (defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11)
#define HAS_AVX_VNNI 1
#define NAME(x) x##_avxvnni
#define TARGET __attribute__((target("avx2,avxvnni")))
#define FLOATS 8
#define OFFSET 128
#define MINIMUM MINIMUM_256
#define MAXIMUM MAXIMUM_256
#include "elementary.h"
#include "choice.h"
#define ROWS 1
#define Factor __m256i
#define FACTOR(bytes) _mm256_set1_epi32(four_bytes(bytes))
#define DOT(sum, factor, weights)                                                                  \
    (Ints) _mm256_dpbusd_avx_epi32((__m256i)(sum), factor, LOAD_256(weights))
#include "int8_panel.h"
#endif

/* Unsigned sizes of activations are multiplied by weights with the activations' signs. Sums of two
   such products fit into 16 bits, as neither exceeds 127. */
typedef struct {
    __m256i value, size;
} Factor_avx2;

__attribute__((target("avx2"))) static inline Factor_avx2 factor_avx2(const uint8_t *bytes) {
    const __m256i value = _mm256_set1_epi32(four_bytes(bytes));
    return (Factor_avx2){value, _mm256_abs_epi8(value)};
}

__attribute__((target("avx2"))) static inline __m256i dot_avx2(Factor_avx2 factor,
                                                               const int8_t *weights) {
    const __m256i signs = _mm256_sign_epi8(LOAD_256(weights), factor.value);
    return _mm256_madd_epi16(_mm256_maddubs_epi16(factor.size, signs), _mm256_set1_epi16(1));
}

#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2")))
#define FLOATS 8
#define OFFSET 0
#define MINIMUM MINIMUM_256
#define MAXIMUM MAXIMUM_256
#include "elementary.h"
#include "choice.h"
#define ROWS 1
#define Factor Factor_avx2
#define FACTOR(bytes) factor_avx2(bytes)
#define DOT(sum, factor, weights) ((sum) + (Ints)dot_avx2(factor, weights))
#include "int8_panel.h"

#elif defined(__aarch64__)

#define MINIMUM_NEON(limit, x) (Vector) vminq_f32((float32x4_t)(limit), (float32x4_t)(x))
#define MAXIMUM_NEON(limit, x) (Vector) vmaxq_f32((float32x4_t)(limit), (float32x4_t)(x))

#if defined(__ARM_FEATURE_DOTPROD)
#define HAS_DOT_PRODUCT 1
#define TARGET_DOT_PRODUCT
#elif defined(__linux__) && !defined(__clang__)
#define HAS_DOT_PRODUCT 1
#define TARGET_DOT_PRODUCT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

#if defined(HAS_DOT_PRODUCT)
#define NAME(x) x##_dot_product
#define TARGET TARGET_DOT_PRODUCT
#define FLOATS 4
#define OFFSET 0
#define MINIMUM MINIMUM_NEON
#define MAXIMUM MAXIMUM_NEON
#include "elementary.h"
#include "choice.h"
#define ROWS 1
#define Factor int8x16_t
#define FACTOR(bytes) vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(bytes)))
#define DOT(sum, factor, weights) (Ints) vdotq_s32((int32x4_t)(sum), vld1q_s8(weights), factor)
#include "int8_panel.h"
#endif

static inline int32x4_t dot_neon(int8x16_t factor, int8x16_t weights) {
    const int16x8_t low = vmull_s8(vget_low_s8(weights), vget_low_s8(factor));
    const int16x8_t high = vmull_high_s8(weights, factor);
    return vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
}

#define NAME(x) x##_neon
#define TARGET
#define FLOATS 4
#define OFFSET 0
#define MINIMUM MINIMUM_NEON
#define MAXIMUM MAXIMUM_NEON
#include "elementary.h"
#include "choice.h"
#define ROWS 1
#define Factor int8x16_t
#define FACTOR(bytes) vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(bytes)))
#define DOT(sum, factor, weights) ((sum) + (Ints)dot_neon(factor, vld1q_s8(weights)))
#include "int8_panel.h"

#endif

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));

static inline Four choose(FourInts which, Four x, Four y) {
    return (Four)((which & (FourInts)x) | (~which & (FourInts)y));
}

static inline FourInts dot_plain(const uint8_t *bytes, const int8_t *weights) {
    const int8_t *x = (const int8_t *)bytes;
    FourInts sum;
    for (int i = 0; i < 4; i++, weights += 4)
        sum[i] = weights[0] * x[0] + weights[1] * x[1] + weights[2] * x[2] + weights[3] * x[3];
    return sum;
}

#define NAME(x) x##_plain
#define TARGET
#define FLOATS 4
#define OFFSET 0
#define MINIMUM(limit, x) choose((limit) < (x), limit, x)
#define MAXIMUM(limit, x) choose((limit) > (x), limit, x)
#include "elementary.h"
#include "choice.h"
#define ROWS 1
#define Factor const uint8_t *
#define FACTOR(bytes) (bytes)
#define DOT(sum, factor, weights) ((sum) + dot_plain(factor, weights))
#include "int8_panel.h"

static int always(void) { return 1; }

#if defined(__x86_64__)
static int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2");
}

static int has_avx512_vnni(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

#if defined(HAS_AVX_VNNI)
static int has_avx_vnni(void) {
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#endif
#elif defined(HAS_DOT_PRODUCT)
static int has_dot_product(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return 1; /* the compiler was told so */
#endif
}
#endif

#define ENTRY(supported, kind, offset)                                                             \
    { #kind, supported, offset, panel_##kind, quantize_##kind, fold_##kind, tanh_of_##kind,        \
      exp_of_##kind, exp64_of_##kind, choose_##kind, score_##kind }

/* The kinds of processors, the fastest first. */
static const struct {
    const char *name;
    int (*supported)(void);
    int offset; /* of the bytes of activations */
    void (*panel)(const Task *, size_t);
    int (*quantize)(const float *, uint8_t *, size_t);
    void (*fold)(float *restrict, const float *restrict, const float *restrict, size_t, size_t);
    void (*tanh)(float *, size_t);
    void (*exp)(float *, size_t);
    void (*exp64)(double *, size_t);
    size_t (*choose)(const Filters *, const float *, const uint8_t *, const uint8_t *,
                     const uint32_t *, double, double *);
    double (*score)(const float *, size_t, size_t, double *);
} processors[] = {
#if defined(__x86_64__)
    ENTRY(has_avx512_vnni, avx512, 128),
#if defined(HAS_AVX_VNNI)
    ENTRY(has_avx_vnni, avxvnni, 128),
#endif
    ENTRY(has_avx2, avx2, 0),
#elif defined(__aarch64__)
#if defined(HAS_DOT_PRODUCT)
    ENTRY(has_dot_product, dot_product, 0),
#endif
    ENTRY(always, neon, 0),
#endif
    ENTRY(always, plain, 0),
};
