// Player: one recording, played by the server.
import {Acknowledgements} from "./acknowledgements.js";
import {Socket} from "./socket.js";

export class Player {
  // `handlers`: recording(message), packet(buffer), seek(message), position(seconds), ended(),
  // failed(text).
  constructor(name, handlers) {
    this.acks = new Acknowledgements((message) => this.socket.send(message));
    this.speed = 1;
    this.paused = false;
    this.isOver = false;
    this.socket = new Socket(`/api/recordings/${encodeURIComponent(name)}/play`, {
      open: () => this.play(0),
      text: (message) => this.text(message, handlers),
      binary: (buffer) => handlers.packet(buffer),
      closed: ({reason}) => {
        if (!this.isOver) handlers.failed(reason || "the connection to the server was lost");
      },
    });
  }

  text(message, handlers) {
    switch (message.type) {
      case "recording": handlers.recording(message); break;
      case "seek": handlers.seek(message); break;
      case "position": handlers.position(message.position_s); break;
      case "end": handlers.ended(); break;
      case "error":
        this.isOver = true;
        handlers.failed(message.error);
    }
  }

  // Goes on from `fromS`, or from where it is if that is null.
  play(fromS = null) {
    this.socket.send({type: "play", from_s: fromS, speed: this.speed, paused: this.paused});
  }

  close() {
    this.isOver = true;
    this.acks.stop();
    this.socket.close();
  }
}
