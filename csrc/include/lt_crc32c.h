/* CRC-32C (Castagnoli): the checksum of iSCSI (RFC 3720), reflected, polynomial 0x1EDC6F41.
 * Castagnoli, Braeuer and Herrmann 1993, IEEE Transactions on Communications 41 (6). */
#ifndef LT_CRC32C_H
#define LT_CRC32C_H

#include "lt_base.h"

/* Fills the tables and looks at the processor; before anything else here, from one thread. */
void lt_crc32c_open(void);

/* The checksum of what `crc` is of, followed by n bytes; 0 is that of nothing. By instructions where there are some. */
uint32_t lt_crc32c(uint32_t crc, const void *data, size_t n);

/* The same by tables, eight bytes a step (Kounavis and Berry 2008, IEEE Transactions on Computers 57 (11)). */
uint32_t lt_crc32c_tables(uint32_t crc, const void *data, size_t n);

/* Whether this processor has instructions for it. */
int lt_crc32c_has_instructions(void);

#endif
