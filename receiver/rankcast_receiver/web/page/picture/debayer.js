// Mosaics of a colour sensor to BGR, sample by sample as OpenCV does it.

export const METHODS = ["edge-aware", "bilinear", "off"];
const LEAST_SIDE = 3;
const CHANNEL = {B: 0, G: 1, R: 2};

// Returns (H, W, 3) samples, or null where a side is too short to interpolate.
export function debayered(samples, height, width, pattern, method) {
  if (Math.min(height, width) < LEAST_SIDE) return null;
  const out = new samples.constructor(3 * height * width);
  const alongEdges = method === "edge-aware";
  for (let y = 1; y < height - 1; y++) {
    const colours = pattern.slice(2 * (y & 1), 2 * (y & 1) + 2);
    // The colour of this row that is not green.
    const own = CHANNEL[colours.replace("G", "")];
    const other = 2 - own;
    const greenAt = colours.indexOf("G");
    const row = y * width;
    for (let x = 1; x < width - 1; x++) {
      const i = row + x;
      const left = samples[i - 1], right = samples[i + 1];
      const up = samples[i - width], down = samples[i + width];
      const to = 3 * i;
      if ((x & 1) === greenAt) {
        out[to + 1] = samples[i];
        out[to + own] = (left + right + 1) >> 1;
        out[to + other] = (up + down + 1) >> 1;
        continue;
      }
      out[to + own] = samples[i];
      out[to + other] = (samples[i - width - 1] + samples[i - width + 1] + samples[i + width - 1]
        + samples[i + width + 1] + 2) >> 2;
      if (!alongEdges) out[to + 1] = (left + right + up + down + 2) >> 2;
      else if (Math.abs(left - right) > Math.abs(up - down)) out[to + 1] = (up + down + 1) >> 1;
      else out[to + 1] = (left + right + 1) >> 1;
    }
    out.copyWithin(3 * row, 3 * row + 3, 3 * row + 6);
    out.copyWithin(3 * (row + width - 1), 3 * (row + width - 2), 3 * (row + width - 1));
  }
  const line = 3 * width;
  out.copyWithin(0, line, 2 * line);
  out.copyWithin((height - 1) * line, (height - 2) * line, (height - 1) * line);
  return out;
}
