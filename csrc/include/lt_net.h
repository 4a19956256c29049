/* Small networks, forward and back, over one flat vector of weights.
 *
 * Matrices lie column after column (in by out), so that the loops over outputs are contiguous and vectorise without
 * reordering a sum. `scratch` keeps what the forward pass leaves for the backward pass. */
#ifndef LT_NET_H
#define LT_NET_H

#include "lt_math.h"

enum { LT_LAYERS = 12 };

typedef enum { LT_DENSE, LT_ELMAN, LT_LSTM, LT_GRU, LT_ATTENTION, LT_CONVOLUTION, LT_RESIDUAL } lt_shape;

typedef struct {
    lt_shape shape;
    int linear;                        /* hidden units that are the identity, of LT_DENSE */
    size_t layers, width[LT_LAYERS];   /* LT_DENSE: widths from the input to the output */
    size_t inputs;                     /* numbers of one vector of the input */
    size_t hidden;                     /* hidden units; of LT_ATTENTION the head's, of LT_CONVOLUTION the filters */
    size_t steps;                      /* vectors of the input, oldest first; of LT_RESIDUAL the blocks */
    size_t taps;                       /* of a filter */
    const double *places;              /* positional encoding, steps by inputs */
} lt_net;

/* tanh by e^2x, and 1 / (1 + e^-x): branch-free. */
static inline double lt_tanh(double x)
{
    double a = x > 20.0 ? 20.0 : x < -20.0 ? -20.0 : x;
    return 1.0 - 2.0 / (lt_exp_bounded(2.0 * a) + 1.0);
}

static inline double lt_sigmoid(double x)
{
    double a = x > 700.0 ? 700.0 : x < -700.0 ? -700.0 : x;
    return 1.0 / (1.0 + lt_exp_bounded(-a));
}

size_t lt_net_weights(const lt_net *net);
size_t lt_net_scratch(const lt_net *net);
size_t lt_net_outputs(const lt_net *net);

/* Quantities beside the outputs that the shape has a name for: mean forget gate; entropy of the attention over its
 * largest; means of the filters; |x_out - x_in| over |x_in|. */
size_t lt_net_notes(const lt_net *net);

void lt_net_forward(const lt_net *net, const double *w, const double *x, double *scratch, double *out);
void lt_net_take_notes(const lt_net *net, const double *x, const double *scratch, double *notes);

/* Adds to g the derivatives by the weights of a function whose derivatives by the outputs are `by_out`. */
void lt_net_backward(const lt_net *net, const double *w, const double *x, double *scratch, const double *by_out,
                     double *g);

/* A variational autoencoder: inputs -> hidden tanh -> code -> hidden tanh -> inputs. */
typedef struct { size_t inputs, hidden, code; double beta; } lt_vae;
typedef struct { double loss, recon, kl; } lt_elbo;

size_t lt_vae_weights(const lt_vae *net);
size_t lt_vae_scratch(const lt_vae *net);

/* The loss of z with the noise e of its code; adds the derivatives to g unless it is NULL. */
lt_elbo lt_vae_loss(const lt_vae *net, const double *w, const double *z, const double *e, double *scratch, double *g);

/* w <- w - eta g min(1, clip / |g|), where |g| is finite; returns |g|. */
double lt_descend(size_t n, double *w, const double *g, double eta, double clip);

#endif
