/* A hash of the structures and functions through which Python calls a library. native_library.py
   computes the same from its own declarations, and does not call a library whose hash differs.

       uint64_t hash = LAYOUT_START;
       STRUCTURE(Task) FIELD(Task, rows) ...      each field, in order
       FUNCTION(charrnn_step, 1, sizeof(int))     how many arguments, and the result's size (0: none)

   FNV-1a of the names and, as eight bytes each, the numbers. */

#include <stddef.h>
#include <stdint.h>

#define LAYOUT_START 0xcbf29ce484222325u

static uint64_t layout_bytes(uint64_t hash, const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t layout_entry(uint64_t hash, const char *name, size_t first, size_t second) {
    char numbers[16];
    for (int i = 0; i < 8; i++) {
        numbers[i] = (char)((uint64_t)first >> 8 * i & 0xff);
        numbers[8 + i] = (char)((uint64_t)second >> 8 * i & 0xff);
    }
    size_t length = 0;
    while (name[length])
        length++;
    return layout_bytes(layout_bytes(hash, name, length), numbers, sizeof numbers);
}

#define STRUCTURE(type) hash = layout_entry(hash, "", sizeof(type), 0);
#define FIELD(type, name) \
    hash = layout_entry(hash, #name, offsetof(type, name), sizeof(((type *)0)->name));
#define FUNCTION(name, arguments, result) hash = layout_entry(hash, #name, arguments, result);
