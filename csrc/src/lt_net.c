#include "lt_net.h"

/* Matrices: in by out, a column of the weights contiguous. */

static inline void affine(size_t in, size_t out, const double *restrict m, const double *restrict x,
                          double *restrict y)
{
    for (size_t j = 0; j < in; j++)
        for (size_t k = 0; k < out; k++) y[k] += m[j * out + k] * x[j];
}

static inline void outer(size_t in, size_t out, const double *restrict x, const double *restrict d,
                         double *restrict g)
{
    for (size_t j = 0; j < in; j++)
        for (size_t k = 0; k < out; k++) g[j * out + k] += x[j] * d[k];
}

static inline double dot(size_t n, const double *restrict a, const double *restrict b)
{
    double s[4] = {0.0, 0.0, 0.0, 0.0};
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        for (size_t i = 0; i < 4; i++) s[i] += a[k + i] * b[k + i];
    for (; k < n; k++) s[0] += a[k] * b[k];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* y += m' d */
static inline void transposed(size_t in, size_t out, const double *restrict m, const double *restrict d,
                              double *restrict y)
{
    for (size_t j = 0; j < in; j++) y[j] += dot(out, m + j * out, d);
}

static inline void add(size_t n, const double *restrict x, double *restrict y)
{
    for (size_t k = 0; k < n; k++) y[k] += x[k];
}

static inline void copy(size_t n, const double *restrict x, double *restrict y)
{
    for (size_t k = 0; k < n; k++) y[k] = x[k];
}

static inline void zero(size_t n, double *y)
{
    for (size_t k = 0; k < n; k++) y[k] = 0.0;
}

static inline void tanh_of(size_t n, double *restrict y)
{
    for (size_t k = 0; k < n; k++) y[k] = lt_tanh(y[k]);
}

static inline void sigmoid_of(size_t n, double *restrict y)
{
    for (size_t k = 0; k < n; k++) y[k] = lt_sigmoid(y[k]);
}

/* Dense layers. Weights: M1 b1 M2 b2 ... Scratch: the values of every layer, then two rows of derivatives. */

static size_t dense_weights(const lt_net *net)
{
    size_t n = 0;
    for (size_t l = 1; l < net->layers; l++) n += (net->width[l - 1] + 1) * net->width[l];
    return n;
}

static size_t dense_values(const lt_net *net)
{
    size_t n = 0;
    for (size_t l = 0; l < net->layers; l++) n += net->width[l];
    return n;
}

static size_t dense_widest(const lt_net *net)
{
    size_t n = 0;
    for (size_t l = 0; l < net->layers; l++) n = net->width[l] > n ? net->width[l] : n;
    return n;
}

LT_CLONES
static void dense_forward(const lt_net *net, const double *w, const double *x, double *s, double *out)
{
    copy(net->width[0], x, s);
    for (size_t l = 1; l < net->layers; l++) {
        size_t in = net->width[l - 1], n = net->width[l];
        double *y = s + in;
        copy(n, w + in * n, y);
        affine(in, n, w, s, y);
        if (l + 1 < net->layers && !net->linear) tanh_of(n, y);
        w += (in + 1) * n;
        s = y;
    }
    copy(net->width[net->layers - 1], s, out);
}

LT_CLONES
static void dense_backward(const lt_net *net, const double *w, double *s, const double *by_out, double *g)
{
    size_t values = dense_values(net), weights = dense_weights(net), widest = dense_widest(net);
    size_t at = values - net->width[net->layers - 1];
    double *d = s + values, *before = d + widest;
    copy(net->width[net->layers - 1], by_out, d);
    for (size_t l = net->layers - 1; l > 0; l--) {
        size_t in = net->width[l - 1], n = net->width[l];
        weights -= (in + 1) * n;
        at -= in;
        outer(in, n, s + at, d, g + weights);
        add(n, d, g + weights + in * n);
        if (l == 1) break;
        zero(in, before);
        transposed(in, n, w + weights, d, before);
        if (!net->linear)
            for (size_t k = 0; k < in; k++) before[k] *= 1.0 - s[at + k] * s[at + k];
        double *swap = d;
        d = before;
        before = swap;
    }
}

/* Elman's unit. Weights: Wx Wh b u c. Scratch: h_0 .. h_T, then two rows of derivatives. */

LT_CLONES
static void elman_forward(const lt_net *net, const double *w, const double *x, double *h, double *out)
{
    size_t n = net->hidden, in = net->inputs;
    const double *wh = w + in * n, *b = wh + n * n, *u = b + n;
    zero(n, h);
    for (size_t t = 0; t < net->steps; t++, h += n) {
        copy(n, b, h + n);
        affine(in, n, w, x + t * in, h + n);
        affine(n, n, wh, h, h + n);
        tanh_of(n, h + n);
    }
    out[0] = dot(n, u, h) + u[n];
}

LT_CLONES
static void elman_backward(const lt_net *net, const double *w, const double *x, double *h, double by, double *g)
{
    size_t n = net->hidden, in = net->inputs, steps = net->steps;
    const double *wh = w + in * n, *u = wh + n * n + n;
    double *gh = g + in * n, *gb = gh + n * n, *gu = gb + n, *d = h + (steps + 1) * n, *e = d + n;
    for (size_t k = 0; k < n; k++) {
        gu[k] += by * h[steps * n + k];
        e[k] = by * u[k];
    }
    gu[n] += by;
    for (size_t t = steps; t > 0; t--) {
        for (size_t k = 0; k < n; k++) d[k] = e[k] * (1.0 - h[t * n + k] * h[t * n + k]);
        outer(in, n, x + (t - 1) * in, d, g);
        outer(n, n, h + (t - 1) * n, d, gh);
        add(n, d, gb);
        zero(n, e);
        transposed(n, n, wh, d, e);
    }
}

/* LSTM. Weights: Wx Wh b u c, gates i f g o. Scratch: h_0 .. h_T, C_0 .. C_T, gates, tanh C, derivatives (6 n). */

LT_CLONES
static void lstm_forward(const lt_net *net, const double *w, const double *x, double *s, double *out)
{
    size_t n = net->hidden, in = net->inputs, steps = net->steps;
    const double *wh = w + in * 4 * n, *b = wh + n * 4 * n, *u = b + 4 * n;
    double *h = s, *c = h + (steps + 1) * n, *a = c + (steps + 1) * n, *tc = a + steps * 4 * n;
    zero(n, h);
    zero(n, c);
    for (size_t t = 0; t < steps; t++, h += n, c += n, a += 4 * n, tc += n) {
        copy(4 * n, b, a);
        affine(in, 4 * n, w, x + t * in, a);
        affine(n, 4 * n, wh, h, a);
        sigmoid_of(2 * n, a);
        tanh_of(n, a + 2 * n);
        sigmoid_of(n, a + 3 * n);
        for (size_t k = 0; k < n; k++) c[n + k] = a[n + k] * c[k] + a[k] * a[2 * n + k];
        copy(n, c + n, tc);
        tanh_of(n, tc);
        for (size_t k = 0; k < n; k++) h[n + k] = a[3 * n + k] * tc[k];
    }
    out[0] = dot(n, u, h) + u[n];
}

LT_CLONES
static void lstm_backward(const lt_net *net, const double *w, const double *x, double *s, double by, double *g)
{
    size_t n = net->hidden, in = net->inputs, steps = net->steps;
    const double *wh = w + in * 4 * n, *u = wh + n * 4 * n + 4 * n;
    double *gh = g + in * 4 * n, *gb = gh + n * 4 * n, *gu = gb + 4 * n;
    double *h = s, *c = h + (steps + 1) * n, *a = c + (steps + 1) * n, *tc = a + steps * 4 * n;
    double *d = tc + steps * n, *dh = d + 4 * n, *dc = dh + n;
    for (size_t k = 0; k < n; k++) {
        gu[k] += by * h[steps * n + k];
        dh[k] = by * u[k];
    }
    gu[n] += by;
    zero(n, dc);
    for (size_t t = steps; t > 0; t--) {
        const double *i = a + (t - 1) * 4 * n, *f = i + n, *v = f + n, *o = v + n, *y = tc + (t - 1) * n;
        const double *was = c + (t - 1) * n;
        for (size_t k = 0; k < n; k++) {
            double cell = dc[k] + dh[k] * o[k] * (1.0 - y[k] * y[k]);
            d[k] = cell * v[k] * i[k] * (1.0 - i[k]);
            d[n + k] = cell * was[k] * f[k] * (1.0 - f[k]);
            d[2 * n + k] = cell * i[k] * (1.0 - v[k] * v[k]);
            d[3 * n + k] = dh[k] * y[k] * o[k] * (1.0 - o[k]);
            dc[k] = cell * f[k];
        }
        outer(in, 4 * n, x + (t - 1) * in, d, g);
        outer(n, 4 * n, h + (t - 1) * n, d, gh);
        add(4 * n, d, gb);
        zero(n, dh);
        transposed(n, 4 * n, wh, d, dh);
    }
}

/* GRU. Weights: Wx bx Wh bh u c, gates r z n. Scratch: h_0 .. h_T, gates, Q, derivatives (7 n). */

LT_CLONES
static void gru_forward(const lt_net *net, const double *w, const double *x, double *s, double *out)
{
    size_t n = net->hidden, in = net->inputs, steps = net->steps;
    const double *bx = w + in * 3 * n, *wh = bx + 3 * n, *bh = wh + n * 3 * n, *u = bh + 3 * n;
    double *h = s, *a = h + (steps + 1) * n, *q = a + steps * 3 * n;
    zero(n, h);
    for (size_t t = 0; t < steps; t++, h += n, a += 3 * n, q += 3 * n) {
        copy(3 * n, bx, a);
        affine(in, 3 * n, w, x + t * in, a);
        copy(3 * n, bh, q);
        affine(n, 3 * n, wh, h, q);
        for (size_t k = 0; k < 2 * n; k++) a[k] = lt_sigmoid(a[k] + q[k]);
        for (size_t k = 0; k < n; k++) a[2 * n + k] = lt_tanh(a[2 * n + k] + a[k] * q[2 * n + k]);
        for (size_t k = 0; k < n; k++) h[n + k] = (1.0 - a[n + k]) * a[2 * n + k] + a[n + k] * h[k];
    }
    out[0] = dot(n, u, h) + u[n];
}

LT_CLONES
static void gru_backward(const lt_net *net, const double *w, const double *x, double *s, double by, double *g)
{
    size_t n = net->hidden, in = net->inputs, steps = net->steps;
    const double *wh = w + in * 3 * n + 3 * n, *u = wh + n * 3 * n + 3 * n;
    double *gbx = g + in * 3 * n, *gh = gbx + 3 * n, *gbh = gh + n * 3 * n, *gu = gbh + 3 * n;
    double *h = s, *a = h + (steps + 1) * n, *q = a + steps * 3 * n;
    double *da = q + steps * 3 * n, *dq = da + 3 * n, *dh = dq + 3 * n;
    for (size_t k = 0; k < n; k++) {
        gu[k] += by * h[steps * n + k];
        dh[k] = by * u[k];
    }
    gu[n] += by;
    for (size_t t = steps; t > 0; t--) {
        const double *r = a + (t - 1) * 3 * n, *z = r + n, *v = z + n, *was = h + (t - 1) * n;
        const double *qn = q + (t - 1) * 3 * n + 2 * n;
        for (size_t k = 0; k < n; k++) {
            double fresh = dh[k] * (1.0 - z[k]) * (1.0 - v[k] * v[k]);
            da[k] = dq[k] = fresh * qn[k] * r[k] * (1.0 - r[k]);
            da[n + k] = dq[n + k] = dh[k] * (was[k] - v[k]) * z[k] * (1.0 - z[k]);
            da[2 * n + k] = fresh;
            dq[2 * n + k] = fresh * r[k];
            dh[k] *= z[k];
        }
        outer(in, 3 * n, x + (t - 1) * in, da, g);
        add(3 * n, da, gbx);
        outer(n, 3 * n, was, dq, gh);
        add(3 * n, dq, gbh);
        transposed(n, 3 * n, wh, dq, dh);
    }
}

/* One head that asks from the last step. Weights: Wq Wk Wv u c. Scratch: e (steps by in), q, v (d each), Wk'q and
 * the attended mean (in each), attention, its derivatives (steps each), derivatives (2 in + 2 d).
 *
 * score_k = (Wk e_k).q = e_k.(Wk'q) and sum_k a_k Wv e_k = Wv sum_k a_k e_k: one product each, not one a step. */

static inline size_t attention_parts(const lt_net *net, double *s, double **q, double **v, double **asked,
                                     double **mean, double **share, double **rest)
{
    size_t in = net->inputs, d = net->hidden, n = net->steps;
    *q = s + n * in;
    *v = *q + d;
    *asked = *v + d;
    *mean = *asked + in;
    *share = *mean + in;
    *rest = *share + n;
    return n * in + 2 * d + 2 * in + n + n + 2 * in + 2 * d;
}

LT_CLONES
static void attention_forward(const lt_net *net, const double *w, const double *x, double *s, double *out)
{
    size_t in = net->inputs, d = net->hidden, n = net->steps;
    const double *wk = w + in * d, *wv = wk + in * d, *u = wv + in * d;
    double *q, *v, *asked, *mean, *share, *rest, top = -INFINITY, total = 0.0;
    attention_parts(net, s, &q, &v, &asked, &mean, &share, &rest);
    for (size_t k = 0; k < n * in; k++) s[k] = x[k] + net->places[k];
    zero(d, q);
    affine(in, d, w, s + (n - 1) * in, q);
    zero(in, asked);
    transposed(in, d, wk, q, asked);
    for (size_t k = 0; k < n; k++) {
        share[k] = dot(in, s + k * in, asked) / sqrt((double)d);
        if (share[k] > top) top = share[k];
    }
    for (size_t k = 0; k < n; k++) total += share[k] = lt_exp(share[k] - top);
    zero(in, mean);
    for (size_t k = 0; k < n; k++) {
        share[k] /= total;
        for (size_t j = 0; j < in; j++) mean[j] += share[k] * s[k * in + j];
    }
    zero(d, v);
    affine(in, d, wv, mean, v);
    out[0] = dot(d, u, v) + u[d];
}

LT_CLONES
static void attention_backward(const lt_net *net, const double *w, double *s, double by, double *g)
{
    size_t in = net->inputs, d = net->hidden, n = net->steps;
    const double *wk = w + in * d, *wv = wk + in * d, *u = wv + in * d;
    double *gk = g + in * d, *gv = gk + in * d, *gu = gv + in * d, centre = 0.0;
    double *q, *v, *asked, *mean, *share, *by_share;
    attention_parts(net, s, &q, &v, &asked, &mean, &share, &by_share);
    double *by_mean = by_share + n, *by_asked = by_mean + in, *by_v = by_asked + in, *by_q = by_v + d;
    for (size_t k = 0; k < d; k++) {
        gu[k] += by * v[k];
        by_v[k] = by * u[k];
    }
    gu[d] += by;
    outer(in, d, mean, by_v, gv);
    zero(in, by_mean);
    transposed(in, d, wv, by_v, by_mean);
    for (size_t k = 0; k < n; k++) {
        by_share[k] = dot(in, by_mean, s + k * in);
        centre += share[k] * by_share[k];
    }
    zero(in, by_asked);
    for (size_t k = 0; k < n; k++) {
        double by_score = share[k] * (by_share[k] - centre) / sqrt((double)d);
        for (size_t j = 0; j < in; j++) by_asked[j] += by_score * s[k * in + j];
    }
    outer(in, d, by_asked, q, gk);
    zero(d, by_q);
    affine(in, d, wk, by_asked, by_q);
    outer(in, d, s + (n - 1) * in, by_q, g);
}

/* Filters over one feature. Weights: W b u c. Scratch: the filters' values (places by filters), their means. */

LT_CLONES
static void convolution_forward(const lt_net *net, const double *w, const double *x, double *s, double *out)
{
    size_t n = net->hidden, places = net->steps - net->taps + 1;
    const double *b = w + net->taps * n, *u = b + n;
    double *mean = s + places * n;
    zero(n, mean);
    for (size_t t = 0; t < places; t++) {
        double *a = s + t * n;
        copy(n, b, a);
        affine(net->taps, n, w, x + t, a);
        for (size_t k = 0; k < n; k++) {
            a[k] = a[k] > 0.0 ? a[k] : 0.0;
            mean[k] += a[k];
        }
    }
    for (size_t k = 0; k < n; k++) mean[k] /= (double)places;
    out[0] = dot(n, u, mean) + u[n];
}

LT_CLONES
static void convolution_backward(const lt_net *net, const double *w, const double *x, double *s, double by, double *g)
{
    size_t n = net->hidden, places = net->steps - net->taps + 1;
    const double *u = w + net->taps * n + n;
    double *gb = g + net->taps * n, *gu = gb + n, *mean = s + places * n;
    for (size_t k = 0; k < n; k++) gu[k] += by * mean[k];
    gu[n] += by;
    for (size_t t = 0; t < places; t++) {
        double *d = s + t * n;         /* the values are not needed again */
        for (size_t k = 0; k < n; k++) d[k] = d[k] > 0.0 ? by * u[k] / (double)places : 0.0;
        outer(net->taps, n, x + t, d, g);
        add(n, d, gb);
    }
}

/* Residual blocks. Weights: A1 a1 B1 b1 A2 ... u c. Scratch: x_0 .. x_K, tanh of each, derivatives (2 n + in). */

LT_CLONES
static void residual_forward(const lt_net *net, const double *w, const double *x, double *s, double *out)
{
    size_t in = net->inputs, n = net->hidden;
    double *h = s + (net->steps + 1) * in;
    copy(in, x, s);
    for (size_t t = 0; t < net->steps; t++, s += in, h += n) {
        copy(n, w + in * n, h);
        affine(in, n, w, s, h);
        tanh_of(n, h);
        w += (in + 1) * n;
        for (size_t k = 0; k < in; k++) s[in + k] = s[k] + w[n * in + k];
        affine(n, in, w, h, s + in);
        w += (n + 1) * in;
    }
    out[0] = dot(in, w, s) + w[in];
}

LT_CLONES
static void residual_backward(const lt_net *net, const double *w, double *s, double by, double *g)
{
    size_t in = net->inputs, n = net->hidden, block = (in + 1) * n + (n + 1) * in, at = net->steps * block;
    double *h = s + (net->steps + 1) * in, *d = h + net->steps * n, *e = d + in;
    for (size_t k = 0; k < in; k++) {
        g[at + k] += by * s[net->steps * in + k];
        d[k] = by * w[at + k];
    }
    g[at + in] += by;
    for (size_t t = net->steps; t > 0; t--) {
        size_t second = (t - 1) * block + (in + 1) * n;
        const double *value = h + (t - 1) * n;
        outer(n, in, value, d, g + second);
        add(in, d, g + second + n * in);
        zero(n, e);
        transposed(n, in, w + second, d, e);
        for (size_t k = 0; k < n; k++) e[k] *= 1.0 - value[k] * value[k];
        outer(in, n, s + (t - 1) * in, e, g + (t - 1) * block);
        add(n, e, g + (t - 1) * block + in * n);
        transposed(in, n, w + (t - 1) * block, e, d);
    }
}

/* All shapes. */

size_t lt_net_weights(const lt_net *net)
{
    size_t in = net->inputs, n = net->hidden;
    switch (net->shape) {
    case LT_DENSE: return dense_weights(net);
    case LT_ELMAN: return (in + n + 1) * n + n + 1;
    case LT_LSTM: return (in + n + 1) * 4 * n + n + 1;
    case LT_GRU: return (in + n + 2) * 3 * n + n + 1;
    case LT_ATTENTION: return 3 * in * n + n + 1;
    case LT_CONVOLUTION: return (net->taps + 1) * n + n + 1;
    case LT_RESIDUAL: return net->steps * ((in + 1) * n + (n + 1) * in) + in + 1;
    }
    return 0;
}

size_t lt_net_scratch(const lt_net *net)
{
    size_t in = net->inputs, n = net->hidden, steps = net->steps;
    double *q, *v, *asked, *mean, *share, *rest, none[1];
    switch (net->shape) {
    case LT_DENSE: return dense_values(net) + 2 * dense_widest(net);
    case LT_ELMAN: return (steps + 1) * n + 2 * n;
    case LT_LSTM: return 2 * (steps + 1) * n + 5 * steps * n + 6 * n;
    case LT_GRU: return (steps + 1) * n + 6 * steps * n + 7 * n;
    case LT_ATTENTION: return attention_parts(net, none, &q, &v, &asked, &mean, &share, &rest);
    case LT_CONVOLUTION: return (steps - net->taps + 1) * n + n;
    case LT_RESIDUAL: return (steps + 1) * in + steps * n + in + n;
    }
    return 0;
}

size_t lt_net_outputs(const lt_net *net)
{
    return net->shape == LT_DENSE ? net->width[net->layers - 1] : 1;
}

size_t lt_net_notes(const lt_net *net)
{
    switch (net->shape) {
    case LT_LSTM: case LT_ATTENTION: case LT_RESIDUAL: return 1;
    case LT_CONVOLUTION: return net->hidden;
    default: return 0;
    }
}

void lt_net_forward(const lt_net *net, const double *w, const double *x, double *scratch, double *out)
{
    switch (net->shape) {
    case LT_DENSE: dense_forward(net, w, x, scratch, out); break;
    case LT_ELMAN: elman_forward(net, w, x, scratch, out); break;
    case LT_LSTM: lstm_forward(net, w, x, scratch, out); break;
    case LT_GRU: gru_forward(net, w, x, scratch, out); break;
    case LT_ATTENTION: attention_forward(net, w, x, scratch, out); break;
    case LT_CONVOLUTION: convolution_forward(net, w, x, scratch, out); break;
    case LT_RESIDUAL: residual_forward(net, w, x, scratch, out); break;
    }
}

void lt_net_backward(const lt_net *net, const double *w, const double *x, double *scratch, const double *by_out,
                     double *g)
{
    switch (net->shape) {
    case LT_DENSE: dense_backward(net, w, scratch, by_out, g); break;
    case LT_ELMAN: elman_backward(net, w, x, scratch, by_out[0], g); break;
    case LT_LSTM: lstm_backward(net, w, x, scratch, by_out[0], g); break;
    case LT_GRU: gru_backward(net, w, x, scratch, by_out[0], g); break;
    case LT_ATTENTION: attention_backward(net, w, scratch, by_out[0], g); break;
    case LT_CONVOLUTION: convolution_backward(net, w, x, scratch, by_out[0], g); break;
    case LT_RESIDUAL: residual_backward(net, w, scratch, by_out[0], g); break;
    }
}

static double entropy(size_t n, const double *share)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++)
        if (share[k] > 0.0) sum -= share[k] * lt_log(share[k]);
    return sum / lt_log((double)n);
}

