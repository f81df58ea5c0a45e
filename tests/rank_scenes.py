"""Four scenes whose number of components is known, to measure how well rank "auto" finds it. Spectra and
amplitudes were written down before anything was measured; the weakest component of each has a singular
value of 1.5 times the noise edge. No test of itself."""
import numpy as np

SIZE = 32  # pixels a side
CHANNELS = 160
FRAMES = 20
BACKGROUND = 40.0  # counts a pixel of what is everywhere

# Peaks (channel, width, share) of each component's spectrum; the first is everywhere.
SPECTRA = [
    [(14, 2.0, 0.5), (26, 2.2, 0.2), (80, 60.0, 0.3)],
    [(49, 2.5, 0.6), (107, 3.5, 0.4)],
    [(34, 2.3, 0.7), (88, 3.2, 0.3)],
    [(61, 2.7, 1.0)],
    [(74, 2.9, 0.5), (132, 4.0, 0.5)],
    [(42, 2.4, 0.4), (120, 3.7, 0.6)],
    [(20, 2.1, 1.0)],
    [(97, 3.3, 0.8), (145, 4.2, 0.2)],
]

# Where each is: centre (y, x) and radius of a disc in pixels, soft by one pixel; all differ.
DISCS = [None, (16, 16, 10), (10, 9, 6), (22, 22, 7), (9, 23, 5), (23, 8, 6), (16, 26, 5), (5, 15, 5)]

# Counts a pixel inside each disc. The last of a scene is its weakest.
SCENES = {
    "two": [BACKGROUND, 12.580],
    "three": [BACKGROUND, 60.0, 13.968],
    "five": [BACKGROUND, 60.0, 45.0, 30.0, 16.257],
    "eight": [BACKGROUND, 60.0, 50.0, 40.0, 45.0, 35.0, 30.0, 16.661],
}


def spectrum(peaks):
    c = np.arange(CHANNELS)
    s = sum(share * np.exp(-0.5 * ((c - at) / width)**2) / (width * np.sqrt(2 * np.pi)) for at, width, share in peaks)
    return s / s.sum()


def disc(where):
    if where is None:
        return np.ones(SIZE * SIZE)
    y, x = np.mgrid[:SIZE, :SIZE]
    return (1 / (1 + np.exp(4 * (np.hypot(y - where[0], x - where[1]) - where[2])))).ravel()


def mean(amplitudes):
    """Mean counts [pixels, channels] of all frames together."""
    return sum(a * np.outer(disc(DISCS[i]), spectrum(SPECTRA[i])) for i, a in enumerate(amplitudes))


def scaled(x, a, b):
    return x / np.sqrt(np.outer(a, b))


def weakest(amplitudes):
    """Singular value of the weakest component, in units of the noise edge."""
    s = mean(amplitudes)
    edge = (np.sqrt(s.shape[0]) + np.sqrt(s.shape[1])) / np.sqrt(s.sum())
    return np.linalg.svd(scaled(s, s.sum(1), s.sum(0)), compute_uv=False)[len(amplitudes) - 1] / edge
