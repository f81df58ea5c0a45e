// The bodies of doc/protocol.md, key by key. What may be absent is optional.
import type { NdArray } from "./arrays";

export interface Head {
    acq: string;
    t: number;
    frames: number;
    frame: number;
    counts: number;
}

export interface Status extends Head {
    state: "idle" | "acquiring" | "finished";
    expected: number;
    received: number;
    lost: number;
    duplicate: number;
    bad: number;
    rate_cps?: number;
    drift_nm?: [number, number];
    health?: { chi2: number; dof: number; p: number; outliers: number[] };
    /** Complete frames that came and are not in it yet. */
    behind?: Record<"sum" | "maps" | "components" | "heldout" | "profiles", number>;
    latency_ms?: { p50?: number; p99?: number; max?: number };
    last?: Record<string, number>;
    version: string;
    uptime_s?: number;
}

export interface Spectrum extends Head {
    energy: { offset_eV: number; scale_eV: number };
    sum: NdArray;
    image?: NdArray;
    total: NdArray;
    fit?: NdArray;
    background?: NdArray;
    fit_chi2?: number;
    fit_dof?: number;
    calibration?: { offset_eV?: number; gain?: number; gain_sigma?: number; resolution_eV?: number };
    /** Elements found in the sum: net counts over their σ. */
    found?: Record<string, number>;
}

export interface Maps extends Head {
    lines: string[];
    elements: string[];
    step_nm: [number, number];
    origin_nm?: [number, number];
    /** Of the lines, [n]; their windows, [n, 2]. */
    energy_eV?: NdArray;
    window_eV?: NdArray;
    intensity: NdArray;
    sigma: NdArray;
    atomic_fraction: NdArray;
    fraction_sigma: NdArray;
    denoised_fraction?: NdArray;
    denoised_sigma?: NdArray;
    exposure: NdArray;
    mass_thickness?: NdArray;
    atoms?: NdArray;
}

export interface Pca extends Head {
    rank: number;
    eigenvalues: NdArray;
    eigenvalues_noise_free: NdArray;
    noise_edge: number;
    heldout_error: NdArray;
    spectra: NdArray;
    maps: NdArray;
    explained: NdArray;
}

export interface Nmf extends Head {
    spectra: NdArray;
    maps: NdArray;
    divergence: number;
    share: NdArray;
    particle: boolean[];
}

export interface Check {
    chi2: number;
    dof: number;
    p: number;
    passed: boolean;
}

export interface Radial {
    r_nm: NdArray;
    counts: NdArray;
    counts_sigma: NdArray;
    fraction: NdArray;
    sigma: NdArray;
    quantified: boolean[];
    model?: NdArray;
    model_sigma?: NdArray;
    denoised?: NdArray;
    denoised_sigma?: NdArray;
    pca?: NdArray;
    pca_sigma?: NdArray;
    nmf?: NdArray;
    nmf_sigma?: NdArray;
    denoised_check?: Check;
    pca_check?: Check;
    nmf_check?: Check;
}

export interface Segregation {
    element: string;
    core: [number, number];
    shell: [number, number];
    delta: number;
    sigma: number;
    z: number;
}

export interface Particle {
    id: number;
    centre_nm: [number, number];
    diameter_nm: number;
    area_diameter_nm: number;
    touches_edge: boolean;
    composition: Record<string, [number, number]>;
    radial?: Radial;
    segregation?: Segregation;
}

export interface Particles extends Head {
    particles: Particle[];
    systematic?: Record<string, number>;
}

export interface LineProfile extends Omit<Head, "counts"> {
    elements?: string[];
    from_nm: [number, number];
    to_nm: [number, number];
    width_nm: number;
    d_nm: NdArray;
    counts: NdArray;
    fraction: NdArray;
    sigma: NdArray;
}

export interface Trend extends Head {
    composition: NdArray;
    sigma: NdArray;
    dose_e_per_A2?: number;
    drift_nm: NdArray;
    damage?: { z: number; p: number; since_frame: number };
    contamination?: { z?: number; p?: number; since_frame?: number };
    forecast?: { target_sigma: number; frames_needed?: number; seconds?: number; delta_frames_needed?: number };
}

export interface Alarm {
    kind: string;
    severity: "info" | "warning" | "error";
    message: string;
    since_frame: number;
    active: boolean;
}

export interface Alarms extends Head {
    alarms: Alarm[];
}

export interface Region {
    pixels: number;
    spectrum: NdArray;
    elements?: string[];
    counts?: NdArray;
    fraction?: NdArray;
    sigma?: NdArray;
}

/** The newest body of each topic, or those of one moment of the past. */
export interface Snapshot {
    "edx.status"?: Status;
    "edx.spectrum"?: Spectrum;
    "edx.maps"?: Maps;
    "edx.pca"?: Pca;
    "edx.nmf"?: Nmf;
    "edx.particles"?: Particles;
    "edx.profile"?: LineProfile;
    "edx.trend"?: Trend;
    "edx.alarm"?: Alarms;
}

export type Topic = keyof Snapshot;
export type Body = NonNullable<Snapshot[Topic]>;

export interface Hello {
    version: string;
    endpoint: string;
    control: boolean;
    writable: boolean;
    runs: boolean;
}

export interface Reply {
    ok: boolean;
    error?: string;
    [key: string]: unknown;
}
