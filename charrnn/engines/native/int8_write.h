/* Whole characters: steps, filters, draws and ends of texts, many characters at a call. int8.c
   includes this file; int8_writer.py makes its arrays. */

/* The keys of texts that wait for a lane. Several threads may take from one queue. */
typedef struct {
    const uint64_t *keys;
    size_t count, taken;
} Queue;

typedef struct {
    const Lanes *lanes;
    Attention *attention; /* NULL without attention */
    const Filters *filters;
    Queue *queue;
    const uint8_t *allowed; /* (V), or NULL if all ids are */
    /* The beginning of every text: the states after all ids of the prompt but the last, and its
       last ids. */
    const float *h, *c;         /* (L, state_stride) */
    const float *keys, *values; /* (W, D) of attention */
    const int64_t *prompt;
    size_t prompt_count; /* at least 1 */
    /* The ends. A text is compared with the stops in a ring of its last ids. */
    size_t length, min_length; /* of a text without a length: the largest number */
    size_t window, ring_size, stop_count;
    const int64_t *stops;
    const size_t *stop_ends; /* of each stop in `stops` */
    /* The texts in the lanes (B): their entries in the queue (-1: none), their keys, how many ids
       are made, their rings of last ids (B, ring_size), and the ids that are read next. */
    int64_t *entries;
    uint64_t *text_keys, *made;
    int64_t *rings, *next;
    /* What a call writes, at each step and in each lane: */
    size_t room;
    int64_t *begun; /* (B, room + 1): the entry that begins before the step, or -1 */
    int32_t *ids;   /* (B, room) */
    int32_t *ends;  /* (B, room): 0, or the ids of the stop that ends the text; -1: its length does */
    double *scores; /* (B, room): log-probabilities; or NULL */
    uint8_t *masks; /* (2, V) */
    double *memory;
} Writer;

