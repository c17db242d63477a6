/* A layer over a whole sequence, forward and backward. recurrence.c includes this file once for
   each kind of processor, after its primitives:

       NAME(x)    x with the name of the kind
       TARGET     the attribute that lets the compiler use the kind's instructions
       FLOATS     float32 numbers in one of its vectors
       Element    the type that is stored and multiplied: float, or its upper half (bf16)
       Vector     FLOATS numbers of float32
       MULTIPLY_ADD(a, b, c)   a * b + c, rounded once
       all, load, store, load_some, store_some, load_elements, store_elements, exp2, inverse,
       multiply, and the functions of pack.h

   Sums are float32 and are added up in one order, whatever the number of lanes and threads. Fused
   multiply-adds are written out, and never left to the compiler. */

/* 1 / (1 + exp(-x)); 0 and 1 far out, NaN for NaN. */
INLINE Vector NAME(sigmoid)(Vector x) { return inverse(1.0f + exp2(x * -1.44269504f)); }

/* 2 sigmoid(2 x) - 1. In float32 the absolute error is below 2e-7; the relative error is larger. */
INLINE Vector NAME(tanh)(Vector x) {
    return 2.0f * inverse(1.0f + exp2(x * -2.88539008f)) - 1.0f;
}

INLINE Vector NAME(one_minus_square)(Vector x) { return MULTIPLY_ADD(-x, x, NAME(all)(1.0f)); }

/* Returns the address of an element of a row in tiles, `depth` of which make a row. */
INLINE Element *NAME(place)(char *tiles, size_t row, size_t depth, size_t element) {
    size_t tile = row / TILE_ROWS * depth + element / TILE_ELEMENTS;
    return (Element *)(tiles + tile * TILE + row % TILE_ROWS * TILE_ROW) + element % TILE_ELEMENTS;
}

/* Returns where a lane's gates are kept for the backward pass: four times 64 bytes of units. */
INLINE Element *NAME(kept)(const Layer *layer, size_t time, size_t row, size_t unit) {
    size_t groups = (layer->hidden + TILE_ELEMENTS - 1) / TILE_ELEMENTS;
    size_t group = (time * groups + unit / TILE_ELEMENTS) * layer->batch + row;
    return (Element *)layer->gates_kept + group * 4 * TILE_ELEMENTS + unit % TILE_ELEMENTS;
}

/* Packs a panel of the weights (G H, H) for the forward products: FLOATS units of each gate; of the
   plain RNN, 4 FLOATS units. */
TARGET static void NAME(pack_forward)(const Layer *layer, Region *region, size_t panel) {
    const size_t hidden = layer->hidden, gates = layer->gates;
    const size_t vectors = gates == 1 ? 4 : gates;
    char *to = region->weights + panel * region->panel_bytes;
    for (size_t v = 0; v < vectors; v++) {
        size_t unit = gates == 1 ? (panel * 4 + v) * FLOATS : panel * FLOATS;
        size_t some = NAME(left)(unit, hidden);
        const float *weight = layer->weight + ((gates == 1 ? 0 : v * hidden) + unit) * hidden;
        for (size_t tile = 0; tile < region->depth; tile++)
            NAME(pack_along)(weight, hidden, some, tile * TILE_ELEMENTS,
                             NAME(panel_words)(to, tile, region->depth, v, vectors),
                             NAME(panel_stride)(vectors));
    }
}

/* Packs a panel for the backward products: 4 FLOATS columns of the weights, all G H rows. */
TARGET static void NAME(pack_backward)(const Layer *layer, Region *region, size_t panel) {
    const size_t hidden = layer->hidden, depth = layer->gates * region->depth;
    char *to = region->weights + panel * region->panel_bytes;
    for (size_t tile = 0; tile < depth; tile++) {
        size_t gate = tile / region->depth, first = tile % region->depth * TILE_ELEMENTS;
        const float *weight = layer->weight + gate * hidden * hidden;
        for (size_t v = 0; v < 4; v++)
            NAME(pack_across)(weight, hidden, first, (panel * 4 + v) * FLOATS,
                              NAME(panel_words)(to, tile, depth, v, 4), NAME(panel_stride)(4));
    }
}

