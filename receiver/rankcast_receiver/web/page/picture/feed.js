// Feed: the worker of one camera, what it was given and what came of it.

// A server of ours sends 90 packets at once to a page that joins, then has 16 on the way at most.
// A recording has no newer picture to go on from: all of its packets are decoded, at the server's pace.
const MOST_WAITING = 128;
const RESTART_PAUSE_MS = 500;

function startWorker() {
  return new Worker(new URL("picture_worker.js", import.meta.url), {type: "module"});
}

// The first camera finds its worker running: it starts while the page still waits for the server.
let spare = startWorker();

export class Feed {
  // `handlers`: acknowledge(sequence), restart(), decoded(info) of what is shown, drawn(message), refused(message),
  // values(message), snapshot(message), kept(message).
  constructor({camera, canvas, module, limits, isRecorded}, handlers) {
    this.handlers = handlers;
    this.mostWaiting = isRecorded ? Infinity : MOST_WAITING;
    this.waiting = 0;
    this.dropped = 0;
    this.refusals = new Map();
    this.latestRefusal = null;
    this.verified = 0;
    this.decoded = 0;
    this.decodeMs = 0;
    this.paintMs = 0;
    this.restartedMs = -Infinity;
    const offscreen = canvas.transferControlToOffscreen();
    this.worker = spare ?? startWorker();
    spare = null;
    this.worker.onmessage = ({data}) => this.take(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.count("PageError", event.message || "the worker of this camera failed");
    };
    this.worker.postMessage({type: "start", canvas: offscreen, module, limits, camera}, [offscreen]);
  }

  // A binary message whose packet, or whatever its channel holds, begins at `at`.
  put(buffer, at, channel) {
    if (this.waiting >= this.mostWaiting) {
      this.dropped++;
      this.restart();
      return;
    }
    this.waiting++;
    this.worker.postMessage({type: channel === "jpeg" ? "served" : "packet", buffer, at}, [buffer]);
  }

  take(message) {
    switch (message.type) {
      case "decoded":
        this.waiting--;
        this.decoded++;
        this.verified = message.verified;
        this.decodeMs = message.decodeMs;
        this.handlers.acknowledge(message.info.sequence);
        if (message.isShown) this.handlers.decoded(message.info);
        break;
      case "given-up":
        this.waiting--;
        this.handlers.acknowledge(message.sequence);
        break;
      case "refused":
        this.waiting--;
        if (message.sequence !== null) this.handlers.acknowledge(message.sequence);
        this.count(message.kind, message.message);
        this.restart();
        break;
      case "drawn":
        this.paintMs = message.paintMs;
        this.handlers.drawn(message);
        break;
      default:
        this.handlers[message.type]?.(message);
    }
  }

  count(kind, text) {
    this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1);
    this.latestRefusal = {kind, text, atMs: performance.now()};
    this.handlers.refused(this.latestRefusal);
  }

  // Asks for a new beginning, unless one was asked for a moment ago.
  restart() {
    if (performance.now() - this.restartedMs < RESTART_PAUSE_MS) return;
    this.restartedMs = performance.now();
    this.handlers.restart();
  }

  tell(type, values = {}) {
    this.worker.postMessage({type, ...values});
  }

  close() {
    this.worker.terminate();
  }
}
