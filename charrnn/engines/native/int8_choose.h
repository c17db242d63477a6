/* The choice of ids from given logits, of any engine. int8.c includes this file. */

/* Replace `count` numbers up to 0 by their exp. */
void charrnn_exp(size_t processor, double *x, size_t count) {
    processors[processor].exp64(x, count);
}

/* Draw an id for each row of logits (rows, stride), given masks and counts (rows, V) and numbers
   from [0, 1). Some may be one row for all, given by the strides (3) of `allowed`, `recent` and
   `counts` in items. Returns 1 if there is no memory. */
int charrnn_choose(size_t processor, const Filters *filters, const float *logits, size_t stride,
                   size_t rows, const uint8_t *allowed, const uint8_t *recent,
                   const uint32_t *counts, const size_t *strides, const double *uniforms,
                   int64_t *ids) {
    double *memory = malloc(4 * padded_count(filters->vocabulary) * sizeof *memory);
    if (memory == NULL)
        return 1;
    for (size_t row = 0; row < rows; row++)
        ids[row] = (int64_t)processors[processor].choose(
            filters, logits + row * stride, allowed ? allowed + row * strides[0] : NULL,
            recent ? recent + row * strides[1] : NULL, counts ? counts + row * strides[2] : NULL,
            uniforms[row], memory);
    free(memory);
    return 0;
}
