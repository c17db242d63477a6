/* The kinds that this processor supports, and its matrix unit. recurrence.c includes this file. */

#ifdef X86
static int bit(unsigned leaf, unsigned part, int word, int number) {
    unsigned words[4];
    if (!__get_cpuid_count(leaf, part, &words[0], &words[1], &words[2], &words[3]))
        return 0;
    return words[word] >> number & 1;
}

static int supported(size_t kind) {
    int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    switch (kind) {
    case 0: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case 1: return avx512;
    case 2: return avx512 && bit(7, 1, 0, 5);
    case 3: /* Linux gives the matrix unit's registers on request only */
        return avx512 && bit(7, 1, 0, 5) && bit(7, 0, 3, 22) && bit(7, 0, 3, 24) &&
               syscall(SYS_arch_prctl, 0x1023, 18) == 0;
    }
    return 0;
}

__attribute__((target("amx-tile"))) static void configure_matrix_unit(void) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((packed, aligned(64))) configuration = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        configuration.row_bytes[tile] = TILE_ROW;
        configuration.rows[tile] = TILE_ROWS;
    }
    __asm__ volatile("" : : "r"(&configuration) : "memory"); /* the next line reads all of it */
    _tile_loadconfig(&configuration);
}

__attribute__((target("amx-tile"))) static void release_matrix_unit(void) { _tile_release(); }
#else
static int supported(size_t kind) { return (void)kind, 0; }
static void configure_matrix_unit(void) {}
static void release_matrix_unit(void) {}
#endif
