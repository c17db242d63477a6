/* Whole characters: steps, filters, draws and ends of texts, many characters at a call. int8.c
   includes this file; int8_writer.py makes its arrays. */

/* What a text obeys. Many texts may share one. */
typedef struct {
    const Filters *filters;
    const uint8_t *allowed;         /* (V), or NULL if all ids are */
    size_t length, min_length;      /* of a text without a length: the largest number */
    size_t window;                  /* of the last ids to which penalties apply */
    size_t longest_stop, stop_count;
    const int64_t *stops;
    const size_t *stop_ends;        /* of each stop in `stops` */
    size_t scored;                  /* whether to compute log-probabilities */
} Rules;

/* Texts that wait for a lane, with the same rules and beginning. Several threads may take from one
   queue. */
typedef struct {
    const uint64_t *text_keys; /* of their random numbers */
    size_t count, taken;
    const Rules *rules;
    /* The states after all ids of the prompt but the last, and its last ids. */
    const float *h, *c;         /* (L, state_stride) */
    const float *keys, *values; /* (W, D) of attention */
    const int64_t *ids;
    size_t id_count; /* at least 1 */
} Queue;

/* The text of a lane. */
typedef struct {
    const Rules *rules; /* NULL: the lane is free */
    int64_t entry;      /* in the queue that the text came from; -1 if it came from none */
    uint64_t key, made; /* the key of its random numbers; how many ids are made */
    size_t before;      /* how many ids of the prompt are in the ring */
} Text;

/* How a text ends, if a stop does not end it. */
enum { BY_LENGTH = -1, BY_OVERFLOW = -2, AS_NOTHING_MAY_COME = -3 };

typedef struct {
    const Lanes *lanes;
    Attention *attention; /* NULL without attention */
    Text *texts;          /* (B) */
    int64_t *next;        /* (B): the ids that are read next */
    int32_t *rings;       /* (B, ring_size): the last ids of each text, the next one at `made` */
    size_t ring_size;     /* a power of two */
    size_t room, interrupted;
    /* What a call writes, at each step and in each lane: */
    int64_t *begun; /* (B, room + 1): the entry that begins before the step, or -1 */
    int32_t *ids;   /* (B, room): -1 if there is none */
    int32_t *ends;  /* (B, room): 0, or the ids of the stop that ends the text, or as above */
    double *scores; /* (B, room): log-probabilities, where the rules want them */
    uint8_t *masks; /* (2, V) */
    uint32_t *counts; /* (V) */
    double *memory;
} Writer;

