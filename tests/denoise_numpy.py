"""Denoised rings, held-out bias test and projection against numpy, written from SCIENCE's formulas without a
look at edxd's code: for two elements the published recipe word by word, for three its generalisation by
log-ratios to one element."""
import os
import subprocess

import numpy as np
from scipy import stats

BUILD = os.environ.get("EDX_BUILDDIR", ".")
SEED = 20261122
E, G, LIMIT, RADIUS, STEP = 300, 10, 10.0, 4.0, 0.5


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def near(ours, theirs, what, tolerance=1e-9):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    check((np.isnan(ours) == np.isnan(theirs)).all(), f"{what}: not the same are missing: {ours} {theirs}")
    off = np.nanmax(np.abs(ours - theirs), initial=0)
    scale = max(np.nanmax(np.abs(theirs), initial=0), 1e-300)
    print(f"{what}: within {off / scale:.1e} of the largest")
    check(off <= tolerance * scale, f"{what}: {ours}, expected {theirs}")


# ---- a particle of peaks on a falling background

PEAKS = ([(60, 4, 1.0), (74, 4, 0.5)], [(120, 5, 1.0), (230, 6, 0.4)], [(170, 5, 1.0), (76, 4, 0.2)])


def gauss(peaks):
    c = np.arange(E)
    return sum(h * np.exp(-0.5 * ((c - at) / w)**2) / w / np.sqrt(2 * np.pi) for at, w, h in peaks)


def scene(n, m, counts, rng):
    """Ring spectra by group, window rows, model rows (wrong widths), k."""
    r = (np.arange(m) + 0.5) * STEP
    pixels = np.round(2 * np.pi * r / STEP * 4)
    thick = np.sqrt(np.maximum(RADIUS**2 - r**2, 0))
    u = np.minimum(r / RADIUS, 1)**2
    share = np.array([0.45 + 0.1 * u, 0.3 - 0.1 * u, 0.25 + 0 * u])[:n] if n == 3 else np.array([0.5 + 0.08 * u, 0.5 - 0.08 * u])
    background = np.exp(-np.arange(E) / 80.0)
    pure = np.array([gauss(p) for p in PEAKS[:n]])
    mean = counts * pixels[:, None] * ((share * thick).T @ pure + 0.01 * background)
    groups = rng.poisson(np.tile(mean / G, (G, 1, 1))).astype(float)
    windows = np.zeros((n, E))
    for e in range(n):
        at, w, _ = PEAKS[e][0]
        lo, hi = at - 2 * w, at + 2 * w
        windows[e, lo:hi] = 1
        for side in (slice(at - 5 * w, at - 4 * w), slice(at + 4 * w, at + 5 * w)):
            windows[e, side] = -0.5 * 4 * w / w
    spectra = groups.sum(0)
    wrong = np.array([gauss([(at, w * 1.08, h * (1 + 0.1 * i)) for i, (at, w, h) in enumerate(p)]) for p in PEAKS[:n]])
    templates = np.vstack([wrong, background, np.ones(E)]).T
    weight = 1 / np.maximum(spectra.sum(0), 1)
    rows = np.linalg.solve(templates.T @ (weight[:, None] * templates), (weight[:, None] * templates).T)[:n]
    k = np.array([1.4, 1.0, 0.8])[:n]
    return r, r**2 + 0.01, groups, windows, rows, k


def ours(n, m, r, square, groups, windows, rows, k, vectors, b, limit=LIMIT):
    head = np.array([n, m, E, len(groups), len(vectors), limit, RADIUS], float)
    parts = [head, r, square, groups.sum(0), groups, windows, rows, k, vectors, b]
    done = subprocess.run([os.path.join(BUILD, "tests/denoise_dump")], capture_output=True, timeout=120,
                          input=b"".join(np.ascontiguousarray(p, float).tobytes() for p in parts))
    check(done.returncode == 0, f"denoise_dump: {done.returncode}: {done.stderr.decode()}")
    values, at, out, nm = np.frombuffer(done.stdout), 0, {}, n * m
    for key, shape in (("quantified", (m,)), ("smoothed", (m,)), ("model", (n, m)), ("model_sigma", (n, m)),
                       ("model_cov", (nm, nm)), ("denoised", (n, m)), ("denoised_sigma", (n, m)),
                       ("denoised_cov", (nm, nm)), ("k", (n,)), ("anchors", (n, n)), ("heldout", (len(groups), n, m)),
                       ("check", (4,)), ("difference", (n, m)), ("noise", (n, m)), ("jackknife", (n, m)),
                       ("projected", (n, m))):
        size = int(np.prod(shape))
        out[key] = values[at:at + size].reshape(shape)
        at += size
    check(at == len(values), "denoise_dump wrote something else")
    return out


