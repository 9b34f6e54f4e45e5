// Connection: the live messages of the server, again and again after each loss.
import {Acknowledgements} from "./acknowledgements.js";
import {ServerClock, nowMs} from "./server_clock.js";
import {Socket} from "./socket.js";

const SHORTEST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4000;
const PING_MS = 1000;
const FIRST_PINGS = 5;
const FIRST_PING_MS = 100;
// The server says something twice a second: after this long its connection is given up.
const DEAD_MS = 5000;
export const SILENT_MS = 1400;
const REQUEST_MS = 10_000;

export class Connection {
  // `handlers`: hello(message), cameras(list), packet(buffer), skipped(message), changed(),
  // unauthorised().
  constructor(handlers) {
    this.handlers = handlers;
    this.clock = new ServerClock();
    this.hello = null;
    this.lostMs = null;
    this.pauseMs = SHORTEST_PAUSE_MS;
    this.watched = "";
    this.requests = new Map();
    this.nextId = 1;
    this.acks = new Acknowledgements((message) => this.socket?.send(message));
    this.open();
    setInterval(() => this.tick(), 250);
  }

  get isUp() {
    return this.socket?.isOpen === true && this.hello !== null;
  }

  // Milliseconds without a word of the server; 0 while it talks.
  silenceMs() {
    if (!this.isUp) return nowMs() - (this.lostMs ?? this.openedMs);
    const silentMs = this.socket.silentMs();
    return silentMs > SILENT_MS ? silentMs : 0;
  }

  open() {
    this.openedMs = nowMs();
    this.hello = null;
    this.watched = "";
    this.pings = 0;
    this.socket = new Socket("/api/live", {
      text: (message) => this.text(message),
      binary: (buffer) => this.handlers.packet(buffer),
      closed: () => this.closed(),
    });
  }

  closed() {
    this.lostMs ??= nowMs();
    this.hello = null;
    this.socket = null;
    this.acks.stop();
    clearTimeout(this.pinger);
    for (const {fail} of this.requests.values()) fail(new Error("the connection to the server was lost"));
    this.requests.clear();
    this.handlers.changed();
    // A browser does not say why a WebSocket was refused; the same question by HTTP does.
    fetch("/api/cameras", {headers: {Accept: "application/json"}}).then(
      ({status}) => status === 401 && this.handlers.unauthorised(), () => {});
    setTimeout(() => this.open(), this.pauseMs);
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
  }

  tick() {
    if (!this.socket || this.socket.silentMs() < DEAD_MS) return;
    this.socket.close();
    this.closed();
  }

  text(message) {
    switch (message.type) {
      case "hello":
        this.hello = message;
        this.lostMs = null;
        this.pauseMs = SHORTEST_PAUSE_MS;
        this.ping();
        this.handlers.hello(message);
        this.handlers.changed();
        break;
      case "cameras": this.handlers.cameras(message.cameras); break;
      case "pong": this.clock.pong(message); break;
      case "skipped": this.handlers.skipped(message); break;
      case "reply": {
        const request = this.requests.get(message.id);
        this.requests.delete(message.id);
        if (message.ok) request?.done(message.result);
        else request?.fail(new Error(message.error));
      }
    }
  }

  ping() {
    if (!this.isUp) return;
    this.socket.send({type: "ping", t0: nowMs()});
    this.pings++;
    this.pinger = setTimeout(() => this.ping(), this.pings < FIRST_PINGS ? FIRST_PING_MS : PING_MS);
  }

  // `cameras`: map of name to "packets" or "jpeg".
  watch(cameras) {
    const text = JSON.stringify(cameras);
    if (!this.isUp || text === this.watched) return;
    this.watched = text;
    this.socket.send({type: "watch", cameras});
  }

  restart(camera) {
    this.socket?.send({type: "restart", camera});
  }

  // Resolves to the result of an operation of the control channel.
  request(op, camera, args = {}) {
    const id = this.nextId++;
    return new Promise((done, fail) => {
      if (!this.isUp) throw new Error("there is no connection to the server");
      this.requests.set(id, {done, fail});
      this.socket.send({type: "request", id, op, camera, args});
      setTimeout(() => {
        if (this.requests.delete(id)) fail(new Error("the server did not answer"));
      }, REQUEST_MS);
    });
  }
}
