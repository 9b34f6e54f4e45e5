// What is known of a stream whose pictures come as JPEG of the server: the server says it, not the JPEG.
import {CFA_PATTERNS} from "../stream/header.js";

export function isServed(info) {
  return info !== null && !info.exact && info.kind === null;
}

// `info` of a picture, with the numbers of the stream instead of those of its JPEG.
export function streamFacts({info, camera}) {
  if (!isServed(info)) return info;
  const stream = camera?.stream;
  return {
    ...info,
    rank: stream?.rank ?? [],
    energy: stream?.energy ?? null,
    psnrDb: stream?.psnr_db ?? info.psnrDb,
    bits: stream?.significant_bits || 8 * info.sampleBytes,
    cfa: Math.max(0, CFA_PATTERNS.indexOf(stream?.cfa ?? "")),
    bytes: camera?.frame_bytes ?? null,
  };
}

// Bits and frames a second of the stream, as far as this page or else the server knows them.
export function streamRates({info, camera, meter}) {
  if (isServed(info)) return {bits: camera?.bits_s ?? null, fps: camera?.fps ?? null};
  return {bits: meter.rate("bits"), fps: meter.rate("fps")};
}
