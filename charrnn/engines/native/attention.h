/* What the lanes of a network with attention look up, a character at a time: the equations of
   model/attention.py. step.c includes this file; the products are panels like those of its layers.

   A lane's numbers are added up in one order, whoever else is there. Nothing is fused here, which is
   compiled for every processor: on each, the numbers are the same. */

#include <math.h>

typedef float Four __attribute__((vector_size(16)));
typedef uint32_t FourBits __attribute__((vector_size(16)));
typedef float FourAnywhere __attribute__((vector_size(16), aligned(4), may_alias));

typedef struct {
    size_t window, size, start;  /* W; D, a multiple of 16; where the window begins */
    size_t found_stride, joined_stride, weight_stride, logit_stride;
    float *keys, *values;        /* (B, 2 W, D) */
    const float *biases;         /* (W), the oldest first */
    float *weights;              /* (B, weight_stride): how much of each entry is looked up */
    float *found, *joined;       /* (B, their stride) */
    const float *norm_weight, *norm_bias; /* (H) */
    float *logits;               /* (B, logit_stride) */
    Layer output, head;
} Look;

static Four four(const float *from) { return *(const FourAnywhere *)from; }

static void put_four(float *to, Four x) { *(FourAnywhere *)to = x; }

/* exp(x) of what is not above 0, within 2e-7; 0 at last is 1e-38. NaN stays NaN. */
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

/* One lane: its weights from its query and keys, and what they find among the values. */
static void look_up(const Look *look, const float *query, const float *keys, const float *values,
                    float *weights, float *found) {
    const size_t window = look->window, size = look->size;
    float most = -INFINITY;
    for (size_t w = 0; w < window; w++) {
        const float *key = keys + w * size;
        Four sum = {0};
        for (size_t d = 0; d < size; d += 4)
            sum += four(query + d) * four(key + d);
        weights[w] = look->biases[w] + ((sum[0] + sum[1]) + (sum[2] + sum[3]));
        most = weights[w] > most ? weights[w] : most;
    }
    for (size_t w = window; w < look->weight_stride; w++)
        weights[w] = -INFINITY;
    Four sum = {0};
    for (size_t w = 0; w < look->weight_stride; w += 4) {
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

/* LayerNorm of x + h, in the place of x, both (H). */
static void join(const Look *look, size_t hidden_size, const float *h, float *x) {
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
        x[i] = x[i] / scale * look->norm_weight[i] + look->norm_bias[i];
}

/* A product for all lanes: below (B, stride), of which `length` count, to out (B, out_stride). */
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

/* States h (B, state_stride) and their projections (B, score_stride), query, key and value side by
   side, to the logits (B, logit_stride). The caller then moves the window by one. */
void charrnn_look(const Lanes *lanes, const Look *look, const float *h, const float *projected) {
    const size_t size = look->size, end = look->start + look->window;
    const size_t hidden_size = lanes->model->hidden_size;
    for (size_t lane = 0; lane < lanes->count; lane++) {
        const float *query = projected + lane * lanes->score_stride;
        float *keys = look->keys + lane * 2 * look->window * size;
        float *values = look->values + lane * 2 * look->window * size;
        memcpy(keys + end * size, query + size, size * sizeof(float));
        memcpy(values + end * size, query + 2 * size, size * sizeof(float));
        look_up(look, query, keys + look->start * size, values + (look->start + 1) * size,
                look->weights + lane * look->weight_stride,
                look->found + lane * look->found_stride);
    }
    multiply_all(lanes, &look->output, look->found, size, look->found_stride, look->joined,
                 look->joined_stride);
    for (size_t lane = 0; lane < lanes->count; lane++)
        join(look, hidden_size, h + lane * lanes->state_stride,
             look->joined + lane * look->joined_stride);
    multiply_all(lanes, &look->head, look->joined, hidden_size, look->joined_stride, look->logits,
                 look->logit_stride);
}
