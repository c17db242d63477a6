/* The filters of generation/filters.py and the draw of the next id, with the same bits. int8.c
   includes this file for each kind of processor after elementary.h, whose names it uses.

   Sums are added up one by one, in the order of the ids or of the filter. */

INLINE double NAME(exp64)(double x) {
    const double rounding = 6755399441055744.0;
    const double shifted = x * 1.4426950408889634 + rounding;
    const double k = shifted - rounding;
    const double r = x - k * 6.93147180369123816490e-01 - k * 1.90821492927058770002e-10;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 1.0 / 2.0;
    p = p * (r * r) + r + 1.0;
    uint64_t bits;
    double power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return x < -708.0 ? 0.0 : p * power;
}

TARGET static void NAME(exp64_of)(double *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        x[i] = NAME(exp64)(x[i]);
}

/* Return the largest of `count` numbers, a multiple of 16. */
INLINE double NAME(largest)(const double *x, size_t count) {
    double most[16];
    memcpy(most, x, sizeof most);
    for (size_t i = 16; i < count; i += 16)
        for (size_t k = 0; k < 16; k++)
            most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
    for (size_t middle = 8; middle > 0; middle /= 2)
        for (size_t k = 0; k < middle; k++)
            most[k] = most[k + middle] > most[k] ? most[k + middle] : most[k];
    return most[0];
}

/* Write exp(x - most) of all numbers. Returns their sum. */
INLINE double NAME(exponents)(const double *x, double most, double *e, size_t count) {
    for (size_t i = 0; i < count; i++)
        e[i] = NAME(exp64)(x[i] - most);
    return sum_of(e, count);
}

/* Apply the filters after the temperature but for min-p, in which numbers are sorted. */
INLINE void NAME(narrow)(const Filters *filters, double *x, double *e, double *keys,
                           size_t *heap, size_t count) {
    if (filters->top_k > 0)
        keep_first(x, x, NULL, heap, count, filters->top_k, 0);
    if (filters->top_p > 0) {
        const double sum = NAME(exponents)(x, NAME(largest)(x, count), e, count);
        keep_first(x, x, e, heap, count, filters->vocabulary, filters->top_p * sum);
    }
    if (filters->log_min_p <= 0) {
        const double least = NAME(largest)(x, count) + filters->log_min_p;
        for (size_t i = 0; i < count; i++)
            x[i] = x[i] >= least ? x[i] : -INFINITY;
    }
    if (filters->typical > 0) {
        const double most = NAME(largest)(x, count);
        const double sum = NAME(exponents)(x, most, e, count), log_sum = log64(sum);
        double entropy = 0;
        for (size_t i = 0; i < count; i++) {
            keys[i] = log_sum - (x[i] - most);
            entropy += e[i] > 0 ? e[i] * keys[i] : 0;
        }
        entropy /= sum;
        for (size_t i = 0; i < count; i++)
            keys[i] = -fabs(keys[i] - entropy);
        keep_first(x, keys, e, heap, count, filters->vocabulary, filters->typical * sum);
    }
}

/* Return the id that a number from [0, 1) draws from logits; V if none may come, V + 1 if a logit
   is not finite. `counts` has how often each id was written. NULL `allowed`, `recent` and `counts`
   are all ids, none and zeros. `memory` has room for four rows of numbers. */
TARGET static size_t NAME(choose)(const Filters *filters, const float *logits,
                                  const uint8_t *allowed, const uint8_t *recent,
                                  const uint32_t *counts, double uniform, double *memory) {
    const size_t size = filters->vocabulary, count = padded_count(size);
    double *x = memory, *e = x + count, *keys = e + count;
    int lost = 0;
    for (size_t i = 0; i < size; i++) {
        lost |= !(fabsf(logits[i]) <= FLT_MAX);
        x[i] = logits[i];
    }
    if (lost)
        return size + 1;
    for (size_t i = size; i < count; i++)
        x[i] = -INFINITY;
    for (size_t i = 0; allowed && i < size; i++)
        x[i] = allowed[i] ? x[i] : -INFINITY;
    for (size_t i = 0; filters->bias && i < size; i++)
        x[i] = x[i] + filters->bias[i];
    double most = NAME(largest)(x, count);
    if (most == -INFINITY)
        return size;
    if (filters->penalty > 0 && recent) {
        const double log_sum = log64(NAME(exponents)(x, most, e, count));
        for (size_t i = 0; i < size; i++) {
            x[i] = x[i] - most - log_sum;
            x[i] = recent[i] ? x[i] * filters->penalty : x[i];
        }
        most = NAME(largest)(x, count);
    }
    if (counts && (filters->presence != 0 || filters->frequency != 0)) {
        for (size_t i = 0; i < size; i++)
            if (counts[i] > 0)
                x[i] = x[i] - (filters->presence + filters->frequency * (double)counts[i]);
        most = NAME(largest)(x, count);
    }
    if (filters->temperature == 0) {
        size_t first = 0;
        while (x[first] < most)
            first++;
        return first;
    }
    const double zero = filters->temperature < 1e-200 ? most : 0;
    for (size_t i = 0; i < count; i++)
        x[i] = (x[i] - zero) / filters->temperature;
    NAME(narrow)(filters, x, e, keys, (size_t *)(keys + count), count);
    const double reached = uniform * NAME(exponents)(x, NAME(largest)(x, count), e, count);
    double sum = 0;
    size_t id = 0;
    while (id < size && !((sum += e[id]) > reached))
        id++;
    return id;
}

/* Return the log-probability of an id. */
TARGET static double NAME(score)(const float *logits, size_t size, size_t id, double *memory) {
    const size_t count = padded_count(size);
    double *x = memory, *e = x + count;
    for (size_t i = 0; i < count; i++)
        x[i] = i < size ? (double)logits[i] : -INFINITY;
    const double most = NAME(largest)(x, count);
    return x[id] - most - log64(NAME(exponents)(x, most, e, count));
}
