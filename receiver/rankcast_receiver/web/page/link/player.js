// Player: one recording, played by the server.
import {Acknowledgements} from "./acknowledgements.js";
import {Socket} from "./socket.js";

export class Player {
  // `core`: a promise of the module; without one all cameras come as JPEG. `handlers`: recording(message),
  // packet(buffer), seek(message), skipped(message), refused(message), position(seconds), ended(), failed(text).
  constructor(name, core, handlers) {
    this.acks = new Acknowledgements((message) => this.socket.send(message));
    this.speed = 1;
    this.paused = false;
    this.isOver = false;
    this.socket = new Socket(`/api/recordings/${encodeURIComponent(name)}/play`, {
      open: () => this.open(core),
      text: (message) => this.text(message, handlers),
      binary: (buffer) => handlers.packet(buffer),
      closed: ({reason}) => {
        if (!this.isOver) handlers.failed(reason || "the connection to the server was lost");
      },
    });
  }

  async open(core) {
    this.form = await core ? "packets" : "jpeg";
    if (!this.isOver) this.play(0);
  }

  text(message, handlers) {
    switch (message.type) {
      case "recording": handlers.recording(message); break;
      case "seek": handlers.seek(message); break;
      case "skipped": handlers.skipped(message); break;
      case "refused": handlers.refused(message); break;
      case "position": handlers.position(message.position_s); break;
      case "end": handlers.ended(); break;
      case "error":
        this.isOver = true;
        handlers.failed(message.error);
    }
  }

  // Goes on from `fromS`, or from where it is if that is null.
  play(fromS = null) {
    this.socket.send({type: "play", from_s: fromS, speed: this.speed, paused: this.paused,
      form: this.form});
  }

  close() {
    this.isOver = true;
    this.acks.stop();
    this.socket.close();
  }
}