static double change(size_t n, const double *x, const double *y)
{
    double moved = 0.0, size = 0.0;
    for (size_t k = 0; k < n; k++) {
        moved += (y[k] - x[k]) * (y[k] - x[k]);
        size += x[k] * x[k];
    }
    return size > 0.0 ? sqrt(moved / size) : 0.0;
}

void lt_net_take_notes(const lt_net *net, const double *x, const double *s, double *notes)
{
    size_t n = net->hidden, steps = net->steps;
    double *q, *v, *asked, *mean, *share, *rest, sum = 0.0;
    switch (net->shape) {
    case LT_LSTM:
        s += 2 * (steps + 1) * n + (steps - 1) * 4 * n + n;
        for (size_t k = 0; k < n; k++) sum += s[k];
        notes[0] = sum / (double)n;
        break;
    case LT_ATTENTION:
        attention_parts(net, (double *)s, &q, &v, &asked, &mean, &share, &rest);
        notes[0] = entropy(steps, share);
        break;
    case LT_CONVOLUTION:
        copy(n, s + (steps - net->taps + 1) * n, notes);
        break;
    case LT_RESIDUAL:
        notes[0] = change(net->inputs, x, s + steps * net->inputs);
        break;
    default:
        break;
    }
}

/* The variational autoencoder. Weights: W1 b1 Wm bm Ws bs W3 b3 W4 b4. Scratch: h, mu, raw and clipped l, y, h', zhat,
 * derivatives. */

