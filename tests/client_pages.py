"""Every page of the monitor shows the published numbers, and its marks stand where those are."""
import math
import re

import numpy

from client_fake import ACQ, ELEMENTS, LINES, Fake, Scene
from client_screen import interval, number, picture, published, text_of, uncertain

SIZES = ("80x24", "120x40")
DEPTHS = ("truecolor", "256", "16", "mono")
LEFT = {"80x24": 56, "120x40": 86}
BAR = "┃│╷╵╹╻╽╿"


def flat(text):
    return re.sub(r"\s+", " ", text)


def assert_shows(text, *expected):
    for words in expected:
        assert words in flat(text), (words, text)


def body(text, size):
    """The lines of a page without the figures at its right."""
    return [line[:LEFT[size]].ljust(LEFT[size]) for line in text.splitlines()[2:]]


def page(fake, name, size="80x24", *args):
    return text_of(picture(fake, "--view", name, "--size", size, *args))


def percent(value, sigma):
    return uncertain(100 * float(value), 100 * float(sigma))


def radial(fake, key, particle=1):
    value = fake.sent["edx.particles"]["particles"][particle]["radial"][key]
    return numpy.frombuffer(value["data"], value["dtype"]).reshape(value["shape"])


class Axis:
    """Values at rows, from the ticks of an axis whose last column is its line."""

    def __init__(self, lines, powers=False):
        digits = "⁰¹²³⁴⁵⁶⁷⁸⁹"
        self.rows, values = [], []
        self.lines = [i for i, line in enumerate(lines) if line[6:7] in "│┤"]
        for i in self.lines:
            label = lines[i][:6].strip()
            if lines[i][6] != "┤" or not label:
                continue
            if powers:
                sign = -1 if "⁻" in label else 1
                label = str(sign * int("".join(str(digits.index(c)) for c in label if c in digits)))
            self.rows.append(i)
            values.append(float(label))
        assert len(values) >= 2, lines
        # A tick stands in the row that holds it: the middle of that row is up to half a row off.
        self.slope, self.offset = numpy.polyfit(self.rows, values, 1)

    def row_of(self, value):
        return (value - self.offset) / self.slope


def marks(lines, rows, glyphs):
    """{column: row} of the glyphs, within the rows."""
    return {x: i for i in rows for x, c in enumerate(lines[i]) if x > 6 and c in glyphs}


# ---- particles ----

def particles_are_the_published(fake, size, depth):
    for source, key in (("raw", "fraction"), ("model", "model"), ("denoised", "denoised"), ("pca", "pca")):
        text = page(fake, "particles", size, "--colour", depth, "--source", source, "--point", "3")
        sigma = radial(fake, "sigma" if source == "raw" else source + "_sigma")
        value = radial(fake, key)
        r = radial(fake, "r_nm")
        assert_shows(text, f"{source} (s)", "⌀ 8.04 (disc 7.64) at y 7.1 x 8.4 nm",
                     "Ag 48.12 ± 0.42 ± 0.4 k, Au 51.88 ± 0.42 ± 0.4 k at.%",
                     "shell richer in Ag: Δ = +4.73 ± 0.77 at.% (z = 6.1)",
                     f"{r[3]:.2f} nm: Ag {percent(value[0, 3], sigma[0, 3])}, "
                     f"Au {percent(value[1, 3], sigma[1, 3])} at.%",
                     "Ag core 45.61 ± 0.51", "shell 50.34 ± 0.58", "particles 2, Ag at.%",
                     "4▲ 5.25 48.12 ± 0.42", "7 8.04 48.12 ± 0.42", "denoised ✓ passed",
                     "nmf none", "pca ▲ biased", ACQ)
    text = page(fake, "particles", size, "--map", "4", "--colour", depth)
    assert_shows(text, "⌀ 5.25 (disc 4.85)", "▲ cut by edge")
    text = page(fake, "particles", size, "--point", "9")
    assert_shows(text, "4.75 nm: under the limit")


