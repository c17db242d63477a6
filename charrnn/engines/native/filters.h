/* What choice.h needs once for all kinds of processors. int8.c includes this file. */

/* The settings of the filters. An id has the logit -infinity once it is excluded. */
typedef struct {
    size_t vocabulary, top_k;           /* V; 0: off */
    double penalty, temperature, top_p; /* 0: no penalty, greedy, off */
    double log_min_p, typical;          /* above 0: off; 0: off */
    double presence, frequency;         /* penalties of ids that were written; 0: off */
    const double *bias;                 /* (V), added to the logits; or NULL */
} Filters;

/* Return the length of a row of numbers in memory, which vectors of any kind divide. */
static inline size_t padded_count(size_t count) { return (count + 15) / 16 * 16; }

static inline double sum_of(const double *x, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    return sum;
}

/* Return the logarithm of a positive number as generation/elementary.py computes it. */
static inline double log64(double x) {
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.7071067811865476) {
        m += m;
        exponent--;
    }
    const double e = exponent, s = (m - 1.0) / (m + 1.0), z = s * s, twice = s + s;
    double p = 1.0 / 21;
    for (int n = 9; n > 0; n--)
        p = p * z + 1.0 / (2 * n + 1);
    return twice * (p * z) + e * 1.90821492927058770002e-10 + twice +
           e * 6.93147180369123816490e-01;
}

static inline int comes_first(const double *keys, size_t a, size_t b) {
    return keys[a] > keys[b] || (keys[a] == keys[b] && a < b);
}

/* Move the id at a place of a heap down to where it belongs. */
static inline void sink(const double *keys, size_t *heap, size_t place, size_t count) {
    const size_t id = heap[place];
    for (size_t child; (child = 2 * place + 1) < count; place = child) {
        if (child + 1 < count && comes_first(keys, heap[child + 1], heap[child]))
            child++;
        if (comes_first(keys, id, heap[child]))
            break;
        heap[place] = heap[child];
    }
    heap[place] = id;
}

/* Keep the ids with the largest keys, of equals those with the smaller ids: `most` of them or, with
   shares, as many as it takes for their shares to add up to `enough`. Exclude the others from x. */
static inline void keep_first(double *x, const double *keys, const double *shares, size_t *heap,
                              size_t count, size_t most, double enough) {
    size_t left = 0;
    for (size_t id = 0; id < count; id++)
        if (x[id] > -INFINITY)
            heap[left++] = id;
    if (left <= most && shares == NULL)
        return;
    for (size_t place = left / 2; place-- > 0;)
        sink(keys, heap, place, left);
    double sum = 0;
    for (size_t kept = 0; kept < most && left > 0; kept++) {
        const size_t first = heap[0];
        heap[0] = heap[--left];
        sink(keys, heap, 0, left);
        if (shares != NULL && (sum += shares[first]) >= enough)
            break;
    }
    for (size_t place = 0; place < left; place++)
        x[heap[place]] = -INFINITY;
}