/* Copies a row of h before the first character into the tiles and before the outputs. */
TARGET static void NAME(begin)(const Layer *layer, Region *region, size_t row) {
    const size_t hidden = layer->hidden;
    Element *outputs = (Element *)layer->outputs + row * hidden;
    for (size_t unit = 0; unit < hidden; unit += FLOATS) {
        size_t some = NAME(left)(unit, hidden);
        Vector h = load_some(layer->h + row * hidden + unit, some);
        store_elements(NAME(place)(region->tiles[0], row - region->first, region->depth, unit), h, some);
        store_elements(outputs + unit, h, some);
    }
}

/* Computes the next h of FLOATS units of a lane from the sums of the recurrent product. */
INLINE void NAME(gates)(const Layer *layer, Region *region, enum cell cell, size_t time, size_t row,
                        size_t unit, const float *sums) {
    const size_t hidden = layer->hidden, batch = layer->batch, some = NAME(left)(unit, hidden);
    const size_t lane = time * batch + row;
    const size_t start = layer->index ? (size_t)layer->index[lane] : lane;
    const Element *x = (const Element *)layer->x + start * layer->gates * hidden + unit;
    Element *kept = layer->gates_kept ? NAME(kept)(layer, time, row, unit) : 0;
    float *state = layer->h + row * hidden + unit;
    Vector h;
    if (cell == RNN) {
        h = NAME(tanh)(load(sums) + load_elements(x, some));
    } else if (cell == GRU) {
        Vector r = NAME(sigmoid)(load(sums) + load_elements(x, some));
        Vector z = NAME(sigmoid)(load(sums + FLOATS) + load_elements(x + hidden, some));
        Vector inner = load(sums + 2 * FLOATS) + load_some(layer->inner_bias + unit, some);
        Vector n = NAME(tanh)(MULTIPLY_ADD(r, inner, load_elements(x + 2 * hidden, some)));
        h = MULTIPLY_ADD(z, load_some(state, some) - n, n);
        store_some(state, h, some);
        if (kept) {
            store_elements(kept, r, some);
            store_elements(kept + TILE_ELEMENTS, z, some);
            store_elements(kept + 2 * TILE_ELEMENTS, n, some);
            store_elements(kept + 3 * TILE_ELEMENTS, inner, some);
        }
    } else {
        Vector i = NAME(sigmoid)(load(sums) + load_elements(x, some));
        Vector f = NAME(sigmoid)(load(sums + FLOATS) + load_elements(x + hidden, some));
        Vector g = NAME(tanh)(load(sums + 2 * FLOATS) + load_elements(x + 2 * hidden, some));
        Vector o = NAME(sigmoid)(load(sums + 3 * FLOATS) + load_elements(x + 3 * hidden, some));
        float *before = layer->c + time * layer->c_stride + row * hidden + unit;
        Vector c = MULTIPLY_ADD(f, load_some(before, some), i * g);
        store_some(before + layer->c_stride, c, some);
        h = o * NAME(tanh)(c);
        if (kept) {
            store_elements(kept, i, some);
            store_elements(kept + TILE_ELEMENTS, f, some);
            store_elements(kept + 2 * TILE_ELEMENTS, g, some);
            store_elements(kept + 3 * TILE_ELEMENTS, o, some);
        }
    }
    if (cell != GRU && time + 1 == layer->time)
        store_some(state, h, some);
    Element *outputs = (Element *)layer->outputs + (batch + lane) * hidden + unit;
    store_elements(outputs, h, some);
    char *tiles = region->tiles[(time + 1) % 2];
    store_elements(NAME(place)(tiles, row - region->first, region->depth, unit), h, some);
}

