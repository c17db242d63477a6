/* Attention, a character at a time: the equations of model/attention.py. step.c includes this file;
   the products are panels like those of its layers.

   A lane's numbers are added in a fixed order, whatever the other lanes are. No product and sum are
   fused here, and the code is compiled without extensions, so the numbers are the same on every
   processor. */

#include <math.h>

typedef float Four __attribute__((vector_size(16)));
typedef uint32_t FourBits __attribute__((vector_size(16)));
typedef float FourAnywhere __attribute__((vector_size(16), aligned(4), may_alias));

typedef struct {
    size_t window, size, start;  /* W; D, a multiple of 16; where the window begins */
    size_t found_stride, joined_stride, weight_stride, logit_stride;
    float *keys, *values;        /* (B, 2 W, D) */
    const float *biases;         /* (W), the oldest first */
    float *weights;              /* (B, weight_stride): the attention weights */
    float *found, *joined;       /* (B, their stride) */
    const float *norm_weight, *norm_bias; /* (H) */
    float *logits;               /* (B, logit_stride) */
    Layer output, head;
} Attention;

static Four four(const float *from) { return *(const FourAnywhere *)from; }

static void put_four(float *to, Four x) { *(FourAnywhere *)to = x; }

/* Return exp(x) for x <= 0, within 2e-7, and never less than 1e-38. NaN stays NaN. */
static Four exp_four(Four x) {
    const Four rounding = (Four){0} + 0x1.8p23f;
    const Four lowest = (Four){0} - 87.0f;
    FourBits under = (FourBits)(x < lowest); /* false for NaN */
    x = (Four)((under & (FourBits)lowest) | (~under & (FourBits)x));
    Four shifted = x * 1.44269504f + rounding;
    Four k = shifted - rounding;
    Four power = (Four)(((FourBits)shifted << 23) + 0x3f800000u);
    Four r = x - k * 0.693359375f;
    r = r - k * -2.12194440e-4f;
    Four p = r * 1.98756915e-4f + 1.39819995e-3f;
    p = p * r + 8.33345191e-3f;
    p = p * r + 4.16657960e-2f;
    p = p * r + 1.66666655e-1f;
    p = p * r + 0.5f;
    return power * (p * r * r + r + 1.0f);
}

/* Compute a lane's attention weights on the keys, and the weighted sum of the values. */
static void attend(const Attention *attention, const float *query, const float *keys,
                   const float *values, float *weights, float *found) {
    const size_t window = attention->window, size = attention->size;
    float most = -INFINITY;
    for (size_t w = 0; w < window; w++) {
        const float *key = keys + w * size;
        Four sum = {0};
        for (size_t d = 0; d < size; d += 4)
            sum += four(query + d) * four(key + d);
        weights[w] = attention->biases[w] + ((sum[0] + sum[1]) + (sum[2] + sum[3]));
        most = weights[w] > most ? weights[w] : most;
    }
    for (size_t w = window; w < attention->weight_stride; w++)
        weights[w] = -INFINITY;
    Four sum = {0};
    for (size_t w = 0; w < attention->weight_stride; w += 4) {
        Four each = exp_four(four(weights + w) - most);
        put_four(weights + w, each);
        sum += each;
    }
    const float total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (size_t w = 0; w < window; w++)
        weights[w] /= total;
    for (size_t d = 0; d < size; d += 16) {
        Four a = {0}, b = {0}, c = {0}, e = {0};
        const float *value = values + d;
        for (size_t w = 0; w < window; w++, value += size) {
            a += four(value) * weights[w];
            b += four(value + 4) * weights[w];
            c += four(value + 8) * weights[w];
            e += four(value + 12) * weights[w];
        }
        put_four(found + d, a);
        put_four(found + d + 4, b);
        put_four(found + d + 8, c);
        put_four(found + d + 12, e);
    }
}

/* Write the LayerNorm of x + h to x; both are (H). */
static void join(const Attention *attention, size_t hidden_size, const float *h, float *x) {
    float mean = 0, variance = 0;
    for (size_t i = 0; i < hidden_size; i++) {
        x[i] += h[i];
        mean += x[i];
    }
    mean /= (float)hidden_size;
    for (size_t i = 0; i < hidden_size; i++) {
        x[i] -= mean;
        variance += x[i] * x[i];
    }
    const float scale = sqrtf(variance / (float)hidden_size + 1e-5f);
    for (size_t i = 0; i < hidden_size; i++)
        x[i] = x[i] / scale * attention->norm_weight[i] + attention->norm_bias[i];
}

/* Compute a product for all lanes, from the first `length` columns of below (B, stride) to out
   (B, out_stride). */
static void multiply_all(const Lanes *lanes, const Layer *layer, const float *below, size_t length,
                         size_t stride, float *out, size_t out_stride) {
    const Task task = {
        .kind = SUMS,
        .processor = lanes->model->processor,
        .panels = layer->panels,
        .rows = lanes->count,
        .length = length,
        .stride = stride,
        .starts = layer->start,
        .input = layer->input,
        .below = below,
        .out = out,
        .out_stride = out_stride,
    };
    run(present(lanes), &task);
}

/* Compute the logits (B, logit_stride) from states h (B, state_stride) and their projections
   (B, score_stride), which are query, key and value side by side. The caller then moves the
   window by one. */
void charrnn_attend(const Lanes *lanes, const Attention *attention, const float *h,
                    const float *projected) {
    const size_t size = attention->size, end = attention->start + attention->window;
    const size_t hidden_size = lanes->model->hidden_size;
    for (size_t lane = 0; lane < lanes->count; lane++) {
        const float *query = projected + lane * lanes->score_stride;
        float *keys = attention->keys + lane * 2 * attention->window * size;
        float *values = attention->values + lane * 2 * attention->window * size;
        memcpy(keys + end * size, query + size, size * sizeof(float));
        memcpy(values + end * size, query + 2 * size, size * sizeof(float));
        attend(attention, query, keys + attention->start * size,
               values + (attention->start + 1) * size,
               attention->weights + lane * attention->weight_stride,
               attention->found + lane * attention->found_stride);
    }
    multiply_all(lanes, &attention->output, attention->found, size, attention->found_stride,
                 attention->joined, attention->joined_stride);
    for (size_t lane = 0; lane < lanes->count; lane++)
        join(attention, hidden_size, h + lane * lanes->state_stride,
             attention->joined + lane * attention->joined_stride);
    multiply_all(lanes, &attention->head, attention->joined, hidden_size,
                 attention->joined_stride, attention->logits, attention->logit_stride);
}
