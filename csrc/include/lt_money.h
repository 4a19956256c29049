/* Exact money: prices are float64, quantities int64 satoshi, amounts int64 micro-dollars, rounded half to even. */
#ifndef LT_MONEY_H
#define LT_MONEY_H

#include <math.h>

#include "lt_philox.h"

#define LT_MICRO_MAX ((int64_t)1 << 61)

/* Rounds (hi:lo) / 2^shift / divisor half to even, the divisor even; -1 where (hi:lo) / 2^shift passes 64 bits or the
 * result exceeds LT_MICRO_MAX. */
static inline int64_t lt_round_ratio(uint64_t hi, uint64_t lo, int shift, uint64_t divisor)
{
    uint64_t q, sticky = 0;
    if (shift >= 128) {
        sticky = (hi | lo) != 0;
        q = 0;
    } else if (shift >= 64) {
        int s = shift - 64;
        sticky = lo != 0 || (s > 0 && (hi & (((uint64_t)1 << s) - 1)) != 0);
        q = hi >> s;
    } else if (shift > 0) {
        if (hi >> shift) return -1;
        sticky = (lo & (((uint64_t)1 << shift) - 1)) != 0;
        q = (hi << (64 - shift)) | (lo >> shift);
    } else {
        if (hi) return -1;
        q = lo;
    }
    uint64_t whole = q / divisor, twice = 2 * (q % divisor);
    if (twice > divisor || (twice == divisor && (sticky || (whole & 1)))) whole++;
    return whole > (uint64_t)LT_MICRO_MAX ? -1 : (int64_t)whole;
}

/* price * quantity in micro-dollars (price in USD per BTC, quantity >= 0 in satoshi); -1 from some
 * 1.8e17 on, which is 180 billion USD. */
static inline int64_t lt_notional(double price, int64_t quantity)
{
    int exponent;
    double mantissa = frexp(price, &exponent);
    uint64_t lo, hi = lt_mulhi((uint64_t)ldexp(mantissa, 53), (uint64_t)quantity, &lo);
    int shift = 53 - exponent;
    /* one satoshi of a 1 USD coin is 1e-8 USD = 1e-2 micro-dollars */
    if (shift < 0) {
        if (shift <= -64 || hi || (lo >> (64 + shift))) return -1;
        lo <<= -shift;
        shift = 0;
    }
    return lt_round_ratio(hi, lo, shift, 100);
}

/* notional * ppb / 1e9 in micro-dollars, both >= 0, ppb <= 1e8. */
static inline int64_t lt_fee(int64_t notional, int64_t ppb)
{
    /* notional = 1e9 a + b: a * ppb is whole, and whether a tie is even is a matter of the sum */
    int64_t rest = notional % 1000000000 * ppb, twice = 2 * (rest % 1000000000);
    int64_t whole = notional / 1000000000 * ppb + rest / 1000000000;
    return whole + (twice > 1000000000 || (twice == 1000000000 && (whole & 1)));
}

/* Divides the number of six digits to base 2^32, the most significant first, by d; what remains. */
static inline uint32_t lt_divide(uint32_t digit[6], uint32_t d)
{
    uint64_t rest = 0;
    for (int i = 0; i < 6; i++) {
        rest = rest << 32 | digit[i];
        digit[i] = (uint32_t)(rest / d);
        rest %= d;
    }
    return (uint32_t)rest;
}

/* notional * ppb / 1e9 * ns / 8 hours in micro-dollars, half to even, all >= 0, ppb <= 1e8; -1 above LT_MICRO_MAX. */
static inline int64_t lt_borrow(int64_t notional, int64_t ppb, int64_t ns)
{
    uint64_t l, h = lt_mulhi((uint64_t)notional, (uint64_t)ppb, &l), w0, w1;
    uint64_t carry = lt_mulhi(l, (uint64_t)ns, &w0), w2 = lt_mulhi(h, (uint64_t)ns, &w1);
    w1 += carry;
    w2 += w1 < carry;
    uint32_t digit[6] = {(uint32_t)(w2 >> 32), (uint32_t)w2, (uint32_t)(w1 >> 32), (uint32_t)w1,
                         (uint32_t)(w0 >> 32), (uint32_t)w0};
    /* 1e9 ppb and 28,800e9 ns, the last of the three divisors even */
    uint32_t sticky = lt_divide(digit, 1000000000) | lt_divide(digit, 28800), rest = lt_divide(digit, 1000000000);
    if (digit[0] | digit[1] | digit[2] | digit[3]) return -1;
    uint64_t whole = (uint64_t)digit[4] << 32 | digit[5];
    whole += rest > 500000000 || (rest == 500000000 && (sticky || (whole & 1)));
    return whole > (uint64_t)LT_MICRO_MAX ? -1 : (int64_t)whole;
}

#endif
