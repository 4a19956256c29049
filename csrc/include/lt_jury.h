/* What a jury learns from one resolved vote (formula 333), in rows of eight lanes. */
#ifndef LT_JURY_H
#define LT_JURY_H

#define LT_VOTERS 8

/* cast[i] is 1 where voter i voted, else 0; right[i] is 1 where it was right. Sums decay by lam where both of a pair, or
 * the voter, voted, and stand still elsewhere; the diagonals of the pairs mean nothing. */
void lt_jury_score(const double cast[LT_VOTERS], const double right[LT_VOTERS], double lam, double a0, double b0,
                   double a[LT_VOTERS], double b[LT_VOTERS], double joint[LT_VOTERS][LT_VOTERS],
                   double cross[LT_VOTERS][LT_VOTERS], double square[LT_VOTERS][LT_VOTERS]);

#endif
