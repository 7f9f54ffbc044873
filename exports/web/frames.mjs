// Frames: how tensors travel between Python, Node and a page. A frame is two unsigned 32-bit little-endian lengths, that
// many bytes of JSON, and that many bytes of data; `tensors` in the JSON lists name, dtype and shape of what the data
// hold, one tensor after the other, in C order.

export const PREFIX_BYTES = 8;

const ARRAYS = {
  float16: Uint16Array, // its bits: not every engine has an array for it
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

export function bodyBytes(prefix) {
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  return view.getUint32(0, true) + view.getUint32(4, true);
}

export function decode(frame) {
  const textBytes = new DataView(frame.buffer, frame.byteOffset, PREFIX_BYTES).getUint32(0, true);
  let start = PREFIX_BYTES + textBytes;
  const header = JSON.parse(new TextDecoder().decode(frame.subarray(PREFIX_BYTES, start)));
  const tensors = (header.tensors ?? []).map(({ name, dtype, shape }) => {
    const kind = ARRAYS[dtype];
    if (kind === undefined) throw new TypeError(`JavaScript has no array for ${dtype}`);
    const end = start + shape.reduce((product, size) => product * size, 1) * kind.BYTES_PER_ELEMENT;
    const data = new kind(frame.buffer.slice(frame.byteOffset + start, frame.byteOffset + end)); // a copy is aligned
    start = end;
    return { name, dtype, shape, data };
  });
  return { header, tensors };
}

export function encode(header, tensors = []) {
  const described = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const text = new TextEncoder().encode(JSON.stringify({ ...header, tensors: described }));
  const dataBytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  const frame = new Uint8Array(PREFIX_BYTES + text.length + dataBytes);
  const view = new DataView(frame.buffer);
  view.setUint32(0, text.length, true);
  view.setUint32(4, dataBytes, true);
  frame.set(text, PREFIX_BYTES);
  let start = PREFIX_BYTES + text.length;
  for (const { data } of tensors) {
    frame.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
    start += data.byteLength;
  }
  return frame;
}
