/* The choice of ids from given logits, of any engine. int8.c includes this file. */

/* Replace `count` numbers up to 0 by their exp. */
void charrnn_exp(size_t processor, double *x, size_t count) {
    processors[processor].exp64(x, count);
}

/* Draw an id for each row of logits (rows, stride), given masks (rows, V) and numbers from [0, 1).
   `allowed` may be one row for all, given by strides (2) of the masks in bytes. Returns 1 if there
   is no memory. */
int charrnn_choose(size_t processor, const Filters *filters, const float *logits, size_t stride,
                   size_t rows, const uint8_t *allowed, const uint8_t *recent,
                   const size_t *mask_strides, const double *uniforms, int64_t *ids) {
    double *memory = malloc(4 * padded_count(filters->vocabulary) * sizeof *memory);
    if (memory == NULL)
        return 1;
    for (size_t row = 0; row < rows; row++)
        ids[row] = (int64_t)processors[processor].choose(
            filters, logits + row * stride, allowed ? allowed + row * mask_strides[0] : NULL,
            recent ? recent + row * mask_strides[1] : NULL, uniforms[row], memory);
    free(memory);
    return 0;
}
