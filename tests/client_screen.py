"""The monitor's picture at two sizes and four colour depths shows the published numbers."""
import re

import numpy

from client_fake import ACQ, COLS, LINES, ROWS, Fake, Scene, run

# cividis as published (Nunez, Anderton and Renslow 2018), at 16 equal steps
CIVIDIS = [0x00224e, 0x002e6c, 0x1e3a6f, 0x35456c, 0x47516c, 0x575d6d, 0x666970, 0x757575,
           0x848279, 0x948e77, 0xa59c74, 0xb7a96e, 0xc8b866, 0xdbc75a, 0xeed649, 0xfee838]
GLYPHS = "·░▒▓█"
HATCH = "╱/"
UNSURE = "?╳"


def cells(line):
    """(glyph, letter, ground) of a line with colour sequences; None: the terminal's own."""
    fg = bg = None
    out = []
    for match in re.finditer(r"\x1b\[([\d;]*)m|(.)", line):
        if match.group(2):
            out.append((match.group(2), fg, bg))
            continue
        code = [int(x) for x in match.group(1).split(";")]
        value = tuple(code[1:])
        if code[0] == 0:
            fg = bg = None
        elif code[0] in (38, 39):
            fg = value or None
        elif code[0] in (48, 49):
            bg = value or None
    return out


def text_of(picture):
    return re.sub(r"\x1b\[[\d;]*m", "", picture)


def lightness(rgb):
    return 0.299 * (rgb >> 16) + 0.587 * (rgb >> 8 & 255) + 0.114 * (rgb & 255)


def rank(colour):
    """The level of a map's colour, from 0. Pale ones, whose sigma is large, keep their lightness."""
    if colour[0] == 5:
        return colour[1]
    light = lightness(colour[1] << 16 | colour[2] << 8 | colour[3])
    level = min(range(16), key=lambda i: abs(lightness(CIVIDIS[i]) - light))
    assert abs(lightness(CIVIDIS[level]) - light) < 2.5, colour
    return level


def shown_levels(picture, depth):
    """The map as levels, two rows a line where halves are drawn; None: missing, -1: too uncertain."""
    rows = []
    for line in picture.splitlines()[2:2 + (16 if depth in ("truecolor", "256") else 18)]:
        upper, lower = [], []
        for glyph, fg, bg in (cells(line) + [(" ", None, None)] * COLS)[:COLS]:
            if glyph in UNSURE:
                upper.append(-1)
                lower.append(-1)
                continue
            if depth == "mono" or depth == "16":
                upper.append(None if glyph in HATCH else "0123456789".find(glyph) if depth == "mono"
                             else GLYPHS.find(glyph))
                continue
            assert glyph in "▀▄" + HATCH + "+", repr(glyph)
            upper.append(rank(fg) if glyph == "▀" else None)
            lower.append(rank(bg) if glyph == "▀" and bg else rank(fg) if glyph == "▄" else None)
        rows.append(upper)
        if depth in ("truecolor", "256"):
            rows.append(lower)
    return rows


def picture(fake, *args):
    code, out, err = run("edxmon", "--endpoint", fake.endpoint, "--once", "--timeout", "60", *args)
    assert (code, err) == (0, ""), (code, err)
    return out


def published(fake, topic, key, index=None):
    value = fake.sent[topic][key]
    values = numpy.frombuffer(value["data"], value["dtype"]).reshape(value["shape"])
    return values if index is None else values[index]


def number(value):
    """Three digits, as the monitor writes them."""
    for power, prefix in ((9, " G"), (6, " M"), (3, " k"), (0, "")):
        scaled = value / 10 ** power
        if scaled >= 0.9995 or power == 0:
            break
    if not prefix and scaled == int(scaled):
        return f"{scaled:.0f}"
    return f"{scaled:.{3 if scaled < 1 else 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f}{prefix}"


def uncertain(value, sigma):
    """Two significant digits of sigma, and the value to the same place."""
    digits = max(0, 1 - int(numpy.floor(numpy.log10(float(f"{sigma:.1e}")))))
    return f"{value:.{digits}f} ± {sigma:.{digits}f}"


def interval(trend):
    """Frames still to come: the forecast, and how well it is known from so many frames."""
    needed, frames = trend["forecast"]["frames_needed"], trend["frames"]
    margin = needed / max(4, frames) ** 0.5 / 2
    return f"{round(needed - margin - frames)} to {round(needed + margin - frames)}"


