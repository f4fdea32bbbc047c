// Reads safetensors files: a length, a JSON header, and the tensors' bytes.

export interface Tensor {
  shape: number[];
  data: Float32Array | Int32Array;
}

export interface TensorFile {
  tensors: Record<string, Tensor>;
  metadata: Record<string, string>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Every tensor of a file; half precision becomes single. */
export function readSafetensors(file: ArrayBuffer): TensorFile {
  const length = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  const { __metadata__: metadata = {}, ...entries } = header as Record<string, Entry> & {
    __metadata__?: Record<string, string>;
  };
  const tensors: Record<string, Tensor> = {};
  for (const [name, entry] of Object.entries(entries as Record<string, Entry>)) {
    const [start, end] = entry.data_offsets;
    // Copied: what follows the header need not be aligned.
    tensors[name] = { shape: entry.shape, data: values(entry.dtype, file.slice(8 + length + start, 8 + length + end)) };
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

function values(dtype: string, bytes: ArrayBuffer): Float32Array | Int32Array {
  if (dtype === "F32") return new Float32Array(bytes);
  if (dtype === "I32") return new Int32Array(bytes);
  if (dtype === "F16") return Float32Array.from(new Uint16Array(bytes), fromHalf);
  throw new Error(`safetensors: ${dtype} is not read here`);
}

function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
