// ServerClock: what the clock of the server says here, from the quickest of the latest answers.

const KEPT = 20;

export const nowMs = () => performance.timeOrigin + performance.now();

export class ServerClock {
  constructor() {
    this.answers = [];
  }

  pong({t0, here_ms}) {
    const arrivedMs = nowMs();
    const rttMs = arrivedMs - t0;
    if (!(rttMs >= 0) || typeof here_ms !== "number") return;
    this.answers.push({rttMs, aheadMs: here_ms - (t0 + arrivedMs) / 2});
    if (this.answers.length > KEPT) this.answers.shift();
  }

  best() {
    return this.answers.reduce((best, one) => (!best || one.rttMs < best.rttMs ? one : best), null);
  }

  // Age in ms at `atMs` of a picture captured at `tMonoNs` of the sender's clock, and its error;
  // null while one of the clocks is unknown.
  ageOf(tMonoNs, clock, atMs = nowMs()) {
    const best = this.best();
    if (!best || !clock) return null;
    const sinceNs = Number(tMonoNs - BigInt(clock.t_mono_ns));
    const capturedMs = clock.here_ms + sinceNs / 1e6 / clock.speed;
    return {ms: atMs + best.aheadMs - capturedMs, errorMs: clock.error_ms + best.rttMs / 2};
  }
}