def checks_are_said_in_words(fake):
    assert_shows(page(fake, "particles", "80x24", "--source", "raw"), "✓ window counts: unbiased")
    assert_shows(page(fake, "particles", "80x24", "--source", "denoised"), "✓ check passed, p = 0.53")
    difference = 100 * (radial(fake, "pca") - radial(fake, "model"))
    z = difference / (100 * radial(fake, "model_sigma"))
    i, k = numpy.unravel_index(numpy.nanargmax(abs(z)), z.shape)
    text = page(fake, "particles", "80x24", "--source", "pca")
    lines = flat(" ".join(line[:56] for line in text.splitlines()))
    arrow = "▲" if difference[i, k] > 0 else "▼"
    words = (f"▲ biased {arrow} {difference[i, k]:+.1f} at.% {ELEMENTS[i]} at "
             f"{radial(fake, 'r_nm')[k]:.1f} nm: check not passed, p < 0.001: the model stands")
    assert words in lines, (words, lines)


def profile_has_its_place(fake, source, size):
    """Each ring's mark stands at its value; biased ones point the way of their bias."""
    key, sigma_key = ("fraction", "sigma") if source == "raw" else (source, source + "_sigma")
    text = page(fake, "particles", size, "--source", source)
    lines = body(text, size)
    start = next(i for i, line in enumerate(lines) if line.startswith("at.%   ┃"))
    lines = lines[start + 1:]
    axis = Axis(lines)
    value, sigma, model = (radial(fake, k) for k in (key, sigma_key, "model"))
    spread = radial(fake, "model_sigma")
    known = fake.sent["edx.particles"]["particles"][1]["radial"]["quantified"]
    silver = marks(lines, axis.lines, "●▲▼○")
    gold = marks(lines, axis.lines, "■▲▼□")
    found = 0
    columns = sorted(x for x in silver if x + 1 in gold)
    rings = [k for k in range(len(known)) if known[k]]
    assert len(columns) == len(rings), (columns, rings, text)
    for x, k in zip(columns, rings):
        for place, i in ((silver[x], 0), (gold[x + 1], 1)):
            column = x + i
            assert abs(place - axis.row_of(100 * value[i, k])) <= 1.01, (source, k, i, text)
            glyph = lines[place][column]
            bias = value[i, k] - model[i, k]
            expected = ("●■"[i] if source != "pca" else
                        "▲" if bias > spread[i, k] else "▼" if bias < -spread[i, k] else "○□"[i])
            assert glyph == expected, (source, k, i, glyph, expected, text)
            rows = abs(3 * 100 * sigma[i, k] / axis.slope)
            bar = sum(line[column] in BAR + glyph for line in lines[axis.lines[0]:axis.lines[-1] + 1])
            assert abs(bar - 2 * rows) <= 2.01, (source, k, i, bar, rows, text)
            found += 1
    assert found == 2 * sum(known)


# ---- trend ----

def trend_is_the_published(fake, size, depth):
    trend = fake.sent["edx.trend"]
    composition, sigma = published(fake, "edx.trend", "composition"), published(fake, "edx.trend", "sigma")
    drift = published(fake, "edx.trend", "drift_nm")
    for frame in (0, 12, 36):
        text = page(fake, "trend", size, "--colour", depth, "--point", str(frame))
        assert_shows(text, f"frame {frame}: Ag {percent(composition[0, frame], sigma[0, frame])}, "
                     f"Au {percent(composition[1, frame], sigma[1, frame])} at.%")
    assert_shows(text, f"drift y {drift[-1][0]:+.2f} x {drift[-1][1]:+.2f} nm", "damage none seen",
                 "z = 1.2, p = 0.61", "carbon none seen", "z = 0.4, p = 1.00",
                 f"to ± 1 at.% {interval(trend)} frames", "shell - core not reachable", "2 min",
                 f"dose {number(trend['dose_e_per_A2'])} e/Å²", "particles, at.%", "Ag 48.3 ± 1.4")