/* Return a text's random number for its next character, as generation/randomness.py computes it. */
static double uniform_of(uint64_t key, uint64_t position) {
    uint64_t mixed = key + (position + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (double)((mixed ^ mixed >> 31) >> 11) * 0x1p-53;
}

/* Return where the id that came `back` ids before the next one is. */
static int32_t *id_before(const Writer *writer, size_t lane, uint64_t back) {
    const uint64_t place = (writer->texts[lane].made - back) & (writer->ring_size - 1);
    return &writer->rings[lane * writer->ring_size + place];
}

/* Begin the next text of the queue in a lane. Returns its entry, or -1 if there is none. */
static int64_t begin(Writer *writer, Queue *queue, size_t lane) {
    if (queue == NULL)
        return -1;
    const Lanes *lanes = writer->lanes;
    const size_t entry = __atomic_fetch_add(&queue->taken, 1, __ATOMIC_RELAXED);
    if (entry >= queue->count)
        return -1;
    const size_t stride = lanes->state_stride;
    for (size_t layer = 0; layer + 1 < lanes->model->layer_count; layer++) {
        const size_t place = (layer * lanes->count + lane) * stride;
        memcpy(lanes->h + place, queue->h + layer * stride, stride * sizeof(float));
        memcpy(lanes->c + place, queue->c + layer * stride, stride * sizeof(float));
    }
    if (writer->attention) {
        const Attention *attention = writer->attention;
        const size_t size = attention->window * attention->size;
        const size_t place = 2 * lane * size + attention->start * attention->size;
        memcpy(attention->keys + place, queue->keys, size * sizeof(float));
        memcpy(attention->values + place, queue->values, size * sizeof(float));
    }
    writer->texts[lane] =
        (Text){queue->rules, (int64_t)entry, queue->text_keys[entry], 0, queue->id_count};
    for (size_t i = 0; i < queue->id_count; i++)
        *id_before(writer, lane, queue->id_count - i) = (int32_t)queue->ids[i];
    writer->next[lane] = queue->ids[queue->id_count - 1];
    return (int64_t)entry;
}

/* Return whether the ids made end with these. */
static int ends_with(const Writer *writer, size_t lane, const int64_t *ids, size_t count) {
    if (writer->texts[lane].made < count)
        return 0;
    for (size_t back = 1; back <= count; back++)
        if (*id_before(writer, lane, back) != ids[count - back])
            return 0;
    return 1;
}

/* Return the ids that are allowed next: no stop may end a text that is too short. */
static const uint8_t *allowed_next(const Writer *writer, size_t lane) {
    const Rules *rules = writer->texts[lane].rules;
    const size_t made = writer->texts[lane].made, size = rules->filters->vocabulary;
    if (rules->min_length == 0 || made >= rules->min_length + rules->longest_stop)
        return rules->allowed;
    if (rules->allowed)
        memcpy(writer->masks, rules->allowed, size);
    else
        memset(writer->masks, 1, size);
    const int64_t *stop = rules->stops;
    for (size_t i = 0; i < rules->stop_count; i++) {
        const size_t count = (size_t)(rules->stops + rules->stop_ends[i] - stop);
        if (made + 1 < rules->min_length + count && ends_with(writer, lane, stop, count - 1))
            writer->masks[stop[count - 1]] = 0;
        stop += count;
    }
    return writer->masks;
}

/* Return the ids that the repetition penalty applies to. */
static const uint8_t *recent(const Writer *writer, size_t lane) {
    const Text *text = &writer->texts[lane];
    const size_t size = text->rules->filters->vocabulary, window = text->rules->window;
    if (text->rules->filters->penalty == 0)
        return NULL;
    uint8_t *mask = writer->masks + size;
    memset(mask, 0, size);
    const uint64_t known = text->made + text->before;
    for (uint64_t back = 1; back <= window && back <= known; back++)
        mask[*id_before(writer, lane, back)] = 1;
    return mask;
}

/* Return how often each id was made within the window, if a penalty asks. */
static const uint32_t *counted(const Writer *writer, size_t lane) {
    const Text *text = &writer->texts[lane];
    const Filters *filters = text->rules->filters;
    if (filters->presence == 0 && filters->frequency == 0)
        return NULL;
    memset(writer->counts, 0, filters->vocabulary * sizeof *writer->counts);
    for (uint64_t back = 1; back <= text->rules->window && back <= text->made; back++)
        writer->counts[*id_before(writer, lane, back)]++;
    return writer->counts;
}

/* Return how the text of a lane ends with its last id, as in `ends`. */
static int32_t end_of(const Writer *writer, size_t lane) {
    const Rules *rules = writer->texts[lane].rules;
    const int64_t *stop = rules->stops;
    size_t longest = 0;
    for (size_t i = 0; i < rules->stop_count; i++) {
        const size_t count = (size_t)(rules->stops + rules->stop_ends[i] - stop);
        if (count > longest && ends_with(writer, lane, stop, count))
            longest = count;
        stop += count;
    }
    return longest > 0                                  ? (int32_t)longest
           : writer->texts[lane].made == rules->length ? BY_LENGTH
                                                        : 0;
}

/* Draw the next id of a lane's text, at a step. Returns how the text ends, as in `ends`. */
static int32_t extend(Writer *writer, size_t lane, size_t step) {
    const Lanes *lanes = writer->lanes;
    const Attention *attention = writer->attention;
    Text *text = &writer->texts[lane];
    const float *logits = attention ? attention->logits + lane * attention->logit_stride
                                    : lanes->scores + lane * lanes->score_stride;
    const size_t size = text->rules->filters->vocabulary, place = lane * writer->room + step;
    const size_t processor = lanes->model->processor;
    const size_t id = processors[processor].choose(
        text->rules->filters, logits, allowed_next(writer, lane), recent(writer, lane),
        counted(writer, lane), uniform_of(text->key, text->made), writer->memory);
    writer->ids[place] = id < size ? (int32_t)id : -1;
    if (id >= size)
        return id == size ? AS_NOTHING_MAY_COME : BY_OVERFLOW;
    if (text->rules->scored)
        writer->scores[place] = processors[processor].score(logits, size, id, writer->memory);
    *id_before(writer, lane, 0) = (int32_t)id;
    text->made++;
    writer->next[lane] = (int64_t)id;
    return end_of(writer, lane);
}

/* Move the window of the first lanes by one state, as AttentionLanes.slide does. */
static void slide(Attention *attention, size_t active) {
    const size_t size = attention->window * attention->size;
    if (++attention->start < attention->window)
        return;
    for (size_t lane = 0; lane < active; lane++) {
        float *keys = attention->keys + 2 * lane * size;
        float *values = attention->values + 2 * lane * size;
        memcpy(keys, keys + size, size * sizeof(float));
        memcpy(values, values + size, size * sizeof(float));
    }
    attention->start = 0;
}

/* Read one character in every active lane, as charrnn_int8_step does, and then with attention, which
   may be NULL. Both are given without their types, so that other libraries can call it. */
int charrnn_int8_next(const void *lanes_of_any_type, void *attention_of_any_type) {
    const Lanes *lanes = lanes_of_any_type;
    Attention *attention = attention_of_any_type;
    if (charrnn_int8_step(lanes))
        return 1;
    if (attention) {
        const size_t top = (lanes->model->layer_count - 2) * lanes->count * lanes->state_stride;
        charrnn_int8_attend(lanes, attention, lanes->h + top, lanes->scores);
        slide(attention, lanes->active);
    }
    return 0;
}

/* Write the next characters of all texts, at most `steps` of each, and begin those of the queue,
   which may be NULL, in lanes that are free. Lanes behind the last text cost nothing. Returns the
   number of steps: fewer once a lane becomes free and no text waits, or after the first step that
   finds the writer interrupted. */
int64_t charrnn_int8_write(Writer *writer, Queue *queue, size_t steps) {
    Lanes lanes = *writer->lanes;
    Attention *attention = writer->attention;
    lanes.active = 0;
    for (size_t lane = 0; lane < lanes.count; lane++) {
        int64_t *begun = writer->begun + lane * (writer->room + 1);
        *begun = writer->texts[lane].rules ? -1 : begin(writer, queue, lane);
        if (writer->texts[lane].rules)
            lanes.active = lane + 1;
    }
    int64_t step = 0;
    for (int last = lanes.active == 0; step < (int64_t)steps && !last; step++) {
        charrnn_int8_next(&lanes, attention);
        for (size_t lane = 0; lane < lanes.count; lane++) {
            const size_t place = lane * writer->room + (size_t)step;
            int64_t *begun = writer->begun + place + lane + 1;
            *begun = -1;
            writer->ends[place] = 0;
            if (writer->texts[lane].rules == NULL)
                continue;
            if ((writer->ends[place] = extend(writer, lane, (size_t)step)) == 0)
                continue;
            writer->texts[lane].rules = NULL;
            *begun = begin(writer, queue, lane);
            last |= *begun < 0;
        }
        last |= __atomic_exchange_n(&writer->interrupted, 0, __ATOMIC_RELAXED) != 0;
    }
    return step;
}
