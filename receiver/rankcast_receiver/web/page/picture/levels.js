// Which sample values a screen shows as black and as white, as receivers with a window choose them.

export const MODES = ["auto", "full", "minmax", "percentile", "fixed"];
const CUT_SHARE = 0.001;

function histogramOf(samples) {
  const counts = new Uint32Array(samples instanceof Uint8Array ? 256 : 65536);
  for (let i = 0; i < samples.length; i++) counts[samples[i]]++;
  return counts;
}

// The sample that stands at `index` of all of them in order.
function sampleAt(counts, index) {
  for (let value = 0, seen = 0; value < counts.length; value++) {
    seen += counts[value];
    if (seen > index) return value;
  }
  return counts.length - 1;
}

function quantile(counts, total, share) {
  const index = share * (total - 1);
  const below = sampleAt(counts, Math.floor(index));
  const above = sampleAt(counts, Math.ceil(index));
  return below + (above - below) * (index - Math.floor(index));
}

// Returns [black, white].
export function boundsOf(samples, bits, {mode, low, high}) {
  const top = 2 ** bits - 1;
  if (mode === "fixed") return [low, Math.max(high, low + 1)];
  if (mode === "full" || (mode === "auto" && bits <= 8)) return [0, top];
  const counts = histogramOf(samples);
  const share = mode === "minmax" ? 0 : CUT_SHARE;
  const black = quantile(counts, samples.length, share);
  const white = quantile(counts, samples.length, 1 - share);
  // An even picture has no contrast to stretch.
  return white > black ? [black, white] : [0, top];
}

// A table from sample values to the 8 bits of a screen.
export function levelTable(size, [black, white]) {
  const scale = 255 / (white - black);
  // Uint8ClampedArray rounds halves to even, as OpenCV does.
  return Uint8ClampedArray.from({length: size}, (_, value) => (value - black) * scale);
}