def curve_has_its_place(fake, size):
    lines = body(page(fake, "trend", size), size)[1:]
    end = next(i for i, line in enumerate(lines) if line[6] not in "│┤")
    axis = Axis(lines[:end])
    composition = published(fake, "edx.trend", "composition")
    width = LEFT[size] - 7
    seen = 0
    for column in range(7, LEFT[size]):
        frame = math.floor((column - 7) / (width - 1) * (composition.shape[1] - 1) + 0.5)
        rows = [i for i in axis.lines if lines[i][column] in "▔─▁"]
        for element in (0, 1):
            expected = axis.row_of(100 * composition[element, frame])
            if rows and axis.lines[0] + 1 < expected < axis.lines[-1] - 1:
                assert min(abs(row - expected) for row in rows) <= 1.01, (frame, element, rows, expected)
                seen += 1
    assert seen > 1.2 * width, (seen, lines)


class Damaged(Scene):
    def trend(self):
        changed = super().trend()
        changed["damage"] = {"z": 5.71, "p": 0.00044, "since_frame": 29}
        return changed


def damage_withholds_the_forecast():
    with Fake(Damaged()) as fake:
        text = page(fake, "trend")
        assert_shows(text, "damage ▲ since frame 29", "z = 5.7, p < 0.001", "to ± 1 at.% withheld",
                     "forecast withheld", "specimen changes")
        lines = body(text, "80x24")[1:]
        column = 7 + round(29 / 36 * 48)
        assert sum(line[column] == "┆" for line in lines[:12]) > 6, text
        assert interval(fake.sent["edx.trend"]) not in text


# ---- components ----

def components_are_the_published(fake, size, depth):
    share = published(fake, "edx.nmf", "share")
    maps = published(fake, "edx.nmf", "maps")
    for k in (0, 1):
        text = page(fake, "components", size, "--colour", depth, "--map", str(k + 1), "--cursor", "14,17")
        assert_shows(text, f"component {k + 1} of 2", f"particle {'yes' if k else 'no'}", "NMF (s)",
                     *(f"{line} {100 * share[k, i]:.1f} %" for i, line in enumerate(LINES)),
                     f"y 14 x 17 NMF {k + 1}: {number(float(maps[k, 14, 17]))} counts",
                     "1 other", "2 particle", f"divergence {number(45678.0)}")
    values, free = published(fake, "edx.pca", "eigenvalues"), published(fake, "edx.pca", "eigenvalues_noise_free")
    explained = published(fake, "edx.pca", "explained")
    text = page(fake, "components", size, "--colour", depth, "--map", "2", "--source", "pca")
    assert_shows(text, "component 2 of 3", f"eigenvalue {values[1]:.3g}", f"noise-free {free[1]:.3g}",
                 "noise edge 0.0047", "PCA (s)",
                 *(f"{i + 1} {100 * e:.2f} %" for i, e in enumerate(explained)))


def spectra_have_their_peaks(fake):
    """The second component's only peak is where channel 144 belongs: 2.98 keV."""
    lines = body(page(fake, "components", "80x24", "--map", "2"), "80x24")[:20]
    heights = [sum(line[x] in "▁▂▃▄▅▆▇█" for line in lines[-6:-1]) for x in range(56)]
    highest = [x for x in range(56) if heights[x] == max(heights)]
    assert max(heights) == 5 and any(int(144 / 512 * 56) == x for x in highest), (heights, lines)
    # a sine: a positive and a negative half wave, 30 pi channels each, in turn
    lines = body(page(fake, "components", "80x24", "--map", "2", "--source", "pca"), "80x24")[:20]
    up = [any(line[x] in "▁▂▃▄▅▆▇" or (line[x] == "█" and i < 3) for i, line in enumerate(lines[-6:-1]))
          for x in range(56)]
    for x in range(56):
        phase = math.sin((x + 0.5) * 512 / 56 / 30)
        if abs(phase) > 0.6:
            assert up[x] == (phase > 0), (x, phase, lines)


# ---- scree ----

