#include "instrument/velox_meta.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "instrument/imported.h"

#define MAX_DETECTORS 64u
#define DEGREES (180.0 / 3.14159265358979323846)

const char *edx_velox_symbol(double z)
{
    static const char symbols[][EDX_SYMBOL_SIZE] = {
        "H",  "He", "Li", "Be", "B",  "C",  "N",  "O",  "F",  "Ne", "Na", "Mg", "Al", "Si",
        "P",  "S",  "Cl", "Ar", "K",  "Ca", "Sc", "Ti", "V",  "Cr", "Mn", "Fe", "Co", "Ni",
        "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",  "Zr", "Nb", "Mo",
        "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I",  "Xe", "Cs", "Ba",
        "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb",
        "Lu", "Hf", "Ta", "W",  "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po",
        "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U",  "Np", "Pu", "Am", "Cm", "Bk", "Cf"};
    const size_t known = sizeof symbols / sizeof *symbols;
    if (!(z >= 1.0 && z <= (double)known) || z != floor(z))
        return NULL;
    return symbols[(size_t)z - 1];
}

/* ---- numbers ---- */

static edx_status need(const edx_jsondoc *doc, const char *path, double *out, edx_error *err)
{
    *out = edx_jsondoc_number(doc, path);
    if (isnan(*out))
        return edx_fail(err, EDX_E_MISSING, "%s: not there, expected a number", path);
    if (!isfinite(*out) || *out <= 0.0)
        return edx_fail(err, EDX_E_RANGE, "%s: %g, expected a number above 0", path, *out);
    return EDX_OK;
}

static double positive_or_nan(double value)
{
    return isfinite(value) && value > 0.0 ? value : (double)NAN;
}

/* ---- scan ---- */

/* The part of the raster that was scanned, in pixels; 0 when that is not told. */
static uint32_t span(const edx_jsondoc *doc, const char *size, const char *from, const char *to)
{
    double pixels = (edx_jsondoc_number(doc, to) - edx_jsondoc_number(doc, from)) *
                    edx_jsondoc_number(doc, size);
    return pixels >= 0.5 && pixels < 65536.0 ? (uint32_t)lround(pixels) : 0;
}

static edx_status read_step(const edx_jsondoc *doc, edx_velox_meta *out, edx_error *err)
{
    static const char *const sizes[] = {"BinaryResult/PixelSize/height",
                                        "BinaryResult/PixelSize/width"};
    static const char *const units[] = {"BinaryResult/PixelUnitY", "BinaryResult/PixelUnitX"};
    for (int i = 0; i < 2; i++) {
        const char *unit = edx_jsondoc_text(doc, units[i]);
        edx_status status = need(doc, sizes[i], &out->step_nm[i], err);
        if (status != EDX_OK)
            return status;
        double nm = edx_imported_nm(unit ? unit : "m");
        if (isnan(nm))
            return edx_fail(err, EDX_E_UNKNOWN, "%s: \"%.20s\", expected m, um or nm", units[i],
                            unit);
        out->step_nm[i] *= nm;
    }
    return EDX_OK;
}

static edx_status read_scan(const edx_jsondoc *doc, edx_velox_meta *out, edx_error *err)
{
    edx_status status = need(doc, "Scan/DwellTime", &out->dwell_s, err);
    if (status == EDX_OK)
        status = read_step(doc, out, err);
    out->frame_s = positive_or_nan(edx_jsondoc_number(doc, "Scan/FrameTime"));
    out->rows = span(doc, "Scan/ScanSize/height", "Scan/ScanArea/top", "Scan/ScanArea/bottom");
    out->cols = span(doc, "Scan/ScanSize/width", "Scan/ScanArea/left", "Scan/ScanArea/right");
    return status;
}

/* ---- detectors ---- */

/* A number of the detector that Detectors calls by this key. */
static double of(const edx_jsondoc *doc, const char *key, const char *what)
{
    char path[256];
    snprintf(path, sizeof path, "Detectors/%s/%s", key, what);
    return edx_jsondoc_number(doc, path);
}

/* Named by the stream, or one of the segments of the detector that the stream names. */
static bool is_meant(const edx_jsondoc *doc, const char *key, const char *detector)
{
    char path[256];
    snprintf(path, sizeof path, "Detectors/%s/DetectorName", key);
    const char *name = edx_jsondoc_text(doc, path);
    return name && detector[0] && strncmp(name, detector, strlen(detector)) == 0 &&
           !isnan(of(doc, key, "Dispersion"));
}

