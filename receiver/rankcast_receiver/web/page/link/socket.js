// Socket: a WebSocket of protocol rankcast.1 that says when it was last heard of.
import {nowMs} from "./server_clock.js";

const PROTOCOL = "rankcast.1";

export class Socket {
  // `handlers`: open(), text(message), binary(buffer), closed({code, reason}).
  constructor(path, handlers) {
    const base = location.protocol === "https:" ? "wss:" : "ws:";
    this.heardMs = nowMs();
    this.isOpen = false;
    this.socket = new WebSocket(`${base}//${location.host}${path}`, PROTOCOL);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.isOpen = true;
      this.heardMs = nowMs();
      performance.mark("rankcast-open");
      handlers.open?.();
    };
    this.socket.onmessage = ({data}) => {
      this.heardMs = nowMs();
      if (typeof data !== "string") handlers.binary(data);
      else handlers.text(JSON.parse(data));
    };
    this.socket.onclose = ({code, reason}) => {
      this.isOpen = false;
      handlers.closed({code, reason});
    };
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  silentMs() {
    return nowMs() - this.heardMs;
  }

  close() {
    this.isOpen = false;
    for (const name of ["onopen", "onmessage", "onclose"]) this.socket[name] = null;
    this.socket.close();
  }
}
