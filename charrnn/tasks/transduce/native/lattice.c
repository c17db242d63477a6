/* Sums over all alignments of a source and a target, with forward and backward probabilities in
   the logarithmic domain. lattice.py describes the lattice, and computes the same with NumPy. */

#include <math.h>
#include <stdlib.h>

#include "layout.h"

/* log(exp(a) + exp(b)); either may be -infinity. */
static double log_sum(double a, double b) {
    double larger = a > b ? a : b, smaller = a > b ? b : a;
    return smaller == -INFINITY ? larger : larger + log1p(exp(smaller - larger));
}

/* Edges (S, W, B) as logarithms of probabilities, which become posterior probabilities.
   sources, targets (B), nats (B). Returns -1 where there is no memory. */
int charrnn_align(double *advance, double *write, const int64_t *sources, const int64_t *targets,
                  double *nats, int64_t length, int64_t width, int64_t lanes) {
    size_t nodes = (size_t)(length * width);
    double *before = malloc(2 * nodes * sizeof(double)); /* forward, (S, W) */
    if (!before)
        return -1;
    double *after = before + nodes; /* backward */
    for (int64_t lane = 0; lane < lanes; lane++) {
        int64_t last = sources[lane] - 1, end = targets[lane];
#define NODE(i, j) ((i) * width + (j))
#define EDGE(i, j) (NODE(i, j) * lanes + lane)
        for (int64_t i = 0; i <= last; i++)
            for (int64_t j = 0; j <= end; j++) {
                double sum = i || j ? -INFINITY : 0;
                if (i)
                    sum = before[NODE(i - 1, j)] + advance[EDGE(i - 1, j)];
                if (j)
                    sum = log_sum(sum, before[NODE(i, j - 1)] + write[EDGE(i, j - 1)]);
                before[NODE(i, j)] = sum;
            }
        for (int64_t i = last; i >= 0; i--)
            for (int64_t j = end; j >= 0; j--) {
                double ahead = i < last ? after[NODE(i + 1, j)] : j == end ? 0 : -INFINITY;
                double sum = ahead + advance[EDGE(i, j)];
                if (j < end)
                    sum = log_sum(sum, after[NODE(i, j + 1)] + write[EDGE(i, j)]);
                after[NODE(i, j)] = sum;
            }
        double total = after[0];
        nats[lane] = -total;
        for (int64_t i = 0; i < length; i++)
            for (int64_t j = 0; j < width; j++) {
                double advanced = 0, written = 0;
                if (i <= last && j <= end) {
                    double here = before[NODE(i, j)] - total;
                    double ahead = i < last ? after[NODE(i + 1, j)] : j == end ? 0 : -INFINITY;
                    advanced = exp(here + advance[EDGE(i, j)] + ahead);
                    if (j < end)
                        written = exp(here + write[EDGE(i, j)] + after[NODE(i, j + 1)]);
                }
                advance[EDGE(i, j)] = advanced;
                write[EDGE(i, j)] = written;
            }
    }
    free(before);
    return 0;
}

uint64_t charrnn_layout(void) {
    uint64_t hash = LAYOUT_START;
    FUNCTION(charrnn_align, 8, sizeof(int))
    return hash;
}
