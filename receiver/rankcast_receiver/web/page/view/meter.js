// Meter: what a page got of a camera over the last minute, in steps of half a second.

const STEP_MS = 500;
const STEPS = 120;

export class Meter {
  constructor() {
    this.steps = [];
    this.begin(performance.now());
  }

  begin(atMs) {
    this.startMs = atMs;
    this.now = {frames: 0, bytes: 0, drawn: 0, latencies: [], errorMs: 0};
  }

  decoded(bytes) {
    this.now.frames++;
    this.now.bytes += bytes;
  }

  drawn(latency) {
    this.now.drawn++;
    if (!latency) return;
    this.now.latencies.push(latency.ms);
    this.now.errorMs = latency.errorMs;
  }

  tick() {
    const atMs = performance.now();
    const s = (atMs - this.startMs) / 1000;
    if (s < STEP_MS / 1000) return;
    const {frames, bytes, drawn, latencies, errorMs} = this.now;
    const sorted = latencies.sort((one, other) => one - other);
    this.steps.push({
      fps: frames / s, bits: 8 * bytes / s, drawnFps: drawn / s, errorMs,
      latencyMs: sorted.length ? sorted[sorted.length >> 1] : null,
      worstMs: sorted.length ? sorted[sorted.length - 1] : null,
    });
    if (this.steps.length > STEPS) this.steps.shift();
    this.begin(atMs);
  }

  // Mean over the last second.
  rate(name) {
    const last = this.steps.slice(-2);
    return last.length ? last.reduce((sum, step) => sum + step[name], 0) / last.length : null;
  }

  // The newest of the last second; null if nothing was drawn in it.
  latency() {
    const step = this.steps.slice(-2).findLast((one) => one.latencyMs !== null);
    return step ? {ms: step.latencyMs, errorMs: step.errorMs} : null;
  }
}