#define LOG_VARIANCE_MAX 10.0

size_t lt_vae_weights(const lt_vae *net)
{
    size_t in = net->inputs, n = net->hidden, c = net->code;
    return (in + 1) * n + 2 * (n + 1) * c + (c + 1) * n + (n + 1) * in;
}

size_t lt_vae_scratch(const lt_vae *net)
{
    return 2 * (2 * net->hidden + 4 * net->code + net->inputs) + net->hidden;
}

LT_CLONES
lt_elbo lt_vae_loss(const lt_vae *net, const double *w, const double *z, const double *e, double *scratch, double *g)
{
    size_t in = net->inputs, n = net->hidden, c = net->code;
    size_t wm = (in + 1) * n, ws = wm + (n + 1) * c, w3 = ws + (n + 1) * c, w4 = w3 + (c + 1) * n;
    double *h = scratch, *mu = h + n, *raw = mu + c, *l = raw + c, *y = l + c, *back = y + c, *zhat = back + n;
    double *d = zhat + in, *dback = d + in, *dy = dback + n, *dl = dy + c, *dh = dl + c;
    lt_elbo found = {0.0, 0.0, 0.0};
    copy(n, w + in * n, h);
    affine(in, n, w, z, h);
    tanh_of(n, h);
    copy(c, w + wm + n * c, mu);
    affine(n, c, w + wm, h, mu);
    copy(c, w + ws + n * c, raw);
    affine(n, c, w + ws, h, raw);
    for (size_t k = 0; k < c; k++) {
        l[k] = raw[k] > LOG_VARIANCE_MAX ? LOG_VARIANCE_MAX : raw[k] < -LOG_VARIANCE_MAX ? -LOG_VARIANCE_MAX : raw[k];
        y[k] = mu[k] + lt_exp(l[k] / 2.0) * e[k];
        found.kl += 0.5 * (lt_exp(l[k]) + mu[k] * mu[k] - 1.0 - l[k]);
    }
    copy(n, w + w3 + c * n, back);
    affine(c, n, w + w3, y, back);
    tanh_of(n, back);
    copy(in, w + w4 + n * in, zhat);
    affine(n, in, w + w4, back, zhat);
    for (size_t k = 0; k < in; k++) {
        d[k] = zhat[k] - z[k];
        found.recon += 0.5 * d[k] * d[k];
    }
    found.loss = found.recon + net->beta * found.kl;
    if (g == NULL) return found;
    outer(n, in, back, d, g + w4);
    add(in, d, g + w4 + n * in);
    zero(n, dback);
    transposed(n, in, w + w4, d, dback);
    for (size_t k = 0; k < n; k++) dback[k] *= 1.0 - back[k] * back[k];
    outer(c, n, y, dback, g + w3);
    add(n, dback, g + w3 + c * n);
    zero(c, dy);
    transposed(c, n, w + w3, dback, dy);
    for (size_t k = 0; k < c; k++) {
        double spread = lt_exp(l[k] / 2.0);
        dl[k] = raw[k] == l[k] ? dy[k] * e[k] * 0.5 * spread + net->beta * 0.5 * (spread * spread - 1.0) : 0.0;
        dy[k] += net->beta * mu[k];
    }
    outer(n, c, h, dy, g + wm);
    add(c, dy, g + wm + n * c);
    outer(n, c, h, dl, g + ws);
    add(c, dl, g + ws + n * c);
    zero(n, dh);
    transposed(n, c, w + wm, dy, dh);
    transposed(n, c, w + ws, dl, dh);
    for (size_t k = 0; k < n; k++) dh[k] *= 1.0 - h[k] * h[k];
    outer(in, n, z, dh, g);
    add(n, dh, g + in * n);
    return found;
}

LT_CLONES
double lt_descend(size_t n, double *w, const double *g, double eta, double clip)
{
    double norm = sqrt(dot(n, g, g)), rate = norm > clip ? eta * (clip / norm) : eta;
    if (!(norm <= 1.7976931348623157e308)) return norm;    /* has no direction that could be computed */
    for (size_t k = 0; k < n; k++) w[k] -= rate * g[k];
    return norm;
}