def figures_are_the_published(fake, size, depth):
    text = text_of(picture(fake, "--size", size, "--colour", depth))
    cols, rows = map(int, size.split("x"))
    lines = text.splitlines()
    assert len(lines) == rows and max(map(len, lines)) <= cols, (len(lines), max(map(len, lines)))
    status, trend = fake.sent["edx.status"], fake.sent["edx.trend"]
    flat = re.sub(r" +", " ", text)
    silver, sigma = 100 * 0.4834, 100 * 0.0142
    drift = published(fake, "edx.trend", "drift_nm")
    rms = float(numpy.sqrt(((drift - drift.mean(0)) ** 2).sum(1).mean()))
    for expected in ("acquiring", ACQ, f"{status['frames']} / {status['expected']}",
                     f"{100 * status['frames'] / status['expected']:.0f} %",
                     f"counts {number(status['counts'])}", f"rate {number(status['rate_cps'])} cps",
                     "latency 4.20 / 9.80 ms", "behind components 12", "lost/dup/bad 3/2/1", "drift 0.500 nm",
                     f"drift rms {number(rms)} nm", f"Ag {silver:.1f} ± {sigma:.1f}",
                     f"Au {100 - silver:.1f} ± {sigma:.1f}",
                     f"dose {number(trend['dose_e_per_A2'])} e/Å²", f"forecast {interval(trend)} fr",
                     "time left 2 min", "damage none, z 1.2",
                     "▲ warning loss: 3 messages lost", "1 HAADF", "2 total", "3 Ag_La", "5 nm"):
        assert expected in flat, (size, depth, expected, flat)


def readout_is_the_published(fake):
    for row, col in ((14, 17), (20, 12), (0, 0)):
        for index, line in enumerate(LINES):
            text = text_of(picture(fake, "--map", str(3 + index), "--cursor", f"{row},{col}"))
            value = published(fake, "edx.maps", "intensity", (index, row, col))
            sigma = published(fake, "edx.maps", "sigma", (index, row, col))
            assert f"y {row} x {col}  {line}: {uncertain(value, sigma)} counts" in text, text
        text = text_of(picture(fake, "--map", "5", "--cursor", f"{row},{col}"))
        value = 100 * published(fake, "edx.maps", "atomic_fraction", (0, row, col))
        sigma = 100 * published(fake, "edx.maps", "fraction_sigma", (0, row, col))
        expected = "missing" if numpy.isnan(value) else f"{uncertain(value, sigma)} at.%"
        assert f"Ag at.%: {expected}" in text, (expected, text)
        total = published(fake, "edx.spectrum", "total", (row, col))
        assert (f"total: {uncertain(total, total ** 0.5)} counts"
                in text_of(picture(fake, "--map", "2", "--cursor", f"{row},{col}")))


def uncertain_pixels(values, sigma):
    """Those whose sigma is at least half of the range shown, from the percentile 1 to 99."""
    known = numpy.sort(values[~numpy.isnan(values)])
    tail = int(0.01 * (known.size - 1))
    return ~(sigma < 0.5 * (known[-1 - tail] - known[tail]))


def map_is_the_published(fake, depth):
    """Levels rise with values, cell by cell, only what is missing is hatched, and only what is as
    uncertain as all that is shown is crossed out."""
    values = published(fake, "edx.maps", "atomic_fraction", 0)
    sigma = published(fake, "edx.maps", "fraction_sigma", 0)
    unsure = numpy.zeros(values.shape, bool)
    shown = shown_levels(picture(fake, "--map", "5", "--cursor", "0,0", "--colour", depth), depth)
    if depth in ("mono", "16"):
        with numpy.errstate(all="ignore"):
            values = numpy.stack([values[0::2], values[1::2]]).mean(0)
            sigma = numpy.stack([sigma[0::2], sigma[1::2]]).mean(0)
    sure = ~numpy.isnan(values)
    sure[0, 0] = False
    if depth != "truecolor":
        unsure = uncertain_pixels(published(fake, "edx.maps", "atomic_fraction", 0), sigma) & sure
    if depth == "256":  # a cell is crossed out when both of its pixels are
        unsure = numpy.repeat(unsure[0::2] & unsure[1::2], 2, 0)
    assert depth == "truecolor" or unsure.sum() > 20
    for row, col in zip(*numpy.nonzero(sure)):
        assert (shown[row][col] == -1) == unsure[row, col], (depth, row, col, shown[row][col])
    sure &= ~unsure
    seen = []
    for row in range(values.shape[0]):
        for col in range(COLS):
            if sure[row, col] and shown[row][col] is not None:
                seen.append((values[row, col], shown[row][col]))
            elif not (row == 0 and col == 0) and numpy.isnan(values[row, col]) and depth != "mono":
                assert shown[row][col] is None, (depth, row, col, shown[row][col])
    assert len(seen) > 0.9 * sure.sum(), (len(seen), sure.sum())
    by_value = sorted(seen)
    levels = [level for _, level in by_value]
    assert levels == sorted(levels), (depth, by_value)
    assert len(set(levels)) >= 4, (depth, set(levels))


