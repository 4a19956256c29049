"""Small networks and numpy's generator in C (csrc/include/lt_net.h, lt_pcg64.h)."""
from libc.stdint cimport uint32_t, uint64_t

cdef extern from "lt_pcg64.h" nogil:
    ctypedef struct lt_pcg64:
        uint64_t high, low, add_high, add_low, has_half, half
    double lt_pcg64_uniform(lt_pcg64 *g) noexcept
    uint64_t lt_pcg64_below(lt_pcg64 *g, uint32_t n) noexcept
    double lt_pcg64_normal(lt_pcg64 *g) noexcept

cdef extern from "lt_net.h" nogil:
    enum:
        LT_LAYERS
    ctypedef enum lt_shape:
        LT_DENSE, LT_ELMAN, LT_LSTM, LT_GRU, LT_ATTENTION, LT_CONVOLUTION, LT_RESIDUAL
    ctypedef struct lt_net:
        lt_shape shape
        int linear
        size_t layers
        size_t width[12]
        size_t inputs, hidden, steps, taps
        const double *places
    ctypedef struct lt_vae:
        size_t inputs, hidden, code
        double beta
    ctypedef struct lt_elbo:
        double loss, recon, kl
    double lt_sigmoid(double x) noexcept
    size_t lt_net_weights(const lt_net *net) noexcept
    size_t lt_net_scratch(const lt_net *net) noexcept
    size_t lt_net_outputs(const lt_net *net) noexcept
    size_t lt_net_notes(const lt_net *net) noexcept
    void lt_net_forward(const lt_net *net, const double *w, const double *x, double *scratch, double *out) noexcept
    void lt_net_take_notes(const lt_net *net, const double *x, const double *scratch, double *notes) noexcept
    void lt_net_backward(const lt_net *net, const double *w, const double *x, double *scratch, const double *by_out,
                         double *g) noexcept
    size_t lt_vae_weights(const lt_vae *net) noexcept
    size_t lt_vae_scratch(const lt_vae *net) noexcept
    lt_elbo lt_vae_loss(const lt_vae *net, const double *w, const double *z, const double *e, double *scratch,
                        double *g) noexcept
    double lt_descend(size_t n, double *w, const double *g, double eta, double clip) noexcept
