/* Attention, a character at a time: the equations and the bits of int8_attention.py. int8.c includes
   this file. */

typedef struct {
    size_t window, size, start;          /* W; D, a multiple of 16; where the window begins */
    size_t weight_stride, logit_stride;  /* multiples of 16 */
    float *keys, *values;                /* (B, 2 W, D) */
    const float *biases;                 /* (W), the oldest first */
    float *weights;                      /* (B, weight_stride): the attention weights */
    float *found;                        /* (D) */
    const float *output;                 /* (D, H) */
    const float *norm_weight, *norm_bias; /* (H) */
    float *joined;                       /* (B, state_stride), zeros beyond H */
    float *logits;                       /* (B, logit_stride) */
    const float *bias;                   /* (logit_stride): the head's, which begins with zeros */
    Layer head;
} Attention;

/* Return the sum of the products of x and y in the order of `charrnn_int8_total`. */
static float total_of_products(const float *x, const float *y, size_t count) {
    float sums[16] = {0};
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (size_t k = 0; k < 16; k++)
            sums[k] += x[i + k] * y[i + k];
    for (size_t k = 0; i < count; i++, k++)
        sums[k] += x[i] * y[i];
    return charrnn_int8_total(sums, 16);
}

/* Compute a lane's attention weights on the keys, and the weighted sum of the values. */
static void attend(const Attention *attention, size_t processor, const float *query,
                   const float *keys, const float *values, float *weights) {
    const size_t window = attention->window, size = attention->size;
    float *found = attention->found, most = -INFINITY;
    for (size_t w = 0; w < attention->weight_stride; w++) {
        weights[w] = -INFINITY;
        if (w < window)
            weights[w] = attention->biases[w] + total_of_products(query, keys + w * size, size);
        most = weights[w] > most ? weights[w] : most;
    }
    for (size_t w = 0; w < attention->weight_stride; w++)
        weights[w] -= most;
    processors[processor].exp(weights, attention->weight_stride);
    const float sum = charrnn_int8_total(weights, window);
    for (size_t w = 0; w < window; w++, values += size) {
        weights[w] /= sum;
        for (size_t d = 0; d < size; d++)
            found[d] = w > 0 ? found[d] + weights[w] * values[d] : weights[w] * values[d];
    }
}

/* Normalize x (count), and divide it by its largest number, which is returned. */
static float normalize(const Attention *attention, float *x, size_t count) {
    const float mean = charrnn_int8_total(x, count) / (float)count;
    for (size_t i = 0; i < count; i++)
        x[i] -= mean;
    const float deviation = sqrtf(total_of_products(x, x, count) / (float)count + 1e-5f);
    float largest = 0;
    for (size_t i = 0; i < count; i++) {
        x[i] = x[i] / deviation * attention->norm_weight[i] + attention->norm_bias[i];
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    }
    const float inverse = largest > 1e-30f ? 1 / largest : 0;
    for (size_t i = 0; i < count; i++)
        x[i] *= inverse;
    return largest;
}

/* Compute the logits (B, logit_stride) of the active lanes from states h (B, state_stride) and their projections
   (B, score_stride), which are query, key and value side by side. The caller then moves the
   window by one. */
void charrnn_int8_attend(const Lanes *lanes, const Attention *attention, const float *h,
                         const float *projected) {
    const Model *model = lanes->model;
    const size_t size = attention->size, window = attention->window, start = attention->start;
    const size_t stride = lanes->state_stride, hidden_size = model->hidden_size;
    float *largest = attention->joined + lanes->count * stride; /* (B) */
    for (size_t lane = 0; lane < lanes->active; lane++) {
        const float *query = projected + lane * lanes->score_stride;
        float *keys = attention->keys + (lane * 2 * window + start) * size;
        float *values = attention->values + (lane * 2 * window + start) * size;
        memcpy(keys + window * size, query + size, size * sizeof(float));
        memcpy(values + window * size, query + 2 * size, size * sizeof(float));
        attend(attention, model->processor, query, keys, values + size,
               attention->weights + lane * attention->weight_stride);
        float *x = attention->joined + lane * stride;
        memcpy(x, h + lane * stride, hidden_size * sizeof(float));
        processors[model->processor].fold(x, attention->found, attention->output, hidden_size,
                                          size);
        largest[lane] = normalize(attention, x, hidden_size);
    }
    quantize_rows(model->processor, attention->joined, lanes->bytes, lanes->lost, lanes->active,
                  stride);
    const Task task = {
        .kind = SUMS,
        .panels = attention->head.panels,
        .rows = lanes->active,
        .fours = (hidden_size + 3) / 4,
        .stride = stride,
        .starts = attention->head.start,
        .input = &attention->head.input,
        .below = lanes->bytes,
        .below_lost = lanes->lost,
        .out = attention->logits,
        .out_stride = attention->logit_stride,
    };
    run(model, &task);
    for (size_t lane = 0; lane < lanes->active; lane++) {
        float *logits = attention->logits + lane * attention->logit_stride;
        for (size_t i = 0; i < attention->logit_stride; i++)
            logits[i] = logits[i] * largest[lane] + attention->bias[i];
    }
}
