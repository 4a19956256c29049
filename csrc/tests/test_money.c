#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "lt_math.h"
#include "lt_money.h"

typedef unsigned __int128 wide;

static uint64_t drawn;
static uint64_t word(void) { return lt_philox(4, 4, drawn++).word[0]; }

/* n / d, half to even, by comparison of the two candidates. */
static wide round_even(wide n, wide d)
{
    wide whole = n / d, rest = n % d;
    if (rest > d - rest || (rest == d - rest && (whole & 1))) whole++;
    return whole;
}

/* price * quantity / 100, exact: price is mantissa * 2^power. -1 where the integer part passes 64 bits. */
static int64_t notional(double price, int64_t quantity)
{
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(price, &exponent), 53);
    wide product = (wide)mantissa * (uint64_t)quantity;
    int power = exponent - 53;
    if (power >= 0) {
        if (product && (power > 63 || product > ((wide)UINT64_MAX >> power))) return -1;
        product <<= power;
        return (int64_t)round_even(product, 100);
    }
    if (-power >= 121) return 0;                 /* below 2^117 / 2^121 / 100 */
    if (product >> -power > UINT64_MAX) return -1;
    /* 100 * 2^-power may pass 128 bits: round (whole + fraction) / 100 by hand */
    wide whole = product >> -power, fraction = product & (((wide)1 << -power) - 1), q = whole / 100, r = whole % 100;
    int up = r > 50 || (r == 50 && (fraction || (q & 1)));
    return (int64_t)(q + (wide)up);
}

static void notional_is_exact(void)
{
    for (int i = 0; i < 2000000; i++) {
        double price;
        int64_t quantity = (int64_t)(word() >> (13 + word() % 50));
        switch (i % 4) {
        case 0: price = (double)(word() % 20000000) / 100.0; break;
        case 1: price = ldexp((double)(word() >> 11), (int)(word() % 120) - 100); break;
        case 2: price = (double)(word() % 1000) * 0.5; break;
        default: price = 1e-12 * (double)(word() % 1000000); break;
        }
        assert(lt_notional(price, quantity) == notional(price, quantity));
    }
}

static void ties_go_to_even(void)
{
    /* 50 sat of a 1 USD coin is half a micro-dollar */
    assert(lt_notional(1.0, 50) == 0 && lt_notional(1.0, 150) == 2 && lt_notional(1.0, 250) == 2);
    assert(lt_notional(1.0, 51) == 1 && lt_notional(1.0, 49) == 0 && lt_notional(0.5, 100) == 0);
    assert(lt_notional(0.5, 300) == 2 && lt_notional(0.25, 200) == 0 && lt_notional(0.25, 201) == 1);
    /* just above and below a tie by one unit in the last place of the price */
    assert(lt_notional(nextafter(1.0, 2.0), 50) == 1 && lt_notional(nextafter(1.0, 0.0), 150) == 1);
    assert(lt_fee(1000, 500000) == 0 && lt_fee(3000, 500000) == 2 && lt_fee(5000, 500000) == 2);
    assert(lt_fee(1001, 500000) == 1 && lt_fee(999, 500000) == 0);
    assert(lt_notional(0.0, 5) == 0 && lt_notional(5.0, 0) == 0 && lt_fee(0, 500000) == 0);
}

static void large_ties_go_to_even(void)
{
    /* (1e9 a + b) * ppb with an odd a * ppb: what is even is the sum */
    static const int64_t rates[] = {1, 25, 999, 500000, 500001, 99999999, 100000000};
    for (int64_t a = 1000000001; a < 1000000009; a++)
        for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
            int64_t amount = a * 1000000000 + 500000000;
            assert((wide)lt_fee(amount, rates[k]) == round_even((wide)amount * (uint64_t)rates[k], 1000000000));
        }
}

static void fee_is_exact(void)
{
    for (int i = 0; i < 2000000; i++) {
        int64_t amount = (int64_t)(word() >> (3 + word() % 60)), ppb = (int64_t)(word() % 100000001);
        if (i % 3 == 0) ppb = ppb / 100000 * 100000;
        if (i % 5 == 0) amount = amount / 500 * 500;
        if (amount > LT_MICRO_MAX) continue;
        assert((wide)lt_fee(amount, ppb) == round_even((wide)amount * (uint64_t)ppb, 1000000000));
    }
}

/* Whole periods first, then what is left of one, so that 128 bits are enough. */
static void borrow_is_exact(void)
{
    const int64_t period = 28800000000000;
    for (int i = 0; i < 2000000; i++) {
        int64_t amount = (int64_t)(word() >> (3 + word() % 60)), ppb = (int64_t)(word() % 100000001);
        int64_t ns = (int64_t)(word() >> (2 + word() % 60));
        if (i % 3 == 0) ns = (int64_t)(word() % 400) * (period / 40);
        if (i % 3 == 1) amount = amount / 500000000 * 500000000;
        wide scaled = (wide)amount * (uint64_t)ppb;          /* below 2^88 */
        wide whole = scaled / 1000000000 * (uint64_t)(ns / period), part = scaled % 1000000000 * (uint64_t)(ns / period);
        wide rest = scaled / 1000000000 * (uint64_t)(ns % period);
        whole += part / 1000000000 + rest / (uint64_t)period;
        wide fraction = part % 1000000000 * (uint64_t)period + rest % (uint64_t)period * 1000000000
                        + scaled % 1000000000 * (uint64_t)(ns % period);
        wide unit = (wide)1000000000 * (uint64_t)period;
        whole += fraction / unit;
        fraction %= unit;
        if (2 * fraction > unit || (2 * fraction == unit && (whole & 1))) whole++;
        int64_t expected = whole > (wide)LT_MICRO_MAX ? -1 : (int64_t)whole;
        assert(lt_borrow(amount, ppb, ns) == expected);
    }
    assert(lt_borrow(1000, 500000, period) == 0 && lt_borrow(3000, 500000, period) == 2);
    assert(lt_borrow(3000, 1000000, period / 2) == 2 && lt_borrow(5000, 1000000, period / 2) == 2);
    assert(lt_borrow(3000, 1000000, period / 2 - 1) == 1 && lt_borrow(5000, 1000000, period / 2 + 1) == 3);
    assert(lt_borrow(0, 100000000, INT64_MAX) == 0 && lt_borrow(LT_MICRO_MAX, 100000000, INT64_MAX) == -1);
    assert(lt_borrow(LT_MICRO_MAX, 100000000, 10 * period) == LT_MICRO_MAX);
}

static void too_much_is_refused(void)
{
    assert(lt_notional(1e15, (int64_t)1 << 50) == -1 && lt_notional(1e300, 1) == -1 && lt_notional(0x1p64, 1) == -1);
    assert(lt_notional(0x1p63, 1) == (int64_t)(((wide)1 << 63) / 100));
    assert(lt_notional(1e5, 2100000000000000) == -1);
    assert(lt_notional(5e-324, INT64_MAX) == 0);
}

int main(void)
{
    notional_is_exact();
    ties_go_to_even();
    fee_is_exact();
    large_ties_go_to_even();
    borrow_is_exact();
    too_much_is_refused();
    puts("money");
    return 0;
}
