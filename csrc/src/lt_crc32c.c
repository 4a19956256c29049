#include "lt_crc32c.h"

#include <string.h>

/* Streams of 3 x LONG, then 3 x SHORT bytes: the instruction takes three cycles and starts one each cycle. */
enum { LONG = 4096, SHORT = 256 };
#define POLYNOMIAL 0x82F63B78u

static uint32_t step[8][256];                       /* of a byte followed by 0 to 7 zero bytes */
static uint32_t past_long[4][256], past_short[4][256];
static int instructions;

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#include <nmmintrin.h>
#define LT_CRC_TARGET __attribute__((target("sse4.2")))
#define LT_CRC_WORD(crc, word) _mm_crc32_u64(crc, word)
#define LT_CRC_BYTE(crc, byte) _mm_crc32_u8((uint32_t)(crc), byte)

static int found(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#elif defined(__aarch64__) && defined(__AARCH64EL__) && (defined(__ARM_FEATURE_CRC32) || defined(__linux__))
#define LT_CRC_TARGET
#ifdef __ARM_FEATURE_CRC32
static int found(void) { return 1; }
#else
#include <sys/auxv.h>
static int found(void) { return (getauxval(AT_HWCAP) >> 7 & 1) != 0; }     /* HWCAP_CRC32 */
#endif
#define LT_CRC_WORD(crc, word) lt_arm_word((uint32_t)(crc), word)
#define LT_CRC_BYTE(crc, byte) lt_arm_byte((uint32_t)(crc), byte)

/* By name, not by arm_acle.h: what of it exists without the feature, and how that is asked for, differs by compiler. */
static inline uint32_t lt_arm_word(uint32_t crc, uint64_t word)
{
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
}
static inline uint32_t lt_arm_byte(uint32_t crc, uint8_t byte)
{
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"((uint32_t)byte));
    return crc;
}
#endif

static inline uint64_t word_at(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static uint32_t past(const uint32_t zeros[4][256], uint32_t crc)
{
    return zeros[0][crc & 0xff] ^ zeros[1][crc >> 8 & 0xff] ^ zeros[2][crc >> 16 & 0xff] ^ zeros[3][crc >> 24];
}

/* Where each bit of the register has gone after n zero bytes, by value of each of its bytes. */
static void fill_past(uint32_t zeros[4][256], int n)
{
    for (int k = 0; k < 32; k++) {
        uint32_t crc = (uint32_t)1 << k;
        for (int i = 0; i < n; i++) crc = crc >> 8 ^ step[0][crc & 0xff];
        zeros[k / 8][1 << k % 8] = crc;
    }
    for (int byte = 0; byte < 4; byte++)
        for (int v = 1; v < 256; v++) zeros[byte][v] = zeros[byte][v & (v - 1)] ^ zeros[byte][v & -v];
}

void lt_crc32c_open(void)
{
    for (int v = 0; v < 256; v++) {
        uint32_t crc = (uint32_t)v;
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        step[0][v] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int v = 0; v < 256; v++) step[k][v] = step[k - 1][v] >> 8 ^ step[0][step[k - 1][v] & 0xff];
    fill_past(past_long, LONG);
    fill_past(past_short, SHORT);
#ifdef LT_CRC_TARGET
    instructions = found();
#endif
}

int lt_crc32c_has_instructions(void) { return instructions; }

uint32_t lt_crc32c_tables(uint32_t crc, const void *data, size_t n)
{
    const unsigned char *p = data;
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = crc ^ (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        crc = step[7][low & 0xff] ^ step[6][low >> 8 & 0xff] ^ step[5][low >> 16 & 0xff] ^ step[4][low >> 24]
            ^ step[3][p[4]] ^ step[2][p[5]] ^ step[1][p[6]] ^ step[0][p[7]];
    }
    for (; n > 0; n--) crc = crc >> 8 ^ step[0][(crc ^ *p++) & 0xff];
    return ~crc;
}

#ifdef LT_CRC_TARGET
/* Three neighbouring streams at once, joined by moving the first past the second, and both past the third. */
LT_CRC_TARGET static inline uint64_t three(uint64_t crc, const unsigned char *p, size_t length,
                                           const uint32_t zeros[4][256])
{
    uint64_t second = 0, third = 0;
    for (const unsigned char *end = p + length; p < end; p += 8) {
        crc = LT_CRC_WORD(crc, word_at(p));
        second = LT_CRC_WORD(second, word_at(p + length));
        third = LT_CRC_WORD(third, word_at(p + 2 * length));
    }
    crc = past(zeros, (uint32_t)crc) ^ second;
    return past(zeros, (uint32_t)crc) ^ third;
}

LT_CRC_TARGET static uint32_t by_instructions(uint32_t start, const unsigned char *p, size_t n)
{
    uint64_t crc = (uint32_t)~start;
    for (; n >= 3 * LONG; n -= 3 * LONG, p += 3 * LONG) crc = three(crc, p, LONG, past_long);
    for (; n >= 3 * SHORT; n -= 3 * SHORT, p += 3 * SHORT) crc = three(crc, p, SHORT, past_short);
    for (; n >= 8; n -= 8, p += 8) crc = LT_CRC_WORD(crc, word_at(p));
    for (; n > 0; n--) crc = LT_CRC_BYTE(crc, *p++);
    return ~(uint32_t)crc;
}
#endif

uint32_t lt_crc32c(uint32_t crc, const void *data, size_t n)
{
#ifdef LT_CRC_TARGET
    if (instructions) return by_instructions(crc, data, n);
#endif
    return lt_crc32c_tables(crc, data, n);
}
