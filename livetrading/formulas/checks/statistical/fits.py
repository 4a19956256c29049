"""Golden numbers and references of the formulas that fit (4, 7, 14, 18, 19, 24, 28)."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from livetrading.formulas.checks.harness import Comparison, golden, reference
from livetrading.formulas.checks.markets import market, walk
from livetrading.formulas.registry import run
from livetrading.formulas.statistical.forecasts import fit_quantile, fit_stumps, move_features, smoothed
from livetrading.formulas.statistical.inference import bootstrap_means, phillips_ouliaris
from livetrading.formulas.statistical.laws import Mixture, fit_mixture, fit_student, posterior

Floats = NDArray[np.float64]


@golden(4)
def student() -> Mapping[str, float]:
    y = import_module("scipy.stats").t.rvs(4, size=500, random_state=np.random.default_rng(4))
    law = fit_student(y / np.std(y))
    assert law is not None
    return {"nu": law.nu, "mu": law.mu, "scale": law.scale, "loglik": law.loglik}


def conditional_maximisation(y: Floats) -> tuple[float, float, float, float]:
    """Student's nu, mu, scale and log-likelihood by the ECM of Liu and Rubin (1995)."""
    t = import_module("scipy.stats").t
    bounded = import_module("scipy.optimize").minimize_scalar
    nu, mu, square = 5.0, float(np.median(y)), 0.5

    def cost(x: float) -> float:
        return -float(np.sum(t.logpdf(y, np.exp(x), mu, np.sqrt(square))))

    for _ in range(60):
        for _ in range(20):
            w = (nu + 1.0) / (nu + (y - mu) ** 2 / square)
            mu = float(np.sum(w * y) / np.sum(w))
            square = float(np.mean(w * (y - mu) ** 2))
        nu = float(np.exp(bounded(cost, bounds=(0.0, 5.0), method="bounded", options={"xatol": 1e-8}).x))
    return nu, mu, float(np.sqrt(square)), -cost(np.log(nu))


@reference(4)
def ecm() -> Iterator[Comparison]:
    t = import_module("scipy.stats").t
    price = 50_000.0 * np.exp(
        np.cumsum(t.rvs(3, scale=1e-4, size=330, random_state=np.random.default_rng(44)))
    )
    said = run(4, {"price": price}, n=300, refit=20)
    r = np.diff(np.log(price))
    sd = float(np.std(r[:300]))
    nu, mu, scale, loglik = conditional_maximisation(r[:300] / sd)
    yield Comparison("not ready at n returns", float(said.ready[300]), 0.0)
    yield Comparison("loglik", said.outputs["loglik"][301], loglik, 0.0, 1e-5)
    yield Comparison("nu", said.outputs["nu"][301], nu, 1e-3)
    yield Comparison("mu", said.outputs["mu"][301], mu * sd, 0.0, 1e-3 * sd)
    yield Comparison("scale", said.outputs["scale"][301], scale * sd, 1e-3)
    for i in range(301, 321):  # up to the score at the refit, which is by the parameters before
        its = t.cdf(r[i - 1], *(said.outputs[name][301] for name in ("nu", "mu", "scale")))
        yield Comparison(f"value, row {i}", said.value[i], its)
        yield Comparison(f"confidence, row {i}", said.confidence[i], abs(2.0 * its - 1.0), 1e-9, 1e-12)


@golden(7)
def cointegration() -> Mapping[str, float]:
    said = run(7, {"price": walk(7, 251), "cross.0": walk(70, 251)})
    return {"Z_t": said.value[-1], "p": said.outputs["p_value"][-1]}


