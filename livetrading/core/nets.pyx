# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Small networks that learn one observation after another: shapes, losses, and the formulas' kernels."""
from libc.math cimport NAN, cos, fabs, floor, sin, sqrt
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from livetrading.core.features cimport LT_FEATURES, lt_features, lt_features_push, lt_standard, lt_standard_push, \
    lt_trade_valid
from livetrading.core.kernel cimport Kernel
from livetrading.core.learning cimport LT_ATTENTION, LT_CONVOLUTION, LT_DENSE, LT_ELMAN, LT_GRU, LT_LAYERS, LT_LSTM, \
    LT_RESIDUAL, lt_descend, lt_elbo, lt_net, lt_net_backward, lt_net_forward, lt_net_notes, lt_net_outputs, \
    lt_net_scratch, lt_net_take_notes, lt_net_weights, lt_pcg64, lt_pcg64_below, lt_pcg64_normal, lt_pcg64_uniform, \
    lt_sigmoid, lt_vae, lt_vae_loss, lt_vae_scratch, lt_vae_weights
from livetrading.core.ring cimport LT_OK

import numpy as np

_SHAPES = {
    "dense": LT_DENSE, "elman": LT_ELMAN, "lstm": LT_LSTM, "gru": LT_GRU, "attention": LT_ATTENTION,
    "convolution": LT_CONVOLUTION, "residual": LT_RESIDUAL,
}


cdef double *vector(size_t n) except NULL:
    cdef double *x = <double *> calloc(n if n > 0 else 1, sizeof(double))
    if x == NULL:
        raise MemoryError()
    return x


cdef double *copied(const double[::1] x) except NULL:
    cdef double *y = vector(<size_t> x.shape[0])
    if x.shape[0] > 0:
        memcpy(y, &x[0], <size_t> x.shape[0] * sizeof(double))
    return y


cdef int seeded(lt_pcg64 *g, words) except -1:
    """Set a generator to the words that `Draws.words` returns."""
    g.high, g.low, g.add_high, g.add_low, g.has_half, g.half = [int(word) for word in words]
    return 0


cdef class Draws:
    """The draws of numpy's Generator(PCG64) by the compiled generator, bit for bit.

    Parameters
    ----------
    words : sequence of six int
        State and increment, the upper half first, whether half a word is left, and that half.
    """
    cdef lt_pcg64 g

    def __cinit__(self, words):
        seeded(&self.g, words)

    def random(self):
        """A uniform number from [0, 1)."""
        return lt_pcg64_uniform(&self.g)

    def integers(self, unsigned int n):
        """A whole number from 0 to n - 1."""
        if n == 0:
            raise ValueError("n must be at least 1, was 0")
        return lt_pcg64_below(&self.g, n)

    def standard_normal(self):
        """A standard normal number."""
        return lt_pcg64_normal(&self.g)

    @property
    def words(self):
        return (self.g.high, self.g.low, self.g.add_high, self.g.add_low, self.g.has_half, self.g.half)


def _order_of(layout):
    """Where each weight, in the order of `layout` with rows contiguous, comes from in that of the core, and back."""
    there, at = [], 0
    for _, shape, _ in layout:
        block = np.arange(at, at + int(np.prod(shape))).reshape(shape)
        there.append(block.T.ravel())
        at += block.size
    return np.concatenate(there)


def _recurrent(gates, inputs, hidden):
    return [("Wx", (gates * hidden, inputs), hidden), ("Wh", (gates * hidden, hidden), hidden)]


