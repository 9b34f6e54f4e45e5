// False colours for grey pictures: 18 stops a map, every 15 levels, straight lines between them.

const STOPS = {
  viridis: "440154481769472a7a433d843d4e8a355e8d2e6d8e297b8e23898e1f978b21a5852eb37c46c06f65cb5e"
    + "89d548b0dd2fd8e219fde725",
  inferno: "0000040a07221e0c45380962510e6c69166e801f6c982766b0315bc63d4dd94d3de9612bf47918fa9407"
    + "fcb014f8cd37f2ea69fcffa4",
  turbo: "30123b3f3e9c4666dd458cfd2fb2f41ad4d022ebaa52fa7a8bff4bb7f735dbe236f5c53afea130f9751d"
    + "e84b0cce2d04a916017a0403",
};
export const MAPS = ["off", ...Object.keys(STOPS)];
const STEP = 15;

// 256 colours as little-endian RGBA.
export function colourTable(map) {
  const stops = STOPS[map].match(/../g).map((text) => parseInt(text, 16));
  return Uint32Array.from({length: 256}, (_, level) => {
    const stop = Math.min(Math.floor(level / STEP), stops.length / 3 - 2);
    const share = (level - STEP * stop) / STEP;
    let colour = 0xff;
    for (const channel of [2, 1, 0]) {
      const [below, above] = [stops[3 * stop + channel], stops[3 * stop + 3 + channel]];
      colour = colour * 256 + Math.round(below + (above - below) * share);
    }
    return colour;
  });
}