# ---- the recipe, in numpy

def kernels(u):
    last = u[-1]
    for x, end in ((u, last), (np.sqrt(u), np.sqrt(last))):
        low, high = np.minimum.outer(x, x), np.maximum.outer(x, x)
        yield low / end, 0
        yield low**2 * (high - low / 3) / 2 / (end**3 / 3), 0.06**2 * np.outer(x, x)


def empirical_bayes(u, f, noise, elements=2):
    """Mixture over 4 kernels and 24 tau; f [n - 1, m] with covariance noise, of n - 1 elements."""
    d = f.size
    between = (elements * np.eye(elements - 1) - 1) / (elements - 1)
    taus = np.exp(np.linspace(np.log(0.002), np.log(0.6), 24))
    logs, means, covs = [], [], []
    for kernel, slope in kernels(u):
        for tau in taus:
            prior = np.kron(between, 0.3**2 + tau**2 * kernel + slope)
            total, off = prior + noise, f.ravel() - 1 / elements
            sign, logdet = np.linalg.slogdet(total)
            check(sign > 0, "not positive definite")
            logs.append(np.log(tau) - 0.5 * (tau / 0.1)**2 - 0.5 * logdet - 0.5 * off @ np.linalg.solve(total, off))
            doubt = np.linalg.solve(total, noise)  # posterior by the noise: nothing large cancels
            means.append(f.ravel() - doubt.T @ off)
            covs.append(noise - noise @ doubt)
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()
    means, covs = np.array(means), np.array(covs)
    mean = weight @ means
    spread = means - mean
    return mean.reshape(f.shape), np.tensordot(weight, covs, 1) + (spread.T * weight) @ spread


def recipe(r, square, spectra, windows, rows, k, quantified):
    """SCIENCE's steps 2 to 4 for A and B, all in scalars: F, its covariance, and both denoised."""
    total = spectra[r < RADIUS].sum(0)
    (v_a, v_b), (g_a, g_b) = windows, rows
    w_a, w_b, a_a, a_b = v_a @ total, v_b @ total, g_a @ total, g_b @ total
    anchored = k[0] / k[1] * (w_a / w_b) / (a_a / a_b)
    delta = v_a / w_a - v_b / w_b - g_a / a_a + g_b / a_b
    use = np.flatnonzero(quantified)
    f, v, x = [], [], []
    for s in spectra[use]:
        a, b = g_a @ s, g_b @ s
        f.append(anchored * a / (anchored * a + b))
        v.append((s * (g_a / a - g_b / b)**2).sum())
        x.append((s * (g_a / a - g_b / b) * delta).sum())
    f, x = np.array(f), np.array(x)
    c = f * (1 - f)
    cov = np.diag(c**2 * v) + np.outer(c, c) * ((total * delta**2).sum() + x[:, None] + x[None, :])
    inside = r[use] < RADIUS
    mean, posterior = empirical_bayes(square[use][inside] / RADIUS**2, f[None, inside], cov[np.ix_(inside, inside)])
    return use, f, cov, use[inside], mean[0], posterior


def over_limit(spectra, windows, limit):
    return ((spectra @ windows.T > limit * np.sqrt(spectra @ (windows**2).T)) & (spectra @ windows.T > 0)).all(1)


def filled(n, m, use, values):
    out = np.full((n, m), np.nan)
    out[:, use] = values
    return out


def block(cov, n, m, e, f, use):
    return cov.reshape(n, m, n, m)[e, :, f, :][np.ix_(use, use)]