/* Return a text's random number for its next character, as generation/randomness.py computes it. */
static double uniform_of(uint64_t key, uint64_t position) {
    uint64_t mixed = key + (position + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (double)((mixed ^ mixed >> 31) >> 11) * 0x1p-53;
}

/* Begin the next text of the queue in a lane. Returns its entry, or -1 if there is none. */
static int64_t begin(Writer *writer, size_t lane) {
    const Lanes *lanes = writer->lanes;
    const size_t entry = __atomic_fetch_add(&writer->queue->taken, 1, __ATOMIC_RELAXED);
    if (entry >= writer->queue->count)
        return writer->entries[lane] = -1;
    const size_t stride = lanes->state_stride, ring_size = writer->ring_size;
    for (size_t layer = 0; layer + 1 < lanes->model->layer_count; layer++) {
        const size_t place = (layer * lanes->count + lane) * stride;
        memcpy(lanes->h + place, writer->h + layer * stride, stride * sizeof(float));
        memcpy(lanes->c + place, writer->c + layer * stride, stride * sizeof(float));
    }
    if (writer->attention) {
        const Attention *attention = writer->attention;
        const size_t size = attention->window * attention->size;
        const size_t place = 2 * lane * size + attention->start * attention->size;
        memcpy(attention->keys + place, writer->keys, size * sizeof(float));
        memcpy(attention->values + place, writer->values, size * sizeof(float));
    }
    const size_t count = writer->prompt_count;
    const size_t known = count < ring_size ? count : ring_size;
    for (size_t i = count - known; i < count; i++)
        writer->rings[lane * ring_size + i % ring_size] = writer->prompt[i];
    writer->next[lane] = writer->prompt[count - 1];
    writer->text_keys[lane] = writer->queue->keys[entry];
    writer->made[lane] = 0;
    return writer->entries[lane] = (int64_t)entry;
}

/* Return whether the ids made end with these. */
static int ends_with(const Writer *writer, size_t lane, const int64_t *ids, size_t count) {
    const size_t end = writer->prompt_count + writer->made[lane], size = writer->ring_size;
    if (writer->made[lane] < count)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (writer->rings[lane * size + (end - 1 - i) % size] != ids[count - 1 - i])
            return 0;
    return 1;
}

/* Return the ids that are allowed next: no stop may end a text that is too short. */
static const uint8_t *allowed_next(const Writer *writer, size_t lane) {
    const size_t made = writer->made[lane], size = writer->filters->vocabulary;
    if (made >= writer->min_length + writer->ring_size || writer->min_length == 0)
        return writer->allowed;
    if (writer->allowed)
        memcpy(writer->masks, writer->allowed, size);
    else
        memset(writer->masks, 1, size);
    const int64_t *stop = writer->stops;
    for (size_t i = 0; i < writer->stop_count; i++) {
        const size_t count = (size_t)(writer->stops + writer->stop_ends[i] - stop);
        if (made + 1 < writer->min_length + count && ends_with(writer, lane, stop, count - 1))
            writer->masks[stop[count - 1]] = 0;
        stop += count;
    }
    return writer->masks;
}

/* Return the ids that the repetition penalty applies to. */
static const uint8_t *recent(const Writer *writer, size_t lane) {
    const size_t size = writer->filters->vocabulary, ring_size = writer->ring_size;
    const size_t end = writer->prompt_count + writer->made[lane];
    if (writer->filters->penalty == 0)
        return NULL;
    uint8_t *mask = writer->masks + size;
    memset(mask, 0, size);
    for (size_t i = end > writer->window ? end - writer->window : 0; i < end; i++)
        mask[writer->rings[lane * ring_size + i % ring_size]] = 1;
    return mask;
}

/* Return how the text of a lane ends with its last id, as in `ends`. */
static int32_t end_of(const Writer *writer, size_t lane) {
    const int64_t *stop = writer->stops;
    size_t longest = 0;
    for (size_t i = 0; i < writer->stop_count; i++) {
        const size_t count = (size_t)(writer->stops + writer->stop_ends[i] - stop);
        if (count > longest && ends_with(writer, lane, stop, count))
            longest = count;
        stop += count;
    }
    return longest > 0 ? (int32_t)longest : writer->made[lane] == writer->length ? -1 : 0;
}

/* Draw the next id of a lane's text, at a step. Returns as charrnn_int8_write does. */
static int64_t extend(Writer *writer, size_t lane, size_t step) {
    const Lanes *lanes = writer->lanes;
    const Attention *attention = writer->attention;
    const float *logits = attention ? attention->logits + lane * attention->logit_stride
                                    : lanes->scores + lane * lanes->score_stride;
    const size_t size = writer->filters->vocabulary, place = lane * writer->room + step;
    const size_t processor = lanes->model->processor;
    const double uniform = uniform_of(writer->text_keys[lane], writer->made[lane]);
    const size_t id =
        processors[processor].choose(writer->filters, logits, allowed_next(writer, lane),
                                     recent(writer, lane), uniform, writer->memory);
    if (id >= size)
        return id == size ? -1 : -2;
    if (writer->scores)
        writer->scores[place] = processors[processor].score(logits, size, id, writer->memory);
    const size_t end = writer->prompt_count + writer->made[lane]++;
    writer->rings[lane * writer->ring_size + end % writer->ring_size] = (int64_t)id;
    writer->next[lane] = (int64_t)id;
    writer->ids[place] = (int32_t)id;
    writer->ends[place] = end_of(writer, lane);
    return 0;
}

/* Move the window by one state, as AttentionLanes.slide does. */
static void slide(Attention *attention, size_t lanes) {
    const size_t size = attention->window * attention->size;
    if (++attention->start < attention->window)
        return;
    for (size_t lane = 0; lane < lanes; lane++) {
        float *keys = attention->keys + 2 * lane * size;
        float *values = attention->values + 2 * lane * size;
        memcpy(keys, keys + size, size * sizeof(float));
        memcpy(values, values + size, size * sizeof(float));
    }
    attention->start = 0;
}

/* Write the next characters of all texts, at most `steps` of each, and begin those of the queue in
   lanes that are free. Returns the number of steps: fewer once a lane is free and no text waits.
   Returns -1 if no id may come next, and -2 if the numbers of the model overflow. */
int64_t charrnn_int8_write(Writer *writer, size_t steps) {
    const Lanes *lanes = writer->lanes;
    Attention *attention = writer->attention;
    const size_t top = (lanes->model->layer_count - 2) * lanes->count * lanes->state_stride;
    int active = 0;
    for (size_t lane = 0; lane < lanes->count; lane++) {
        int64_t *begun = writer->begun + lane * (writer->room + 1);
        begun[0] = writer->entries[lane] < 0 ? begin(writer, lane) : -1;
        active |= writer->entries[lane] >= 0;
    }
    int64_t step = 0;
    for (int free = !active; step < (int64_t)steps && !free; step++) {
        charrnn_int8_step(lanes);
        if (attention) {
            charrnn_int8_attend(lanes, attention, lanes->h + top, lanes->scores);
            slide(attention, lanes->count);
        }
        for (size_t lane = 0; lane < lanes->count; lane++) {
            const size_t place = lane * writer->room + (size_t)step;
            int64_t *begun = writer->begun + place + lane + 1;
            *begun = -1;
            writer->ends[place] = 0;
            if (writer->entries[lane] < 0)
                continue;
            const int64_t failed = extend(writer, lane, (size_t)step);
            if (failed)
                return failed;
            if (writer->ends[place])
                *begun = begin(writer, lane);
            free |= writer->entries[lane] < 0;
        }
    }
    return step;
}
