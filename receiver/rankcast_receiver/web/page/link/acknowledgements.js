// Acknowledgements: sequences of pictures that were decoded or given up, a few messages a second.

const PAUSE_MS = 30;

export class Acknowledgements {
  // `send` takes {type: "ack", cameras}.
  constructor(send) {
    this.send = send;
    this.waiting = new Map();
    this.timer = null;
    this.sentMs = -Infinity;
  }

  add(camera, sequence) {
    this.waiting.set(camera, sequence);
    if (this.timer !== null) return;
    const pause = Math.max(0, this.sentMs + PAUSE_MS - performance.now());
    this.timer = setTimeout(() => this.flush(), pause);
  }

  flush() {
    this.timer = null;
    this.sentMs = performance.now();
    // Sequences of a stream stay far below 2^53; larger ones go as decimal text, like all such numbers.
    const number = (sequence) =>
      sequence <= Number.MAX_SAFE_INTEGER ? Number(sequence) : String(sequence);
    const cameras = Object.fromEntries([...this.waiting].map(([name, one]) => [name, number(one)]));
    this.waiting.clear();
    this.send({type: "ack", cameras});
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.waiting.clear();
  }
}
