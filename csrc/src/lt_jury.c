#include "lt_jury.h"

#include "lt_base.h"

LT_CLONES
void lt_jury_score(const double cast[LT_VOTERS], const double right[LT_VOTERS], double lam, double a0, double b0,
                   double a[LT_VOTERS], double b[LT_VOTERS], double joint[LT_VOTERS][LT_VOTERS],
                   double cross[LT_VOTERS][LT_VOTERS], double square[LT_VOTERS][LT_VOTERS])
{
    double d[LT_VOTERS];
    for (int i = 0; i < LT_VOTERS; i++) {
        d[i] = cast[i] * (right[i] - a[i] / (a[i] + b[i]));
        a[i] = cast[i] != 0.0 ? a0 + lam * (a[i] - a0) + right[i] : a[i];
        b[i] = cast[i] != 0.0 ? b0 + lam * (b[i] - b0) + (1.0 - right[i]) : b[i];
    }
    for (int i = 0; i < LT_VOTERS; i++) {
        for (int k = 0; k < LT_VOTERS; k++) {
            double both = cast[i] * cast[k], keep = both != 0.0 ? lam : 1.0;
            joint[i][k] = keep * joint[i][k] + both;
            cross[i][k] = keep * cross[i][k] + d[i] * d[k];
            square[i][k] = keep * square[i][k] + d[i] * d[i] * both;
        }
    }
}
