// How a picture is shown, unless somebody chooses otherwise.

export const PLAIN_VIEW = {
  levels: {mode: "auto", low: 0, high: 65535}, falseColour: "off", debayer: "edge-aware",
  difference: false, gain: 4,
};
