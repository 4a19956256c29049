/* Preloaded, counts what is asked of the allocator. */
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static atomic_ulong count;

unsigned long lt_allocations(void) { return atomic_load(&count); }

void *malloc(size_t n)
{
    atomic_fetch_add(&count, 1);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&count, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    atomic_fetch_add(&count, 1);
    return __libc_realloc(p, n);
}
