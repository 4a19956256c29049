/* What every other header needs: result codes and attributes. */
#ifndef LT_BASE_H
#define LT_BASE_H

#include <stddef.h>
#include <stdint.h>

enum { LT_WARMUP = 1, LT_OK = 0, LT_ELEDGER = -1 };

/* Wider SIMD is chosen at run time where the platform can; without contraction every choice gives the same bits.
 * gcc 11 knows the levels of x86-64 but does not dispatch on them; other C libraries have no ifunc. */
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) \
    && !defined(LT_NO_CLONES)
#define LT_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define LT_CLONES
#endif

#endif