/* Computes the gradients of the sums of FLOATS units of a lane from the gradient of h. */
INLINE void NAME(gradients)(const Layer *layer, Region *region, enum cell cell, size_t time,
                            size_t row, size_t unit, Vector dh) {
    const size_t hidden = layer->hidden, batch = layer->batch, some = NAME(left)(unit, hidden);
    const size_t lane = time * batch + row, at = row - region->first, depth = region->depth;
    const Element *kept = NAME(kept)(layer, time, row, unit);
    const Element *before = (const Element *)layer->outputs + lane * hidden + unit;
    Element *dx = (Element *)layer->dx + lane * layer->gates * hidden + unit;
    char *tiles = region->tiles[time % 2];
    float *carried = layer->dc + row * hidden + unit;
    const size_t next = depth * TILE_ELEMENTS; /* distance from gate to gate in tiles */
    if (layer->doutputs)
        dh += load_elements((const Element *)layer->doutputs + lane * hidden + unit, some);
    if (cell == RNN) {
        Vector h = load_elements(before + batch * hidden, some);
        Vector dsum = dh * NAME(one_minus_square)(h);
        store_elements(dx, dsum, some);
        store_elements(NAME(place)(tiles, at, depth, unit), dsum, some);
    } else if (cell == GRU) {
        Vector r = load_elements(kept, some), z = load_elements(kept + TILE_ELEMENTS, some);
        Vector n = load_elements(kept + 2 * TILE_ELEMENTS, some);
        Vector inner = load_elements(kept + 3 * TILE_ELEMENTS, some);
        Vector h = load_elements(before, some);
        dh += load_some(carried, some);
        store_some(carried, dh * z, some);
        Vector dn = dh * (1.0f - z) * NAME(one_minus_square)(n);
        Vector dz = dh * (h - n) * z * (1.0f - z);
        Vector dr = dn * inner * r * (1.0f - r);
        Vector dinner = dn * r;
        Element *dinner_at = (Element *)layer->dinner + lane * hidden + unit;
        store_elements(dx, dr, some);
        store_elements(dx + hidden, dz, some);
        store_elements(dx + 2 * hidden, dn, some);
        store_elements(dinner_at, dinner, some);
        store_elements(NAME(place)(tiles, at, 3 * depth, unit), dr, some);
        store_elements(NAME(place)(tiles, at, 3 * depth, next + unit), dz, some);
        store_elements(NAME(place)(tiles, at, 3 * depth, 2 * next + unit), dinner, some);
    } else {
        Vector i = load_elements(kept, some), f = load_elements(kept + TILE_ELEMENTS, some);
        Vector g = load_elements(kept + 2 * TILE_ELEMENTS, some);
        Vector o = load_elements(kept + 3 * TILE_ELEMENTS, some);
        const float *c_before = layer->c + time * layer->c_stride + row * hidden + unit;
        Vector tanh_c = NAME(tanh)(load_some(c_before + layer->c_stride, some));
        Vector dc = MULTIPLY_ADD(dh * o, NAME(one_minus_square)(tanh_c), load_some(carried, some));
        store_some(carried, dc * f, some);
        Vector di = dc * g * i * (1.0f - i);
        Vector df = dc * load_some(c_before, some) * f * (1.0f - f);
        Vector dg = dc * i * NAME(one_minus_square)(g);
        Vector dout = dh * tanh_c * o * (1.0f - o);
        store_elements(dx, di, some);
        store_elements(dx + hidden, df, some);
        store_elements(dx + 2 * hidden, dg, some);
        store_elements(dx + 3 * hidden, dout, some);
        store_elements(NAME(place)(tiles, at, 4 * depth, unit), di, some);
        store_elements(NAME(place)(tiles, at, 4 * depth, next + unit), df, some);
        store_elements(NAME(place)(tiles, at, 4 * depth, 2 * next + unit), dg, some);
        store_elements(NAME(place)(tiles, at, 4 * depth, 3 * next + unit), dout, some);
    }
}

#ifdef MATRIX_UNIT
#include "amx.h"
#else
#include "simd_gemm.h"
#endif

/* Prefetches what the gates of some rows will read after the products. */
INLINE void NAME(fetch)(const Layer *layer, size_t time, size_t unit, size_t first, size_t rows) {
    const size_t hidden = layer->hidden;
    for (size_t row = first; row < first + rows; row++) {
        const size_t lane = time * layer->batch + row;
        const size_t start = layer->index ? (size_t)layer->index[lane] : lane;
        const Element *x = (const Element *)layer->x + start * layer->gates * hidden + unit;
        for (size_t gate = 0; gate < layer->gates; gate++)
            __builtin_prefetch(x + gate * hidden);
    }
}

