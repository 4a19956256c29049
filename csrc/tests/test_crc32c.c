#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lt_crc32c.h"

/* The definition, bit by bit. */
static uint32_t slow(uint32_t crc, const unsigned char *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

static void expect(uint32_t value, const void *data, size_t n)
{
    assert(slow(0, data, n) == value);
    assert(lt_crc32c(0, data, n) == value);
    assert(lt_crc32c_tables(0, data, n) == value);
}

/* RFC 3720, appendix B.4, as numbers (the RFC prints their bytes, least significant first). */
static void vectors_of_rfc_3720(void)
{
    static const unsigned char read_command[48] = {
        0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0,
        0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0};
    unsigned char bytes[32];
    expect(0x8a9136aau, memset(bytes, 0, 32), 32);
    expect(0x62a8ab43u, memset(bytes, 0xff, 32), 32);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    expect(0x46dd794eu, bytes, 32);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)(31 - i);
    expect(0x113fdb5cu, bytes, 32);
    expect(0xd9963a56u, read_command, 48);
    expect(0xe3069283u, "123456789", 9);
    expect(0, "", 0);
}

static void every_length_and_alignment(void)
{
    enum { N = 3 * 4096 + 3 * 256 + 100 };
    unsigned char *bytes = malloc(N);
    uint64_t x = 1;
    for (int i = 0; i < N; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (unsigned char)(x >> 56);
    }
    for (size_t begin = 0; begin < 9; begin++)
        for (size_t n = 0; begin + n <= N; n += n < 900 ? 1 : 509) {
            uint32_t value = slow(7, bytes + begin, n);
            assert(lt_crc32c(7, bytes + begin, n) == value);
            assert(lt_crc32c_tables(7, bytes + begin, n) == value);
        }
    for (size_t cut = 0; cut <= N; cut += 97)
        assert(lt_crc32c(lt_crc32c(0, bytes, cut), bytes + cut, N - cut) == slow(0, bytes, N));
    free(bytes);
}

int main(void)
{
    lt_crc32c_open();
    vectors_of_rfc_3720();
    every_length_and_alignment();
    printf("crc32c, %s\n", lt_crc32c_has_instructions() ? "by instructions and by tables" : "by tables alone");
    return 0;
}