/* NaN as soon as one differs. */
static double common(double before, double value, uint32_t segment)
{
    return segment == 0 || before == value ? value : (double)NAN;
}

static void add_segment(const edx_jsondoc *doc, const char *key, edx_velox_meta *out)
{
    uint32_t n = out->segments++;
    double real = of(doc, key, "RealTime"), live = of(doc, key, "LiveTime") / real;
    bool known = real > 0.0 && live > 0.0 && live <= 1.0;
    out->scale_eV = common(out->scale_eV, of(doc, key, "Dispersion"), n);
    out->offset_eV = common(out->offset_eV, of(doc, key, "OffsetEnergy"), n);
    out->elevation_deg = common(out->elevation_deg, of(doc, key, "ElevationAngle") * DEGREES, n);
    out->azimuth_deg = common(out->azimuth_deg, of(doc, key, "AzimuthAngle") * DEGREES, n);
    double angle = positive_or_nan(of(doc, key, "CollectionAngle"));
    out->solid_angle_sr = n == 0 ? angle : (double)NAN;
    out->live = known ? (n == 0 ? live : (out->live * n + live) / (n + 1.0)) : (double)NAN;
}

static edx_status read_detectors(const edx_jsondoc *doc, edx_velox_meta *out, edx_error *err)
{
    const char *name = edx_jsondoc_text(doc, "BinaryResult/Detector");
    size_t count = edx_jsondoc_count(doc, "Detectors");
    snprintf(out->detector, sizeof out->detector, "%s", name ? name : "");
    out->index = edx_jsondoc_number(doc, "BinaryResult/DetectorIndex");
    for (size_t i = 0; i < count && i < MAX_DETECTORS; i++) {
        const char *key = edx_jsondoc_key(doc, "Detectors", i);
        if (key && is_meant(doc, key, out->detector))
            add_segment(doc, key, out);
    }
    if (out->segments == 0)
        return edx_fail(err, EDX_E_MISSING,
                        "Detectors: none named %.40s with a Dispersion, expected the stream's",
                        out->detector[0] ? out->detector : "by the stream");
    if (!isfinite(out->scale_eV) || out->scale_eV <= 0.0 || !isfinite(out->offset_eV))
        return edx_fail(err, EDX_E_RANGE,
                        "Detectors: %.40s has channels of %g eV from %g eV on, expected one axis "
                        "for all segments",
                        out->detector, out->scale_eV, out->offset_eV);
    return EDX_OK;
}

/* ---- all ---- */

static edx_status read_settings(const edx_jsondoc *doc, edx_velox_meta *out, edx_error *err)
{
    const char *encoding = edx_jsondoc_text(doc, "StreamEncoding");
    double bins = 0.0;
    out->map = edx_jsondoc_count(doc, "RasterScanDefinition") > 0;
    if (!out->map)
        return EDX_OK;
    if (encoding && strcmp(encoding, "uint16") != 0)
        return edx_fail(err, EDX_E_UNKNOWN, "StreamEncoding: \"%.20s\", expected uint16", encoding);
    edx_status status = need(doc, "bincount", &bins, err);
    if (status == EDX_OK && (bins > 65535.0 || bins != floor(bins)))
        status = edx_fail(err, EDX_E_RANGE, "bincount: %g, expected 1 to 65535", bins);
    out->channels = status == EDX_OK ? (uint32_t)bins : 0;
    return status;
}

edx_status edx_velox_meta_read(const edx_jsondoc *settings, const edx_jsondoc *metadata,
                               edx_velox_meta *out, edx_error *err)
{
    *out = (edx_velox_meta){.probe_nA = (double)NAN};
    edx_status status = read_settings(settings, out, err);
    if (status != EDX_OK || !out->map)
        return status;
    status = read_scan(metadata, out, err);
    if (status == EDX_OK)
        status = read_detectors(metadata, out, err);
    if (status == EDX_OK)
        status = need(metadata, "Optics/AccelerationVoltage", &out->beam_keV, err);
    out->beam_keV *= 1e-3;
    out->probe_nA =
        positive_or_nan(edx_jsondoc_number(metadata, "Optics/LastMeasuredScreenCurrent") * 1e9);
    double t = edx_jsondoc_number(metadata, "Acquisition/AcquisitionStartDatetime/DateTime");
    out->t = t > 0.0 && t < 1e11 ? t : 0.0;
    return status;
}