def scree_is_the_published(fake, size, depth):
    values, free = published(fake, "edx.pca", "eigenvalues"), published(fake, "edx.pca", "eigenvalues_noise_free")
    error = published(fake, "edx.pca", "heldout_error")
    for k in (0, 2, 11):
        text = page(fake, "scree", size, "--colour", depth, "--point", str(k))
        assert_shows(text, "rank 3 of 12", "noise edge 0.0047",
                     f"{k + 1}: {values[k]:.3g}, noise-free {free[k]:.3g}, held out {error[k]:.4f}",
                     *(f"{i + 1}{' kept' if i < 3 else ''} {values[i] / 0.0047:.3g}" for i in range(12)))


def scree_has_its_place(fake, size):
    lines = body(page(fake, "scree", size), size)
    split = next(i for i, line in enumerate(lines) if line.startswith("held-out error"))
    axis = Axis(lines[:split], powers=True)
    values, error = published(fake, "edx.pca", "eigenvalues"), published(fake, "edx.pca", "heldout_error")
    for glyphs, wanted in (("●", range(3)), ("○", range(3, 12))):
        found = marks([re.sub("[●○−] (kept|not|noise-free)", "", line).ljust(90) for line in lines],
                      axis.lines, glyphs)
        assert len(found) == len(wanted), (glyphs, found, lines)
        for x, k in zip(sorted(found), wanted):
            assert abs(found[x] - axis.row_of(math.log10(values[k]))) <= 1.01, (k, found[x], lines)
            assert abs((x - 7) / (LEFT[size] - 8) - k / 11) < 0.02, (k, x)
    edge = next(i for i in axis.lines if lines[i].count("╌") > 10)
    assert abs(edge - axis.row_of(math.log10(0.0047))) <= 1.01
    rest = lines[split + 1:]
    axis = Axis(rest[:next(i for i, line in enumerate(rest) if line[6] not in "│┤")])
    chosen = marks(rest, axis.lines, "●")
    (row,) = chosen.values()
    assert abs(row - axis.row_of(error[2])) <= 1.01 and len(marks(rest, axis.lines, "○")) == 11


# ---- the switches of the maps ----

def denoised_maps_say_their_check(fake):
    assert_shows(page(fake, "maps", "80x24", "--map", "5"), "raw (s) value (u)")
    text = page(fake, "maps", "80x24", "--map", "7", "--measure", "snr", "--cursor", "14,17")
    value = published(fake, "edx.maps", "denoised_fraction", (0, 14, 17))
    sigma = published(fake, "edx.maps", "denoised_sigma", (0, 14, 17))
    assert_shows(text, "denoised (s) S/N (u)", "✓", "check passed, p = 0.53",
                 f"Ag denoised: {percent(value, sigma)} at.%", "particles, S/N",
                 f"Ag {number(0.4834 / 0.0142)}")
    assert_shows(page(fake, "maps", "80x24", "--measure", "sigma"), "particles, σ, at.%", "Ag 1.42")


class Young(Scene):
    """A first frame: nothing but status, spectrum and maps."""

    def results(self):
        return ["edx.spectrum", "edx.maps"]


def empty_pages_say_so():
    with Fake(Young(frames=1)) as fake:
        for name in ("particles", "trend", "components", "scree"):
            assert_shows(page(fake, name), "not published yet", "frames 1 / 100")


if __name__ == "__main__":
    with Fake(Scene()) as server:
        for dimensions in SIZES:
            for colours in DEPTHS:
                particles_are_the_published(server, dimensions, colours)
                trend_is_the_published(server, dimensions, colours)
                components_are_the_published(server, dimensions, colours)
                scree_is_the_published(server, dimensions, colours)
            for estimator in ("raw", "model", "denoised", "pca"):
                profile_has_its_place(server, estimator, dimensions)
            curve_has_its_place(server, dimensions)
            scree_has_its_place(server, dimensions)
        checks_are_said_in_words(server)
        spectra_have_their_peaks(server)
        denoised_maps_say_their_check(server)
    damage_withholds_the_forecast()
    empty_pages_say_so()