/* Computes one step forward of a group of panels, which cover 64 bytes of units, and some rows. */
INLINE void NAME(forward_of)(const Layer *layer, Region *region, enum cell cell, size_t time,
                             size_t group, size_t first, size_t rows) {
    const size_t vectors = cell == GRU ? 3 : 4, units = cell == RNN ? 4 : 1;
    const size_t panels = cell == RNN ? 1 : TILE_ELEMENTS / FLOATS;
    float sums[TILE_ELEMENTS / FLOATS][BLOCK * 4 * FLOATS] __attribute__((aligned(64)));
    NAME(fetch)(layer, time, group * panels * units * FLOATS, region->first + first, rows);
    for (size_t panel = 0; panel < panels; panel++)
        if (group * panels + panel < region->panels)
            multiply(region->tiles[time % 2], first, rows, region->depth,
                     region->weights + (group * panels + panel) * region->panel_bytes, vectors,
                     sums[panel]);
    for (size_t row = 0; row < rows; row++)
        for (size_t panel = 0; panel < panels; panel++)
            for (size_t v = 0; v < units; v++) {
                size_t unit = ((group * panels + panel) * units + v) * FLOATS;
                if (unit < layer->hidden)
                    NAME(gates)(layer, region, cell, time, region->first + first + row, unit,
                                sums[panel] + (row * vectors + v) * FLOATS);
            }
}

TARGET static void NAME(forward)(const Layer *layer, Region *region, size_t time, size_t group,
                                 size_t first, size_t rows) {
    switch (layer->cell) {
    case RNN: NAME(forward_of)(layer, region, RNN, time, group, first, rows); break;
    case GRU: NAME(forward_of)(layer, region, GRU, time, group, first, rows); break;
    case LSTM: NAME(forward_of)(layer, region, LSTM, time, group, first, rows); break;
    }
}

/* Computes one step backward of a panel and some rows. The first call, at time T, has no sums yet
   and reads the gradient of the last h; the last call only writes the gradient of the first h. */
INLINE void NAME(backward_of)(const Layer *layer, Region *region, enum cell cell, size_t time,
                              size_t panel, size_t first, size_t rows) {
    const size_t hidden = layer->hidden, gates = cell == RNN ? 1 : cell == GRU ? 3 : 4;
    float sums[BLOCK * 4 * FLOATS] __attribute__((aligned(64)));
    if (time < layer->time)
        multiply(region->tiles[time % 2], first, rows, gates * region->depth,
                 region->weights + panel * region->panel_bytes, 4, sums);
    for (size_t row = 0; row < rows; row++)
        for (size_t v = 0; v < 4; v++) {
            size_t unit = (panel * 4 + v) * FLOATS, some = NAME(left)(unit, hidden);
            if (!some)
                continue;
            size_t lane = region->first + first + row, at = lane * hidden + unit;
            Vector dh = time < layer->time ? load(sums + (row * 4 + v) * FLOATS)
                                           : load_some(layer->h + at, some);
            if (time > 0)
                NAME(gradients)(layer, region, cell, time - 1, lane, unit, dh);
            else
                store_some(layer->h + at, dh + load_some(layer->dc + at, cell == GRU ? some : 0),
                           some);
        }
}

TARGET static void NAME(backward)(const Layer *layer, Region *region, size_t time, size_t panel,
                                  size_t first, size_t rows) {
    switch (layer->cell) {
    case RNN: NAME(backward_of)(layer, region, RNN, time, panel, first, rows); break;
    case GRU: NAME(backward_of)(layer, region, GRU, time, panel, first, rows); break;
    case LSTM: NAME(backward_of)(layer, region, LSTM, time, panel, first, rows); break;
    }
}

/* Adds rows (count, width) to the rows of `sums` that the index names, or all to one row. */
TARGET static void NAME(sum_rows)(const Sum *sum, size_t from, size_t to) {
    for (size_t row = 0; row < sum->count; row++) {
        const Element *x = (const Element *)sum->rows + row * sum->width;
        float *total = sum->sums + (sum->index ? (size_t)sum->index[row] * sum->width : 0);
        for (size_t column = from; column < to; column += FLOATS) {
            size_t some = NAME(left)(column, to);
            store_some(total + column, load_some(total + column, some) +
                       load_elements(x + column, some), some);
        }
    }
}

#undef TILE_ELEMENTS
#undef WORD_ELEMENTS
#undef NAME
#undef TARGET
#undef INLINE
#undef FLOATS
#undef Element
#undef Vector
#undef load
#undef store
#undef load_some
#undef store_some
#undef load_elements
#undef store_elements
#undef store_words
#undef transpose
#undef exp2
#undef inverse
#undef multiply
#undef MULTIPLY_ADD
#undef ROWS
#undef BROADCAST
#undef ADD_PRODUCT
