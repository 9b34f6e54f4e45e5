// A picture as a file: what it says about itself, in the keys of `receive --save`, and its name.
import {CFA_PATTERNS} from "../stream/header.js";
import {pngOf} from "./png.js";
import {tiffOf} from "./tiff.js";

// ISO 8601 with microseconds, which Date does not have.
function utcOf(tUtcNs) {
  const micros = String((tUtcNs / 1000n) % 1_000_000n).padStart(6, "0");
  return new Date(Number(tUtcNs / 1_000_000n)).toISOString().replace(/\.\d+Z$/, `.${micros}Z`);
}

// `lossless` where the sender states that every sample is exact.
function fidelityOf(info) {
  return info.squaredError === 0n ? "lossless" : "lossy";
}

function plain(value) {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array)
    return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return value;
}

export function fileText(camera, info) {
  const text = JSON.stringify({
    camera,
    sequence: Number(info.sequence),
    capture_utc: utcOf(info.tUtcNs),
    fidelity: fidelityOf(info),
    codec: info.codec,
    rank: info.rank,
    energy: info.energy,
    psnr_db: Number.isFinite(info.psnrDb) ? info.psnrDb : null,
    packet_bytes: info.bytes,
    significant_bits: info.bits,
    cfa: CFA_PATTERNS[info.cfa],
    meta: Object.fromEntries([...info.meta].map(([key, value]) => [key, plain(value)])),
  });
  return text.replace(/[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function nameStart(camera, {sequence}) {
  return `${camera.replace(/[^A-Za-z0-9_@.-]/g, "_").slice(0, 80)}_${String(sequence).padStart(9, "0")}`;
}

// The server says no UTC of its JPEGs.
export function jpegName(camera, info) {
  return `${nameStart(camera, info)}_jpeg.jpg`;
}

export function fileName(camera, info, format) {
  return `${nameStart(camera, info)}_${utcOf(info.tUtcNs).replace(/[-:]/g, "")}_${fidelityOf(info)}.${format}`;
}

export async function fileOf(camera, picture, info, format) {
  const text = fileText(camera, info);
  return {
    blob: format === "tiff" ? tiffOf(picture, text) : await pngOf(picture, text),
    name: fileName(camera, info, format),
  };
}