def map_has_its_place(fake):
    """A known pixel stands where it belongs: the row of the maximum, the column of the maximum."""
    shown = shown_levels(picture(fake, "--map", "3", "--cursor", "0,0", "--colour", "256"), "256")
    values = published(fake, "edx.maps", "intensity", 0)
    assert ROWS == len(shown)
    for axis, profile in ((1, "rows"), (0, "columns")):
        levels = numpy.array([[level or 0 for level in row] for row in shown], float)
        levels[0:2, 0] = levels[0:2, 1]  # where the cursor stands
        weight, truth = levels - levels.min(), values - values.min()
        at = numpy.arange(ROWS)
        centre = (weight.sum(axis) * at).sum() / weight.sum()
        expected = (truth.sum(axis) * at).sum() / truth.sum()
        assert abs(centre - expected) < 0.3, (profile, centre, expected)


def measures_are_told_apart(fake):
    values = published(fake, "edx.maps", "intensity", 1)
    sigma = published(fake, "edx.maps", "sigma", 1)
    for measure, array, unit in (("value", values, "counts"), ("sigma", sigma, "counts"),
                                 ("snr", values / sigma, "σ")):
        text = text_of(picture(fake, "--map", "4", "--measure", measure))
        high = numpy.sort(array.ravel())[array.size - 1 - int(0.01 * (array.size - 1))]
        legend = f"{number(float(high))} {unit}"
        assert legend in text, (measure, legend, text)


def spectrum_has_its_peaks(fake):
    """At 120 x 40 the highest columns stand at the lines' energies."""
    lines = text_of(picture(fake, "--size", "120x40")).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("sum spectrum"))
    heights = [sum(line.ljust(86)[x] != " " for line in lines[start + 1:start + 8])
               for x in range(86)]
    energies = [0.1 + (x + 0.5) * 512 * 0.02 / 86 for x in range(86)]
    for line in (2.1229, 2.9843):
        near = [h for h, e in zip(heights, energies) if abs(e - line) < 0.12]
        beside = [h for h, e in zip(heights, energies) if 0.28 < abs(e - line) < 0.45]
        assert max(near) > max(beside) + 1, (line, near, beside)


class Plain(Scene):
    """A run without an image from a detector."""

    def spectrum(self):
        body = super().spectrum()
        del body["image"]
        return body


def the_first_map_there_is_shown():
    with Fake(Plain()) as fake:
        text = text_of(picture(fake))
        assert "x 16  total:" in text and "not published yet" not in text, text
        text = text_of(picture(fake, "--map", "1"))
        assert "not published yet" in text, text
    with Fake(Scene()) as fake:
        assert "x 16  HAADF:" in text_of(picture(fake))


def the_final_analysis_has_a_name():
    for frames, name in ((99, "acquiring"), (100, "finishing")):
        with Fake(Scene(frames=frames, expected=100)) as fake:
            text = text_of(picture(fake))
            assert f"● {name} {ACQ}" in text, (name, text)


def nothing_comes():
    with Fake(Scene()) as fake:
        fake.quiet = True
        code, out, err = run("edxmon", "--endpoint", fake.endpoint, "--once", "--timeout", "0.5")
        assert code == 1 and out == "" and "nothing came within 0.5 s" in err, err


if __name__ == "__main__":
    alarm = {"kind": "loss", "severity": "warning", "since_frame": 12, "active": True,
             "message": "3 messages lost: use the pull pattern or a faster link"}
    with Fake(Scene(alarms=[alarm])) as server:
        for colours in ("truecolor", "256", "16", "mono"):
            for dimensions in ("80x24", "120x40"):
                figures_are_the_published(server, dimensions, colours)
            map_is_the_published(server, colours)
        readout_is_the_published(server)
        map_has_its_place(server)
        measures_are_told_apart(server)
        spectrum_has_its_peaks(server)
    the_first_map_there_is_shown()
    the_final_analysis_has_a_name()
    nothing_comes()