@reference(7)
def arch_cointegration() -> Iterator[Comparison]:
    test = import_module("arch.unitroot.cointegration").phillips_ouliaris
    columns = market(260)
    own, peer = (np.asarray(columns[name], np.float64) for name in ("price", "cross.0"))
    own = own * (peer / peer[0]) ** 0.5
    for bandwidth in (5, 0):
        said = run(
            7, {"price": own, "cross.0": peer}, n=100, bandwidth=bandwidth, every=20, entry=1.0, alpha=0.9
        )
        for i in range(100, 241, 20):
            y, x = np.log(own[i - 100 : i + 1]), np.log(peer[i - 100 : i + 1])
            its = test(y, x, trend="c", test_type="Zt", kernel="bartlett", bandwidth=bandwidth)
            slope, constant = np.polyfit(x, y, 1)
            u = y - constant - slope * x
            yield Comparison(f"Z_t, row {i}", said.value[i], its.stat, 1e-8)
            yield Comparison(f"p, row {i}", said.outputs["p_value"][i], its.pvalue, 1e-7)
            yield Comparison(f"beta, row {i}", said.outputs["beta"][i], slope, 1e-8)
            yield Comparison(f"z, row {i}", said.outputs["spread_z"][i], u[-1] / np.std(u), 1e-7, 1e-8)
            for j in range(i, i + 20):
                z = (np.log(own[j]) - constant - slope * np.log(peer[j])) / np.std(u)
                side = -np.sign(z) if its.pvalue < 0.9 and abs(z) >= 1.0 else 0.0
                yield Comparison(f"held, row {j}", said.value[j], said.value[i])
                yield Comparison(f"signal, row {j}", said.signal[j], side)


@reference(7)
def size() -> Iterator[Comparison]:
    """Independent walks reject at 5 % in about 5 % of the cases."""
    g = np.random.default_rng(77)
    critical = -3.3654  # Phillips and Ouliaris (1990), table IIb, one regressor, demeaned, 5 %
    walks = (g.standard_normal((2, 251)).cumsum(axis=1) for _ in range(500))
    low = sum(phillips_ouliaris(y, x, 5).statistic < critical for y, x in walks)
    yield Comparison("rejections", low / 500.0, 0.055, 0.0, 0.025)


@golden(14)
def persistent() -> Mapping[str, float]:
    """How much less is known of the mean of an AR(1) of 0.5 than of noise."""
    lfilter = import_module("scipy.signal").lfilter
    ratios = []
    for seed in range(20):
        y = lfilter([1.0], [1.0, -0.5], np.random.default_rng(seed).standard_normal(2000))
        ratios.append(float(np.std(bootstrap_means(y, 40, 50, seed, 0)) * np.sqrt(2000) / np.std(y)))
    return {"se over s0 / sqrt(n)": float(np.mean(ratios))}


