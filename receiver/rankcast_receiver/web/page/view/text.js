// Numbers as people read them.

export const NONE = "–";
const MINUS = "\u2212";

function scaled(value, units, step) {
  let unit = 0;
  for (; value >= step && unit < units.length - 1; unit++) value /= step;
  const digits = value >= 100 || (unit === 0 && Number.isInteger(value)) ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

export function bitRate(bitsPerS) {
  return bitsPerS == null ? NONE : scaled(bitsPerS, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"], 1000);
}

export function byteCount(bytes) {
  return bytes == null ? NONE : scaled(bytes, ["B", "kB", "MB", "GB", "TB"], 1000);
}

export function decimal(value, digits = 1, unit = "") {
  if (value == null || Number.isNaN(value)) return NONE;
  if (value === Infinity) return "∞";
  const text = value.toFixed(digits).replace("-", MINUS);
  return unit ? `${text} ${unit}` : text;
}

export function count(value) {
  return value == null ? NONE : Number(value).toLocaleString("en-US").replaceAll(",", "\u2009");
}

// An age, with as many digits as one can read while it grows.
export function age(ms) {
  if (ms == null) return NONE;
  const s = ms / 1000;
  if (s < 0.9995) return `${Math.round(ms)} ms`;
  if (s < 100) return `${s.toFixed(1)} s`;
  if (s < 6000) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 172_800) return `${Math.floor(s / 3600)} h ${Math.floor((s / 60) % 60)} min`;
  return `${Math.floor(s / 86_400)} days`;
}

export function latency(found) {
  if (!found) return NONE;
  return `${decimal(found.ms, found.ms < 10 ? 1 : 0)} ± ${decimal(found.errorMs, 1)} ms`;
}

export function clockTime(s) {
  const whole = Math.max(0, Math.floor(s));
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60), seconds = two(whole % 60);
  if (whole < 3600) return `${minutes}:${seconds}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${seconds}`;
}

export function utc(tUtcNs) {
  if (tUtcNs == null) return NONE;
  return new Date(Number(tUtcNs / 1_000_000n)).toISOString().replace("T", " ").slice(0, 23) + " UTC";
}

export function size({shape, sampleBytes, bits, cfa}, patterns) {
  const [height, width, channels = 1] = shape;
  const kind = cfa ? `${patterns[cfa]} mosaic` : channels === 1 ? "grey"
    : channels === 3 ? "colour" : `${channels} channels`;
  const depth = bits === 8 * sampleBytes ? `${bits} bit` : `${bits} of ${8 * sampleBytes} bit`;
  return `${width} × ${height}, ${kind}, ${depth}`;
}

export function scalar(value) {
  if (value === null) return "nil";
  if (value instanceof Uint8Array)
    return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return String(value);
}