def _layout_of(shape, sizes):
    """Names, shapes and fan-in of a network's weights in their order; a fan-in of 0 is a bias."""
    if shape == "dense":
        found = []
        for level, (before, after) in enumerate(zip(sizes, sizes[1:]), 1):
            found += [(f"W{level}", (after, before), before), (f"b{level}", (after,), 0)]
        return tuple(found)
    first, second, third = sizes
    last = [("u", (second,), second), ("c", (1,), 0)]
    if shape == "elman":
        return (*_recurrent(1, first, second), ("b", (second,), 0), *last)
    if shape == "lstm":
        return (*_recurrent(4, first, second), ("b", (4 * second,), 0), *last)
    if shape == "gru":
        wx, wh = _recurrent(3, first, second)
        return (wx, ("bx", (3 * second,), 0), wh, ("bh", (3 * second,), 0), *last)
    if shape == "attention":
        return (*[(name, (second, first), first) for name in ("Wq", "Wk", "Wv")], *last)
    if shape == "convolution":
        return (("W", (second, third), third), ("b", (second,), 0), *last)
    found = []
    for k in range(1, third + 1):
        found += [(f"A{k}", (second, first), first), (f"a{k}", (second,), 0),
                  (f"B{k}", (first, second), second), (f"b{k}", (first,), 0)]
    return (*found, ("u", (first,), first), ("c", (1,), 0))