def test_recipe(rng, counts):
    n, m = 2, 11
    r, square, groups, windows, rows, k = scene(n, m, counts, rng)
    spectra = groups.sum(0)
    d = ours(n, m, r, square, groups, windows, rows, k, np.zeros((0, E)), np.ones(E))
    quantified = over_limit(spectra, windows, LIMIT)
    check(3 <= quantified.sum() < m, f"{quantified.sum()} rings quantified: the example is no good")
    check((d["quantified"] == quantified).all() and (d["smoothed"] == (quantified & (r < RADIUS))).all(), "which rings")
    use, f, cov, smooth, mean, posterior = recipe(r, square, spectra, windows, rows, k, quantified)
    near(d["model"], filled(n, m, use, [f, 1 - f]), "model")
    near(d["model_sigma"], filled(n, m, use, [np.sqrt(np.diag(cov))] * 2), "its sigma")
    near(d["denoised"], filled(n, m, smooth, [mean, 1 - mean]), "denoised")
    near(d["denoised_sigma"], filled(n, m, smooth, [np.sqrt(np.diag(posterior))] * 2), "its sigma", 1e-8)
    for e in (0, 1):
        for g in (0, 1):
            sign = 1 if e == g else -1
            near(block(d["model_cov"], n, m, e, g, use), sign * cov, f"model covariance {e}{g}")
            near(block(d["denoised_cov"], n, m, e, g, smooth), sign * posterior, f"denoised covariance {e}{g}", 1e-8)
    for g in range(G):
        _, _, _, _, mean, _ = recipe(r, square, spectra - groups[g], windows, rows, k, quantified)
        near(d["heldout"][g], filled(n, m, smooth, [mean, 1 - mean]), f"without group {g}")
    test_bias(d, r, groups, windows, k, smooth, "two elements")


def leaves(columns, white, y):
    """What least squares leaves of y, the same columns for every element, whitened ring by ring."""
    n = white[0].shape[0]
    design = np.vstack([w @ np.kron(np.eye(n), row) for w, row in zip(white, columns)])
    return ((y - design @ np.linalg.lstsq(design, y, rcond=None)[0])**2).sum()


def test_bias(d, r, groups, windows, k, use, what):
    """d_i, exact variance, chi2 over rings and n - 1 elements, what a rise outwards explains, jackknife."""
    n, m = len(k), groups.shape[1]
    held, difference, noise, white, y = d["heldout"], np.full((n, m), np.nan), np.full((n, m), np.nan), [], []
    for i in use:
        top, cov, bottom = np.zeros(n), np.zeros((n, n)), 0
        for g in range(G):
            weighted = k[:, None] * windows
            all_of = weighted.sum(0)
            functional = weighted - held[g, :, i][:, None] * all_of
            top += functional @ groups[g, i]
            cov += (functional * groups[g, i]) @ functional.T
            bottom += all_of @ groups[g, i]
        difference[:, i], cov = top / bottom, cov / bottom**2
        noise[:, i] = np.diag(cov)
        part = difference[1:, i]  # any n - 1 of them: edxd leaves out another one
        white.append(np.linalg.inv(np.linalg.cholesky(cov[1:, 1:])))
        y.append(white[-1] @ part)
    y = np.concatenate(y)
    chi2, dof = (y**2).sum(), len(use) * (n - 1)
    outwards = np.clip(2 * r[use] / RADIUS - 0.5, 0, 1)
    level = np.ones((len(use), 1))
    rise = leaves(level, white, y) - leaves(np.column_stack([level, outwards]), white, y)
    check(outwards.max() - outwards.min() >= 0.5, "the rings are too few for a rise")
    p = min(1, stats.chi2.sf(chi2, dof) / 0.2, stats.chi2.sf(rise, n - 1) / 0.8)
    near(d["difference"], difference, f"{what}: bias", 1e-7)
    near(d["noise"], noise, f"{what}: its variance", 1e-8)
    near(d["check"], [chi2, dof, p, p >= 0.01], f"{what}: check", 1e-7)
    spread = held[:, :, use] - held[:, :, use].mean(0)
    jackknife = filled(n, m, use, (G - 1) / G * (spread**2).sum(0))
    near(d["jackknife"], np.sqrt(jackknife + noise + np.maximum(0, difference**2 - noise)), f"{what}: jackknife", 1e-7)