@reference(14)
def scipy_bootstrap() -> Iterator[Comparison]:
    bootstrap = import_module("scipy.stats").bootstrap
    r = np.diff(np.log(walk(14, 201)))
    means = bootstrap_means(r, 1, 20_000, 0, 0)
    yield Comparison("se", float(np.std(means)) * np.sqrt(200) / float(np.std(r)), 1.0, 0.02)
    its = bootstrap(
        (r,),
        np.mean,
        n_resamples=20_000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    lo, hi = np.quantile(means, (0.05, 0.95))
    yield Comparison("lo", float(lo), its.low, 0.0, 0.03 * (its.high - its.low))
    yield Comparison("hi", float(hi), its.high, 0.0, 0.03 * (its.high - its.low))


@reference(14)
def drawn_by_key() -> Iterator[Comparison]:
    bootstrap = import_module("arch.bootstrap").StationaryBootstrap
    price = np.asarray(market(200)["price"], np.float64)
    said = run(14, {"price": price}, n=80, block=7, B=50, level=0.8, every=30, seed=3)
    r = np.diff(np.log(price))
    for j, i in enumerate(range(80, 200, 30)):
        x = r[i - 80 : i]
        draws = np.random.Generator(np.random.PCG64(np.random.SeedSequence([3, j])))
        means = bootstrap(7, x, seed=draws).apply(np.mean, 50)
        lo, hi = np.quantile(means, (0.1, 0.9))
        side = 1.0 if lo > 0.0 else -1.0 if hi < 0.0 else 0.0
        for row in (i, min(i + 29, 199)):
            yield Comparison(f"value, row {row}", said.value[row], float(np.mean(means > 0.0)))
            yield Comparison(f"lo, row {row}", said.outputs["lo"][row], lo, 1e-9, 1e-15)
            yield Comparison(f"hi, row {row}", said.outputs["hi"][row], hi, 1e-9, 1e-15)
            yield Comparison(f"se, row {row}", said.outputs["se"][row], float(np.std(means)))
            yield Comparison(f"mean, row {row}", said.outputs["mean"][row], float(np.mean(x)), 1e-9, 1e-15)
            yield Comparison(f"signal, row {row}", said.signal[row], side)


@golden(18)
def smoothing() -> Mapping[str, float]:
    level, sse = smoothed([100.0, 102.0, 101.0, 105.0, 104.0], 0.5)
    price = walk(18, 201) + 10.0 * np.random.default_rng(181).standard_normal(201)
    said = run(18, {"price": price})
    return {"l": level, "SSE": sse, "alpha": said.outputs["alpha"][-1], "level": said.value[-1]}


@reference(18)
def statsmodels_smoothing() -> Iterator[Comparison]:
    model = import_module("statsmodels.tsa.api").SimpleExpSmoothing
    g = np.random.default_rng(18)
    price = walk(180, 260) + 15.0 * g.standard_normal(260)
    said = run(18, {"price": price}, n=120, refit=60)
    for i in (120, 180, 240):
        window = price[i - 120 : i + 1]
        alpha = float(said.outputs["alpha"][i])
        its = model(window, initialization_method="known", initial_level=window[0])
        its = its.fit(smoothing_level=alpha, optimized=False)
        # its level after the first price is that price, whatever alpha
        yield Comparison(f"level, row {i}", said.value[i], its.level[-1])
        yield Comparison(f"sse, row {i}", said.outputs["sse"][i], its.sse)
        grid = np.arange(0.01, 0.99, 1e-3)
        best = grid[np.argmin([smoothed(window.tolist(), a)[1] for a in grid])]
        yield Comparison(f"alpha, row {i}", alpha, float(best), 0.0, 6e-4)
        level = its.level[-1]
        for j in range(i + 1, min(i + 60, 260)):
            level += alpha * (price[j] - level)
            yield Comparison(f"carried, row {j}", said.value[j], level)


@golden(19)
def mixture() -> Mapping[str, float]:
    law = Mixture((0.75, 0.25), (0.0, 0.0), (1.0, 16.0), 0.0)
    g = (np.random.default_rng(19), np.random.default_rng(190))
    fitted = fit_mixture(np.concatenate((g[0].standard_normal(300), 4.0 * g[1].standard_normal(100))), 0)
    assert fitted is not None
    return {
        "posterior": posterior(law, 2.5),
        "loglik": fitted.loglik,
        "weight_l": fitted.weights[0],
        "var_l": fitted.variances[0],
        "var_h": fitted.variances[1],
    }


def likelihood(y: Floats, x: Floats) -> float:
    """Log-likelihood of a mixture of two normals: logit of the first weight, means, log sds above -2.

    It has no bound where a sd goes to 0 at one of the values.
    """
    if min(x[3], x[4]) < -2.0:
        return -np.inf
    norm = import_module("scipy.stats").norm
    weight = 1.0 / (1.0 + np.exp(-x[0]))
    low, high = weight * norm.pdf(y, x[1], np.exp(x[3])), (1.0 - weight) * norm.pdf(y, x[2], np.exp(x[4]))
    return float(np.sum(np.log(low + high)))


@reference(19)
def nelder_mead() -> Iterator[Comparison]:
    minimize = import_module("scipy.optimize").minimize
    norm = import_module("scipy.stats").norm
    g = np.random.default_rng(194)
    y = np.where(g.random(300) < 0.7, 1.0, 5.0) * g.standard_normal(300)
    fitted = fit_mixture(y, 0)
    assert fitted is not None
    start = [np.log(0.73 / 0.27), 0.0, 0.0, 0.0, np.log(4.0)]
    options = {"maxiter": 4000, "maxfev": 4000, "xatol": 1e-6, "fatol": 1e-8}
    best = minimize(lambda x: -likelihood(y, x), start, method="Nelder-Mead", options=options)
    yield Comparison("loglik", fitted.loglik, -best.fun, 0.0, 1e-3)
    for at in (-30.0, -2.0, 0.0, 1.5, 25.0):
        low, high = (
            w * norm.pdf(at, m, np.sqrt(v))
            for w, m, v in zip(fitted.weights, fitted.means, fitted.variances, strict=True)
        )
        yield Comparison(f"posterior at {at}", posterior(fitted, at), high / (low + high), 1e-12)
    price = 100.0 * np.exp(np.cumsum(np.concatenate(([0.0], 1e-4 * y))))
    said = run(19, {"price": price}, n=250, refit=30, z_crit=0.5)
    r = np.diff(np.log(price))
    law = fit_mixture(r[:250] / np.std(r[:250]), 0)
    assert law is not None
    parts = zip(law.weights, law.means, law.variances, strict=True)
    density = sum(w * norm.pdf(r[:250] / np.std(r[:250]), m, np.sqrt(v)) for w, m, v in parts)
    loglik = float(np.sum(np.log(density)))
    for i in range(251, 281):
        value = posterior(law, r[i - 1] / np.std(r[:250]))
        drift = law.means[0] * np.sqrt(250 * law.weights[0] / law.variances[0])
        yield Comparison(f"value, row {i}", said.value[i], value, 1e-8)
        side = np.sign(drift) if value < 0.5 and abs(drift) >= 0.5 else 0.0
        yield Comparison(f"signal, row {i}", said.signal[i], side)
        yield Comparison(f"loglik, row {i}", said.outputs["loglik"][i], loglik, 1e-9)
        by, units = np.std(r[:250]), {"weight": 0, "mean": 1, "var": 2}
        for name, power in units.items():
            for k, side in enumerate("lh"):
                part = (law.weights, law.means, law.variances)[power][k]
                was = said.outputs[f"{name}_{side}"][i]
                yield Comparison(f"{name}_{side}, row {i}", was, part * by**power, 1e-8)


def check_loss(e: Floats, tau: float) -> float:
    """The objective of quantile regression."""
    return float(np.sum(e * (tau - (e < 0.0))))


@golden(24)
def quantiles() -> Mapping[str, float]:
    price = walk(24, 301)
    said = run(24, {"price": price})
    r = np.diff(np.log(price))
    y = r / np.std(r)
    x = np.column_stack((y[:-1], np.abs(y[:-1])))
    found = {name: column[-1] for name, column in said.outputs.items()}
    for tau in (0.1, 0.5, 0.9):
        beta = fit_quantile(x, y[1:], tau)
        assert beta is not None
        found[f"objective {tau}"] = check_loss(y[1:] - beta[0] - x @ beta[1:], tau)
    return found


@reference(24)
def linear_programme() -> Iterator[Comparison]:
    linprog = import_module("scipy.optimize").linprog
    price = np.asarray(market(200)["price"], np.float64)
    taus = (0.25, 0.8, 0.5)
    said = run(24, {"price": price}, n=120, refit=40, taus=taus)
    r = np.diff(np.log(price))
    for i in (120, 160):
        window = r[i - 120 : i]
        s0 = float(np.std(window))
        y = window / s0
        x = np.column_stack((np.ones(119), y[:-1], np.abs(y[:-1])))
        whole = np.hstack((x, np.eye(119), -np.eye(119)))
        free = [(None, None)] * 3 + [(0.0, None)] * 238
        betas = []
        for tau in taus:
            cost = np.concatenate((np.zeros(3), np.full(119, tau), np.full(119, 1.0 - tau)))
            betas.append(linprog(cost, A_eq=whole, b_eq=y[1:], bounds=free, method="highs").x[:3])
        for j in range(i, i + 40):
            at = r[j - 1] / s0
            forecasts = sorted(s0 * float(np.dot(beta, (1.0, at, abs(at)))) for beta in betas)
            for name, one in zip(("q10", "q50", "q90"), forecasts, strict=True):
                yield Comparison(f"{name}, row {j}", said.outputs[name][j], one, 1e-6, 1e-12)
            low, middle, high = forecasts
            yield Comparison(f"value, row {j}", said.value[j], middle, 1e-6, 1e-12)
            side = np.sign(middle) if np.sign(low + high) == np.sign(middle) else 0.0
            yield Comparison(f"signal, row {j}", said.signal[j], side)


@golden(28)
def boosting() -> Mapping[str, float]:
    x, up = np.arange(4.0)[:, None], np.array([False, False, True, True])
    found = {}
    for trees in (1, 2):
        stumps = fit_stumps(x, up, trees, 0.1, 0)
        assert stumps is not None
        found.update({f"tree {trees} at {int(at)}": stumps(np.array([at])) for at in x[:, 0]})
    return found


def first_step(x: Floats, up: NDArray[np.bool_], rate: float) -> Callable[[Floats], float]:
    """The first stump by trying every split: constant ln(p / (1 - p)), leaves sum(y - p) / sum p (1 - p)."""
    p = float(np.mean(up))
    rest = up - p
    best = (-1.0, 0, 0.0)
    for k in range(x.shape[1]):
        column = np.unique(x[:, k].astype(np.float32).astype(np.float64))
        for cut in (column[1:] + column[:-1]) / 2.0:
            left = x[:, k].astype(np.float32) <= cut
            a, b = rest[left], rest[~left]
            gain = len(a) * len(b) * (float(np.mean(a)) - float(np.mean(b))) ** 2
            if gain > best[0] * (1.0 + 1e-9):
                best = (gain, k, cut)
    _, k, cut = best
    left = x[:, k].astype(np.float32) <= cut
    leaf = [float(np.mean(rest[side])) / (p * (1.0 - p)) for side in (left, ~left)]
    return lambda at: float(np.log(p / (1.0 - p)) + rate * leaf[0 if np.float32(at[k]) <= cut else 1])


@reference(28)
def closed_form() -> Iterator[Comparison]:
    price = np.asarray(market(400)["price"], np.float64)
    r = np.diff(np.log(price))
    said = run(28, {"price": price}, n=200, refit=100, trees=1, rate=0.3)
    many = run(28, {"price": price}, n=200, refit=100, trees=20)
    classifier = import_module("sklearn.ensemble").GradientBoostingClassifier
    for i in (200, 300):
        y = r[i - 200 : i] / np.std(r[i - 200 : i])
        rows = range(19, 199)
        x = np.array([
            [*y[t - 4 : t + 1][::-1], y[t - 4 : t + 1].sum() / 5**0.5, y[t - 19 : t + 1].sum() / 20**0.5]
            for t in range(19, 200)
        ])  # fmt: skip
        kept = np.array([y[t + 1] != 0.0 for t in rows])
        up = np.array([y[t + 1] > 0.0 for t in rows])[kept]
        step = first_step(x[:-1][kept], up, 0.3)
        model = classifier(n_estimators=20, max_depth=1, learning_rate=0.1, random_state=0).fit(
            x[:-1][kept], up
        )
        for t in range(19, 199, 20):
            features = move_features(y[: t + 1])[-1]
            for k in range(7):
                yield Comparison(f"feature {k}", features[k], x[t - 19, k], 1e-9, 1e-12)
        for j in range(i, min(i + 100, 399)):
            past = r[j - 20 : j] / np.std(r[i - 200 : i])
            at = np.array([*past[-5:][::-1], past[-5:].sum() / np.sqrt(5), past.sum() / np.sqrt(20)])
            yield Comparison(f"one tree, row {j}", said.value[j], step(at), 1e-9, 1e-12)
            its = float(model.decision_function(at[None, :])[0])
            yield Comparison(f"20 trees, row {j}", many.value[j], its, 1e-9, 1e-12)
            yield Comparison(f"prob_up, row {j}", many.outputs["prob_up"][j], 1.0 / (1.0 + np.exp(-its)))
        yield Comparison(
            f"deviance, row {i}", many.outputs["train_deviance"][i], float(model.train_score_[-1])
        )
