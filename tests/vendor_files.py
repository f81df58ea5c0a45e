"""Velox and JEOL files made by h5py and struct, for tests/test_vendor_play.py. No test of itself."""
import json
import struct

import h5py
import numpy as np

CHANNELS = 64
MARK = 65535


# ---- Velox ----


def stream_of(frames, ending=1, rng=None, drop_pixels=0):
    """Words and frame table of counts [frames, rows, cols, channels], by one of three endings."""
    words, table = [], []
    for frame in frames:
        table.append(len(words))
        for pixel in frame.reshape(-1, frame.shape[-1]):
            counts = np.repeat(np.arange(len(pixel)), pixel)
            words += list(rng.permutation(counts) if rng is not None else counts) + [MARK]
    if drop_pixels:
        marks = [i for i, w in enumerate(words) if w == MARK]
        words = words[:marks[-1 - drop_pixels] + 1]
    elif ending == 2:
        words = words[:-1]
    elif ending == 3:
        words += [7, 8, 9]
    return np.array(words, "<u2").reshape(-1, 1), np.array(table, "<u8").reshape(-1, 1)


def as_text(value):
    """All numbers as text, as versions before 11 write them."""
    if isinstance(value, dict):
        return {k: as_text(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_text(v) for v in value]
    return value if isinstance(value, str) else str(value).lower()


def metadata(detector, rows, cols, names, version, index=None, area=True):
    size = {"width": 64, "height": 64}
    scan = {"ScanSize": size, "DwellTime": 2e-3, "FrameTime": 2e-3 * rows * cols * 1.5}
    if area:
        scan["ScanArea"] = {"left": 0.25, "top": 0.5, "right": 0.25 + cols / 64,
                            "bottom": 0.5 + rows / 64}
    detectors = {"Detector-0": {"DetectorName": "HAADF", "DetectorType": "ScanningDetector"}}
    for i, name in enumerate(names):
        detectors[f"Detector-{i + 4}"] = {
            "DetectorName": name, "DetectorType": "AnalyticalDetector", "Dispersion": 10,
            "OffsetEnergy": -250, "ElevationAngle": 0.3141592653589793, "AzimuthAngle": 0.7 + i,
            "CollectionAngle": 0.2, "LiveTime": 0.9 - 0.1 * i, "RealTime": 1.0}
    result = {"Detector": detector, "PixelSize": {"width": 2e-9, "height": 3e-9},
              "PixelUnitX": "m", "PixelUnitY": "m"}
    if index is not None:
        result["DetectorIndex"] = index
    tree = {"Detectors": detectors, "Scan": scan, "BinaryResult": result,
            "Optics": {"AccelerationVoltage": 300000, "LastMeasuredScreenCurrent": 1.5e-10},
            "Acquisition": {"AcquisitionStartDatetime": {"DateTime": 1500000000}}}
    return tree if version >= 11 else as_text(tree)


def put_json(f, path, tree):
    f.create_dataset(path, data=[json.dumps(tree)], dtype=h5py.string_dtype())


def put_metadata(f, path, tree, columns=1):
    text = np.frombuffer(json.dumps(tree).encode(), "u1")
    column = np.zeros(60000, "u1")
    column[:len(text)] = text
    f.create_dataset(path, data=np.tile(column[:, None], columns), chunks=(60000, 1))


def settings(version, raster=True):
    tree = {"encoding": "uint16", "bincount": CHANNELS, "StreamEncoding": "uint16", "Size": 1048576}
    if raster:
        tree["RasterScanDefinition"] = {"Width": 64, "Height": 64}
    return tree if version >= 11 else as_text(tree)


def velox(path, segments, names=("SuperXG2",), version=4, ending=1, table=False, told=True, rng=None,
          images=("HAADF",), survey=False, elements=None, area=True, raster=True, drop_pixels=0,
          image_data=None, spoil=None, merged=None):
    """segments: counts [frames, rows, cols, channels] of each stream, called names."""
    frames, rows, cols, _ = segments[0].shape
    with h5py.File(path, "w") as f:
        put_json(f, "Version", {"version": str(version), "format": "Velox"})
        for i, counts in enumerate(segments):
            group = f"Data/SpectrumStream/{'fedcba'[i]}0"  # names in another order
            words, places = stream_of(counts, ending, rng, drop_pixels)
            if spoil:
                words, places = spoil(words, places)
            f.create_dataset(f"{group}/Data", data=words, chunks=(8192, 1), maxshape=(None, 1))
            if table:
                f.create_dataset(f"{group}/FrameLocationTable", data=places)
            put_json(f, f"{group}/AcquisitionSettings", settings(version, raster))
            put_metadata(f, f"{group}/Metadata",
                         metadata(names[i], *counts.shape[1:3], merged or names, version, area=area), frames)
        f.require_group("Data/SpectrumStream")
        if told:
            end = {"endFramePosition": frames}
            put_json(f, "Data/SpectrumImage/s/SpectrumImageSettings",
                     end if version >= 11 else as_text(end))
        for i, name in enumerate(images):
            data = image_data[i] if image_data else np.zeros((rows, cols, frames), "<u2")
            f.create_dataset(f"Data/Image/i{i}/Data", data=data, chunks=(rows, cols, 1))
            put_metadata(f, f"Data/Image/i{i}/Metadata",
                         metadata(name, rows, cols, names, version), 1)
        if survey:
            f.create_dataset("Data/Image/0survey/Data", data=np.ones((32, 32, 1), "<u2"))
            f.create_dataset("Data/Image/1map/Data", data=np.ones((rows, cols, 1), "<f4"))
        if elements:
            where = "SharedProperties/EDSSpectrumQuantificationSettings/q" if version >= 11 else \
                "Operations/ImageQuantificationOperation/q"
            tree = {"elementSelection": list(elements)}
            put_json(f, where, tree if version >= 11 else as_text(tree))


# ---- JEOL ----


def entry(name, kind=0, payload=b"", inside=b""):
    name = name.encode() + b"\0"
    return b"\1" + struct.pack("<i", len(name)) + name + struct.pack("<ii", kind, len(payload)) + \
        payload + inside + b"\xff"


def text(name, value):
    return entry(name, 12, value.encode() + b"\0")


def f64(name, value):
    return entry(name, 5, struct.pack("<d", value))


def f32(name, value):
    return entry(name, 4, struct.pack("<f", value))


def jeol_head(width, height, data_pos=4096):
    measured = entry("Doc", inside=f64("CoefA", 0.01) + f64("CoefB", 0.0) +
                     f64("DwellTime(msec)", 1.0))
    measured += entry("Meas Cond", inside=text("Tpl", "T1") + text("Pixels", f"{width}x{height}") +
                      entry("Aim Area", 7, struct.pack("<4H", 0, 0, width - 1, height - 1)))
    measured += entry("MeasCond", inside=f32("AccKV", 80) + entry("Mag", 3, struct.pack("<i", 1000)))
    pages = entry("PARAMPAGE0", 12, b"SEM\0", f32("ScanSize", 100))
    pages += entry("PARAMPAGE1", 12, b"EDXRF\0", entry("Tpl", inside=entry(
        "T1", inside=entry("DigZ", 2, struct.pack("<H", 96)))))
    tags = entry("PTTD Param", inside=entry("Params", inside=pages))
    tags += entry("PTTD Data", inside=entry("AnalyzableMap MeasData", inside=measured)) + b"\xff"
    head = struct.pack("<I8s6I", 304, b"PTTDFILE", 131072, 1, 305, 12 + len(tags), data_pos, 0)
    head = head.ljust(296, b"\0") + struct.pack("<d", 45000.5)
    head = head.ljust(317, b"\0") + tags
    assert len(head) <= data_pos
    return head.ljust(data_pos, b"\0")


def jeol_sweep(counts, images=None, ticks=True):
    """The words of one sweep of counts [rows, cols, channels]."""
    rows, cols, _ = counts.shape
    words = []
    for y in range(rows):
        words.append(0x9000 | y * 4096 // rows)
        for x in range(cols):
            words.append(0x8000 | x * 4096 // cols)
            if images is not None:
                words.append(0xA000 | int(images[y, x]))
            words += [0xB000 | c for c in np.repeat(np.arange(counts.shape[2]), counts[y, x])]
            words += [0x6000, 0x7000] if ticks else []
    return np.array(words, "<u2").tobytes()