def test_three(rng):
    """Log-ratios to the third element, everything by their Jacobian."""
    n, m = 3, 10
    r, square, groups, windows, rows, k = scene(n, m, 900, rng)
    spectra = groups.sum(0)
    d = ours(n, m, r, square, groups, windows, rows, k, np.zeros((0, E)), np.ones(E))
    use = np.flatnonzero(over_limit(spectra, windows, LIMIT) & (r < RADIUS))
    check(len(use) >= 4 and not (d["quantified"][r >= RADIUS]).any(), "the example is no good")
    total = spectra[r < RADIUS].sum(0)
    anchored = k * (windows @ total) / (rows @ total)
    near(d["k"], anchored, "three: anchored k")
    # y_ei = ln of element e over the last, in ring i; derivative by the counts of ring j: a row of channels
    q = len(use)
    a = rows @ spectra[use].T
    whole = windows / (windows @ total)[:, None] - rows / (rows @ total)[:, None]
    whole = whole[:2] - whole[2]
    gradient = np.zeros((2, q, q, E))
    for i in range(q):
        gradient[:, i] = whole[:, None]
        gradient[:, i, i] += rows[:2] / a[:2, i, None] - rows[2] / a[2, i]
    cov = np.einsum("eijc,fkjc,jc->eifk", gradient, gradient, spectra[use])
    rest = np.setdiff1d(np.flatnonzero(r < RADIUS), use)
    cov += np.einsum("ec,fc,c->ef", whole, whole, spectra[rest].sum(0))[:, None, :, None]
    f = anchored[:, None] * a
    f /= f.sum(0)
    jacobian = np.zeros((3, 2, q))
    for e in range(3):
        for g in range(2):
            jacobian[e, g] = f[e] * ((e == g) - f[g])
    cov = np.einsum("eai,aibk,fbk->eifk", jacobian, cov, jacobian)
    near(d["model"][:, use], f, "three: model")
    near(d["model_cov"].reshape(3, m, 3, m)[:, use][:, :, :, use], cov, "three: covariance", 1e-8)
    mean, posterior = empirical_bayes(square[use] / RADIUS**2, f[:2], cov[:2, :, :2].reshape(2 * q, 2 * q), 3)
    near(d["denoised"], filled(n, m, use, np.vstack([mean, 1 - mean.sum(0)])), "three: denoised", 1e-8)
    near(block(d["denoised_cov"], n, m, 0, 1, use), posterior[:q, q:], "three: denoised covariance", 1e-7)
    last = posterior.reshape(2, q, 2, q).sum((0, 2))
    near(block(d["denoised_cov"], n, m, 2, 2, use), last, "three: that of the last", 1e-7)
    test_bias(d, r, groups, windows, k, use, "three elements")


def test_projection(rng):
    """Reconstructed pixel by pixel, then summed."""
    n, m = 2, 7
    r, square, groups, windows, rows, k = scene(n, m, 900, rng)
    x = rng.poisson(groups.sum(0)[:, None, :] * rng.dirichlet(np.ones(12), m)[:, :, None]).astype(float)
    x[:, :, 200] = 0
    flat = x.reshape(-1, E)
    a, b = flat.sum(1), flat.sum(0)
    scaled = flat / np.sqrt(np.outer(a, np.where(b > 0, b, np.inf)))
    vectors = np.linalg.svd(scaled, full_matrices=False)[2][:4]
    again = np.sqrt(np.outer(a, b)) * (scaled @ vectors.T @ vectors)
    d = ours(n, m, r, square, x.sum(1)[None], windows, rows, k, vectors, b, limit=1.0)
    net = k[:, None] * (windows @ again.reshape(m, 12, E).sum(1).T)
    check(d["quantified"].all(), "projection: the example is no good")
    near(d["projected"], net / net.sum(0), "projected")
    check((d["check"] == [0, 0, 1, 0]).all(), f"one group gives a verdict: {d['check']}")


def main():
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    test_recipe(rng, 900)
    test_recipe(rng, 60)
    test_three(rng)
    test_projection(rng)


main()