cdef double *encoding(Py_ssize_t inputs, Py_ssize_t steps) except NULL:
    """Sines and cosines of the step, a wavelength a pair of inputs (Vaswani et al. 2017)."""
    cdef double *places = vector(<size_t> (inputs * steps))
    cdef Py_ssize_t i, k
    cdef double angle
    for k in range(steps):
        for i in range(inputs):
            angle = k / 10000.0 ** (2.0 * (i // 2) / inputs)
            places[k * inputs + i] = cos(angle) if i % 2 else sin(angle)
    return places


cdef class Net:
    """A network of a shape.

    Parameters
    ----------
    shape : {"dense", "elman", "lstm", "gru", "attention", "convolution", "residual"}
    sizes : tuple of int
        dense: the widths from the input to the output. elman, lstm, gru: inputs, hidden units, steps. attention:
        inputs, width of the head, steps. convolution: steps, filters, taps. residual: inputs, hidden units, blocks.
    linear : bool
        Hidden units of "dense" are the identity instead of tanh.

    Raises
    ------
    ValueError
        If there is no such shape, or the sizes are not its own.
    """

    def __cinit__(self, str shape, tuple sizes, bint linear=False):
        cdef lt_net *net = &self.net
        cdef Py_ssize_t k
        if shape not in _SHAPES:
            raise ValueError(f"shape must be one of {', '.join(_SHAPES)}, was {shape!r}")
        right = 2 <= len(sizes) <= LT_LAYERS if shape == "dense" else len(sizes) == 3
        if not right or min(sizes) < 1 or shape == "convolution" and sizes[2] > sizes[0]:
            raise ValueError(f"sizes must be those of a {shape} network, were {sizes}")
        net.shape = _SHAPES[shape]
        net.linear = linear
        if shape == "dense":
            net.layers = len(sizes)
            for k in range(len(sizes)):
                net.width[k] = sizes[k]
            self.inputs = sizes[0]
        elif shape == "convolution":
            net.inputs, net.steps, net.hidden, net.taps = 1, sizes[0], sizes[1], sizes[2]
            self.inputs = sizes[0]
        else:
            net.inputs, net.hidden, net.steps = sizes
            self.inputs = sizes[0] if shape == "residual" else sizes[0] * sizes[2]
        self.shape = shape
        self.layout = _layout_of(shape, sizes)
        self.order = _order_of(self.layout)
        self.weights = lt_net_weights(net)
        self.outputs = lt_net_outputs(net)
        self.notes = lt_net_notes(net)
        self.scratch = vector(lt_net_scratch(net))
        self.by_weights = vector(<size_t> self.weights)
        if shape == "attention":
            self.places = encoding(sizes[0], sizes[2])
            net.places = self.places

    def __dealloc__(self):
        free(self.places)
        free(self.scratch)
        free(self.by_weights)
        self.places = self.scratch = self.by_weights = NULL

    def packed(self, weights):
        """Weights as the core has them, from those in the order of `layout`."""
        return np.ascontiguousarray(np.asarray(weights, np.float64)[self.order])

    def unpacked(self, weights):
        """The other way round."""
        found = np.empty(self.weights)
        found[self.order] = weights
        return found

    def _checked(self, weights, x):
        w, given = self.packed(weights), np.ascontiguousarray(x, np.float64).ravel()
        if len(weights) != self.weights or len(given) != self.inputs:
            raise ValueError(f"there must be {self.weights} weights and {self.inputs} inputs, were {len(weights)} and "
                             f"{len(given)}")
        return w, given

    def forward(self, weights, x):
        """Outputs and notes of an input.

        Parameters
        ----------
        weights : ndarray of float64, shape (weights,)
            In the order of `layout`, rows contiguous.
        x : ndarray of float64, of `inputs` numbers

        Returns
        -------
        out : ndarray of float64, shape (outputs,)
        notes : ndarray of float64, shape (notes,)
        """
        packed, given = self._checked(weights, x)
        cdef double[::1] w = packed, v = given, o = np.empty(self.outputs), n = np.empty(self.notes + 1)
        lt_net_forward(&self.net, &w[0], &v[0], self.scratch, &o[0])
        lt_net_take_notes(&self.net, &v[0], self.scratch, &n[0])
        return np.asarray(o), np.asarray(n)[:self.notes]

    def gradient(self, weights, x, by_out):
        """Derivatives by the weights of a function with the derivatives `by_out` by the outputs at x.

        Returns
        -------
        ndarray of float64, shape (weights,)
        """
        packed, given = self._checked(weights, x)
        cdef double[::1] w = packed, v = given, d = np.ascontiguousarray(by_out, np.float64), o = np.empty(self.outputs)
        cdef double[::1] g = np.zeros(self.weights)
        if d.shape[0] != self.outputs:
            raise ValueError(f"by_out must have {self.outputs} values, was {d.shape[0]}")
        lt_net_forward(&self.net, &w[0], &v[0], self.scratch, &o[0])
        lt_net_backward(&self.net, &w[0], &v[0], self.scratch, &d[0], &g[0])
        return self.unpacked(np.asarray(g))


def _vae_layout(inputs, hidden, code):
    """Names, shapes and fan-in of the weights of a variational autoencoder in their order."""
    return (
        ("W1", (hidden, inputs), inputs), ("b1", (hidden,), 0), ("Wm", (code, hidden), hidden), ("bm", (code,), 0),
        ("Ws", (code, hidden), hidden), ("bs", (code,), 0), ("W3", (hidden, code), code), ("b3", (hidden,), 0),
        ("W4", (inputs, hidden), hidden), ("b4", (inputs,), 0),
    )


cdef class Vae:
    """A variational autoencoder: inputs, hidden tanh units, code, hidden tanh units, inputs.

    Parameters
    ----------
    sizes : tuple of int
        Inputs, hidden units, width of the code.
    beta : float
        Weight of the divergence.
    """

    def __cinit__(self, tuple sizes, double beta):
        if len(sizes) != 3 or min(sizes) < 1:
            raise ValueError(f"sizes must be inputs, hidden and code, were {sizes}")
        self.net.inputs, self.net.hidden, self.net.code = sizes
        self.net.beta = beta
        self.inputs, self.code = sizes[0], sizes[2]
        self.layout = _vae_layout(*sizes)
        self.order = _order_of(self.layout)
        self.weights = lt_vae_weights(&self.net)
        self.scratch = vector(lt_vae_scratch(&self.net))
        self.by_weights = vector(<size_t> self.weights)

    def __dealloc__(self):
        free(self.scratch)
        free(self.by_weights)
        self.scratch = self.by_weights = NULL

    def packed(self, weights):
        """Weights as the core has them, from those in the order of `layout`."""
        return np.ascontiguousarray(np.asarray(weights, np.float64)[self.order])

    def loss_grad(self, weights, z, noise):
        """Loss, its parts and its derivatives.

        Parameters
        ----------
        weights : ndarray of float64, shape (weights,)
            In the order of `layout`, rows contiguous.
        z : ndarray of float64, shape (inputs,)
        noise : ndarray of float64, shape (code,)

        Returns
        -------
        loss, recon, kl : float
        gradient : ndarray of float64, shape (weights,)
        """
        cdef double[::1] w = self.packed(weights), v = np.ascontiguousarray(z, np.float64)
        cdef double[::1] e = np.ascontiguousarray(noise, np.float64), g = np.zeros(self.weights)
        if w.shape[0] != self.weights or v.shape[0] != self.inputs or e.shape[0] != self.code:
            raise ValueError(f"there must be {self.weights} weights, {self.inputs} inputs and {self.code} of noise, "
                             f"were {w.shape[0]}, {v.shape[0]} and {e.shape[0]}")
        cdef lt_elbo found = lt_vae_loss(&self.net, &w[0], &v[0], &e[0], self.scratch, &g[0])
        gradient = np.empty(self.weights)
        gradient[self.order] = g
        return found.loss, found.recon, found.kl, gradient


# Kernels that learn from pairs: the features of an observation and whether the price rose over the next h

cdef enum:
    RESOLVED = 200      # predictions that the hit rate looks back on
    RESOLVED_LEAST = 50

ctypedef struct pairs_t:
    lt_features features
    lt_standard standard
    int64_t rows        # observations with features so far
    int64_t trained, resolved
    double right
    double w[8]         # of the perceptron
    double b, mistakes


cdef class PairKernel(Kernel):
    """Stored standardised features, labels once they are known, predictions once they resolve."""
    cdef int64_t h, warm, length, kept, width
    cdef double *price
    cdef double *guess
    cdef double *right
    cdef double *rows

    cdef int open(self, int64_t h, int64_t warm, int64_t length, int64_t width, size_t more,
                  Py_ssize_t gives) except -1:
        self.h, self.warm, self.length, self.width = h, warm, length, width
        self.kept = h + length
        self.allocate(sizeof(pairs_t), 2 * <size_t> (h + 1) + RESOLVED + 2 * <size_t> (self.kept * width) + more,
                      reads=3, gives=gives)
        self.price = self.array(<size_t> (h + 1))
        self.guess = self.array(<size_t> (h + 1))
        self.right = self.array(RESOLVED)
        self.rows = self.array(2 * <size_t> (self.kept * width))
        return 0

    cdef void keep(self, int64_t row, const double *z) noexcept nogil:
        cdef size_t size = <size_t> self.width * sizeof(double)
        cdef int64_t at = row % self.kept
        memcpy(self.rows + at * self.width, z, size)
        memcpy(self.rows + (at + self.kept) * self.width, z, size)

    cdef const double *input(self, int64_t row) noexcept nogil:
        """The `length` rows up to this one, or NULL where there were not as many yet."""
        return NULL if row + 1 < self.length else self.rows + (row + 1 - self.length) % self.kept * self.width

    cdef void resolve(self, pairs_t *s, int64_t slot, bint rose) noexcept nogil:
        cdef double guess = self.guess[slot]
        cdef double *place = self.right + s.resolved % RESOLVED
        if guess != guess:
            return
        if s.resolved >= RESOLVED:
            s.right -= place[0]
        place[0] = 1.0 if (guess > 0.0 if rose else guess < 0.0) else 0.0
        s.right += place[0]
        s.resolved += 1

    cdef double hit_rate(self, pairs_t *s) noexcept nogil:
        return NAN if s.resolved < RESOLVED_LEAST else s.right / <double> min(s.resolved, <int64_t> RESOLVED)

    cdef void train(self, pairs_t *s, const double *x, double y) noexcept nogil:
        pass

    cdef double predict(self, pairs_t *s, const double *x) noexcept nogil:
        """Report, and return above 0 for a rise and below for a fall."""
        return NAN

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef pairs_t *s = <pairs_t *> self.own
        cdef double z[LT_FEATURES]
        cdef const double *past
        cdef int64_t row, slot
        if not lt_trade_valid(x[0], x[1]) or lt_features_push(&s.features, x[0], x[1], x[2]) != LT_OK:
            return
        lt_standard_push(&s.standard, s.features.x, z)
        row = s.rows
        self.keep(row, z)
        if row >= self.h:
            slot = (row - self.h) % (self.h + 1)
            if x[0] != self.price[slot]:
                self.resolve(s, slot, x[0] > self.price[slot])
                past = self.input(row - self.h)
                if past != NULL:
                    self.train(s, past, 1.0 if x[0] > self.price[slot] else 0.0)
                    s.trained += 1
        slot = row % (self.h + 1)
        past = self.input(row)
        self.price[slot] = x[0]
        self.guess[slot] = NAN if past == NULL else self.predict(s, past)
        s.rows += 1


cdef inline bint correct(double *w, double *b, Py_ssize_t n, const double *z, double c, double eta) noexcept nogil:
    """Rosenblatt's rule; whether it was a mistake."""
    cdef Py_ssize_t i
    cdef double margin = b[0]
    for i in range(n):
        margin += w[i] * z[i]
    if c * margin > 0.0:
        return False
    for i in range(n):
        w[i] += eta * c * z[i]
    b[0] += eta * c
    return True


def perceptron_update(double[::1] w not None, double b, const double[::1] z not None, double c, double eta):
    """Correct the weights w in place where sign(w.z + b) is not c, which is 1 or -1; return b."""
    if w.shape[0] != z.shape[0] or w.shape[0] == 0:
        raise ValueError(f"z must have the {w.shape[0]} numbers of w, had {z.shape[0]}")
    correct(&w[0], &b, w.shape[0], &z[0], c, eta)
    return b


cdef class Perceptron(PairKernel):
    cdef double eta

    def __cinit__(self, double eta, int64_t h, int64_t warm):
        self.eta = eta
        self.open(h, warm, 1, LT_FEATURES, 0, gives=3)
        self.reset()

    cdef void train(self, pairs_t *s, const double *x, double y) noexcept nogil:
        if correct(s.w, &s.b, LT_FEATURES, x, 2.0 * y - 1.0, self.eta):
            s.mistakes += 1.0

    cdef double predict(self, pairs_t *s, const double *x) noexcept nogil:
        cdef double margin = s.b, weight = 0.0, size = 0.0, whole
        cdef int i
        for i in range(LT_FEATURES):
            margin += s.w[i] * x[i]
            weight += s.w[i] * s.w[i]
            size += x[i] * x[i]
        if s.trained >= self.warm:
            whole = sqrt(weight) * sqrt(size) + fabs(s.b)
            self.out[0], self.out[1], self.out[2] = s.mistakes, s.b, self.hit_rate(s)
            self.report(margin, (margin > 0.0) - (margin < 0.0), min(1.0, fabs(margin) / whole) if whole > 0.0 else 0.0)
        return margin

    @property
    def weights(self):
        cdef pairs_t *s = <pairs_t *> self.own
        return np.array([s.w[i] for i in range(LT_FEATURES)])


cdef class OnlineNet(PairKernel):
    """A network that takes one step on every pair and then predicts."""
    cdef Net kept_net
    cdef const lt_net *net
    cdef double *scratch
    cdef double *by_weights
    cdef size_t n
    cdef double eta, clip, theta
    cdef double *initial
    cdef double *w

    def __cinit__(self, Net net not None, const double[::1] weights not None, double eta, double clip, int64_t h,
                  int64_t warm, double theta):
        cdef int64_t width = 1 if net.shape == "convolution" else LT_FEATURES
        if weights.shape[0] != net.weights or net.inputs % width or net.outputs != 1:
            raise ValueError(f"the network must have one output and {net.weights} weights, was given "
                             f"{weights.shape[0]}")
        self.kept_net, self.net, self.scratch, self.by_weights = net, &net.net, net.scratch, net.by_weights
        self.n, self.eta, self.clip, self.theta = net.weights, eta, clip, theta
        self.initial = copied(weights)
        self.open(h, warm, net.inputs // width, width, <size_t> net.weights, gives=2 + net.notes)
        self.w = self.array(<size_t> net.weights)
        self.reset()

    def __dealloc__(self):
        free(self.initial)
        self.initial = NULL

    cdef void start(self) noexcept nogil:
        memcpy(self.w, self.initial, self.n * sizeof(double))

    cdef void train(self, pairs_t *s, const double *x, double y) noexcept nogil:
        cdef double logit, by_logit
        lt_net_forward(self.net, self.w, x, self.scratch, &logit)
        by_logit = lt_sigmoid(logit) - y
        memset(self.by_weights, 0, self.n * sizeof(double))
        lt_net_backward(self.net, self.w, x, self.scratch, &by_logit, self.by_weights)
        lt_descend(self.n, self.w, self.by_weights, self.eta, self.clip)

    cdef double predict(self, pairs_t *s, const double *x) noexcept nogil:
        cdef double logit, p
        lt_net_forward(self.net, self.w, x, self.scratch, &logit)
        p = lt_sigmoid(logit)
        if s.trained >= self.warm:
            self.out[0], self.out[1] = p, self.hit_rate(s)
            lt_net_take_notes(self.net, x, self.scratch, self.out + 2)
            self.report(p, (p > 0.5 + self.theta) - (p < 0.5 - self.theta), fabs(2.0 * p - 1.0))
        return p - 0.5

    def learn(self, const double[:, ::1] inputs not None, const double[::1] labels not None):
        """Predict each input and then train on it with its label; return the probabilities."""
        cdef Py_ssize_t i, n = inputs.shape[0]
        cdef pairs_t *s = <pairs_t *> self.own
        cdef double logit
        if inputs.shape[1] != self.kept_net.inputs or labels.shape[0] != n:
            raise ValueError(f"there must be {n} labels and rows of {self.kept_net.inputs} numbers")
        found = np.empty(n)
        cdef double[::1] p = found
        with nogil:
            for i in range(n):
                lt_net_forward(self.net, self.w, &inputs[i, 0], self.scratch, &logit)
                p[i] = lt_sigmoid(logit)
                self.train(s, &inputs[i, 0], labels[i])
        return found

    @property
    def weights(self):
        return self.kept_net.unpacked(np.array([self.w[i] for i in range(self.n)]))


# Kernels that say how far an observation is from what they have learned

cdef Py_ssize_t below(const double *sorted, Py_ssize_t n, double x, bint equal) noexcept nogil:
    """How many of n sorted values are less than x, or not more where `equal`."""
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) // 2
        if sorted[middle] < x or equal and sorted[middle] == x:
            low = middle + 1
        else:
            high = middle
    return low


cdef double quantile(const double *sorted, Py_ssize_t n, double q) noexcept nogil:
    """The q-quantile of n sorted values, linear between them (Hyndman and Fan 1996, type 7)."""
    cdef double place = q * <double> (n - 1), part
    cdef Py_ssize_t k = <Py_ssize_t> floor(place)
    cdef double rise
    if k >= n - 1:
        return sorted[n - 1]
    part = place - <double> k
    rise = sorted[k + 1] - sorted[k]
    return sorted[k] + rise * part if part < 0.5 else sorted[k + 1] - rise * (1.0 - part)

ctypedef struct strange_t:
    lt_features features
    lt_standard standard
    lt_pcg64 g
    int64_t trained

cdef enum:
    ERRORS_LEAST = 100  # before there is a quantile


cdef class StrangeKernel(Kernel):
    """Errors of reconstruction beside the last n of them."""
    cdef int64_t n, warm
    cdef double q
    cdef double *errors
    cdef double *sorted
    cdef double *w

    cdef int open(self, int64_t n, double q, int64_t warm, Py_ssize_t weights, Py_ssize_t gives) except -1:
        self.n, self.q, self.warm = n, q, warm
        self.allocate(sizeof(strange_t), 2 * <size_t> n + <size_t> weights, reads=3, gives=gives)
        self.errors = self.array(<size_t> n)
        self.sorted = self.array(<size_t> n)
        self.w = self.array(<size_t> weights)
        return 0

    cdef double error(self, strange_t *s, const double *z) noexcept nogil:
        """What is reported, before training; writes the outputs but the gate."""
        return NAN

    cdef void train(self, strange_t *s, const double *z) noexcept nogil:
        pass

    cdef void remember(self, int64_t seen, double e) noexcept nogil:
        cdef Py_ssize_t held = min(seen, self.n), at
        cdef double *place = self.errors + seen % self.n
        if held == self.n:
            held -= 1
            at = below(self.sorted, self.n, place[0], False)
            memmove(self.sorted + at, self.sorted + at + 1, <size_t> (held - at) * sizeof(double))
        at = below(self.sorted, held, e, True)
        memmove(self.sorted + at + 1, self.sorted + at, <size_t> (held - at) * sizeof(double))
        self.sorted[at] = place[0] = e

    cdef void step(self, int64_t ts, const double *x) noexcept nogil:
        cdef strange_t *s = <strange_t *> self.own
        cdef double z[LT_FEATURES]
        cdef double e, share
        cdef Py_ssize_t held
        cdef bint block
        if not lt_trade_valid(x[0], x[1]) or lt_features_push(&s.features, x[0], x[1], x[2]) != LT_OK:
            return
        lt_standard_push(&s.standard, s.features.x, z)
        e = self.error(s, z)
        held = min(s.trained, self.n)
        if held >= ERRORS_LEAST and s.trained + 1 >= self.warm:
            block = e > quantile(self.sorted, held, self.q)
            share = <double> below(self.sorted, held, e, True) / <double> held
            self.out[0] = 0.0 if block else 1.0
            self.report(e, -1 if block else 1, share if block else 1.0 - share)
        self.train(s, z)
        self.remember(s.trained, e)
        s.trained += 1


cdef class Autoencoder(StrangeKernel):
    cdef Net kept_net
    cdef const lt_net *net
    cdef double *scratch
    cdef double *by_weights
    cdef size_t weights
    cdef double eta, clip
    cdef double *initial

    def __cinit__(self, Net net not None, const double[::1] weights not None, double eta, double clip, int64_t n,
                  double q, int64_t warm):
        if not weights.shape[0] == net.weights or not net.inputs == net.outputs == LT_FEATURES:
            raise ValueError(f"the network must have {LT_FEATURES} inputs and outputs and {net.weights} weights")
        self.kept_net, self.net, self.scratch, self.by_weights = net, &net.net, net.scratch, net.by_weights
        self.weights, self.eta, self.clip = net.weights, eta, clip
        self.initial = copied(weights)
        self.open(n, q, warm, net.weights, gives=1)
        self.reset()

    def __dealloc__(self):
        free(self.initial)
        self.initial = NULL

    cdef void start(self) noexcept nogil:
        memcpy(self.w, self.initial, self.weights * sizeof(double))

    cdef double error(self, strange_t *s, const double *z) noexcept nogil:
        cdef double back[LT_FEATURES]
        cdef double sum = 0.0
        cdef int i
        lt_net_forward(self.net, self.w, z, self.scratch, back)
        for i in range(LT_FEATURES):
            sum += (z[i] - back[i]) * (z[i] - back[i])
        return sum / <double> LT_FEATURES

    cdef void train(self, strange_t *s, const double *z) noexcept nogil:
        cdef double back[LT_FEATURES]
        cdef int i
        lt_net_forward(self.net, self.w, z, self.scratch, back)
        for i in range(LT_FEATURES):
            back[i] -= z[i]
        memset(self.by_weights, 0, self.weights * sizeof(double))
        lt_net_backward(self.net, self.w, z, self.scratch, back, self.by_weights)
        lt_descend(self.weights, self.w, self.by_weights, self.eta, self.clip)

    def learn(self, const double[:, ::1] rows not None):
        """Train on rows of 8 numbers as they are, and return the error of each before its step."""
        cdef Py_ssize_t i, n = rows.shape[0]
        cdef strange_t *s = <strange_t *> self.own
        if rows.shape[1] != LT_FEATURES:
            raise ValueError(f"a row must have {LT_FEATURES} numbers, was {rows.shape[1]}")
        found = np.empty(n)
        cdef double[::1] e = found
        with nogil:
            for i in range(n):
                e[i] = self.error(s, &rows[i, 0])
                self.train(s, &rows[i, 0])
        return found


cdef class VariationalAutoencoder(StrangeKernel):
    cdef Vae kept_net
    cdef const lt_vae *net
    cdef double *scratch
    cdef double *by_weights
    cdef size_t weights
    cdef Py_ssize_t code
    cdef double eta, clip
    cdef double *initial
    cdef double *noise
    cdef lt_pcg64 g

    def __cinit__(self, Vae net not None, const double[::1] weights not None, words, double eta, double clip,
                  int64_t n, double q, int64_t warm):
        if weights.shape[0] != net.weights or net.inputs != LT_FEATURES:
            raise ValueError(f"the network must have {LT_FEATURES} inputs and {net.weights} weights")
        self.kept_net, self.net, self.scratch, self.by_weights = net, &net.net, net.scratch, net.by_weights
        self.weights, self.code, self.eta, self.clip = net.weights, net.code, eta, clip
        seeded(&self.g, words)
        self.initial = copied(weights)
        self.noise = vector(<size_t> net.code)
        self.open(n, q, warm, net.weights, gives=3)
        self.reset()

    def __dealloc__(self):
        free(self.initial)
        free(self.noise)
        self.initial = self.noise = NULL

    cdef void start(self) noexcept nogil:
        memcpy(self.w, self.initial, self.weights * sizeof(double))
        (<strange_t *> self.own).g = self.g

    cdef double error(self, strange_t *s, const double *z) noexcept nogil:
        cdef lt_elbo found
        memset(self.noise, 0, <size_t> self.code * sizeof(double))
        found = lt_vae_loss(self.net, self.w, z, self.noise, self.scratch, NULL)
        if s.trained + 1 >= self.warm and s.trained >= ERRORS_LEAST:
            self.out[1], self.out[2] = found.kl, found.recon
        return found.loss

    cdef void train(self, strange_t *s, const double *z) noexcept nogil:
        cdef Py_ssize_t k
        for k in range(self.code):
            self.noise[k] = lt_pcg64_normal(&s.g)
        memset(self.by_weights, 0, self.weights * sizeof(double))
        lt_vae_loss(self.net, self.w, z, self.noise, self.scratch, self.by_weights)
        lt_descend(self.weights, self.w, self.by_weights, self.eta, self.clip)


# Log loss of one pair, as functions of the weights

def log_loss_grad(Net net not None, weights, x, double y):
    """Log loss of an input with the label y, and its derivatives.

    Parameters
    ----------
    net : Net
        With one output, the logit.
    weights : ndarray of float64, shape (net.weights,)
        In the order of `net.layout`, rows contiguous.
    x : ndarray of float64, of net.inputs numbers
    y : float
        1 or 0.

    Returns
    -------
    loss : float
    gradient : ndarray of float64, shape (net.weights,)
    """
    logit = net.forward(weights, x)[0][0]
    # ln(1 + e^-|l|) without cancellation
    loss = max(logit, 0.0) - logit * y + np.log1p(np.exp(-abs(logit)))
    return float(loss), net.gradient(weights, x, np.array([lt_sigmoid(logit) - y]))


def descended(net, weights, gradient, double eta, double clip):
    """Weights after one step against a gradient that is cut to the length `clip`."""
    cdef double[::1] w = np.array(weights, np.float64), g = np.ascontiguousarray(gradient, np.float64)
    if not w.shape[0] == g.shape[0] == net.weights:
        raise ValueError(f"there must be {net.weights} weights and derivatives, were {w.shape[0]} and {g.shape[0]}")
    lt_descend(<size_t> w.shape[0], &w[0], &g[0], eta, clip)
    return np.asarray(w)
