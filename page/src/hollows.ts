// Hollows that an expression makes in the skin: less light reaches them than reached the same skin in the photo
// (deca.render.hollows). The coarse head's are found at its vertices, those of the wrinkles at their texels.
import type { Tensor } from "./safetensors";
import { halved } from "./slopes";

/** How far the mean of each vertex's surroundings lies from it, along its normal: a sparse matrix of the head. */
export class Surroundings {
  private readonly starts: Int32Array;
  private readonly columns: Int32Array;
  private readonly weights: Float32Array;

  constructor(tensors: Record<string, Tensor>) {
    this.starts = tensors.surroundings_starts!.data as Int32Array;
    this.columns = tensors.surroundings_columns!.data as Int32Array;
    this.weights = tensors.surroundings_weights!.data as Float32Array;
  }

  /** Depths below the surroundings, metres, of the head's vertices; `positions` and `normals` are theirs. */
  depths(positions: Float32Array, normals: Float32Array): Float32Array {
    const { starts, columns, weights } = this;
    const depths = new Float32Array(starts.length - 1);
    for (let vertex = 0; vertex < depths.length; vertex++) {
      const end = starts[vertex + 1]!;
      let x = 0;
      let y = 0;
      let z = 0;
      for (let entry = starts[vertex]!; entry < end; entry++) {
        const weight = weights[entry]!;
        const from = 3 * columns[entry]!;
        x += weight * positions[from]!;
        y += weight * positions[from + 1]!;
        z += weight * positions[from + 2]!;
      }
      depths[vertex] = x * normals[3 * vertex]! + y * normals[3 * vertex + 1]! + z * normals[3 * vertex + 2]!;
    }
    return depths;
  }
}

/** Depths below the surroundings of heights in a map, in their unit; `reach` is the surroundings' deviation, texels. */
export function depthsOf(heights: Float32Array, size: number, reach: number): Float32Array {
  // Means so wide are the same at half the size.
  const small = size / 2;
  const kernel = gaussian(reach / 2);
  const along = blurred(halved(heights, size), small, kernel, 1, small);
  const mean = blurred(along, small, kernel, small, 1);
  const depths = new Float32Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const place = row * size + column;
      depths[place] = mean[(row >> 1) * small + (column >> 1)]! - heights[place]!;
    }
  }
  return depths;
}

function gaussian(deviation: number): Float32Array {
  const half = Math.ceil(3 * deviation);
  const kernel = Float32Array.from({ length: 2 * half + 1 }, (_, index) => Math.exp(-0.5 * ((index - half) / deviation) ** 2));
  const sum = kernel.reduce((total, weight) => total + weight);
  return kernel.map((weight) => weight / sum);
}

/** Means along rows or columns: `step` from place to place, `jump` from line to line; beyond the map lies zero. */
function blurred(values: Float32Array, size: number, kernel: Float32Array, step: number, jump: number): Float32Array {
  const half = (kernel.length - 1) / 2;
  const result = new Float32Array(values.length);
  for (let line = 0; line < size; line++) {
    for (let place = 0; place < size; place++) {
      const last = Math.min(half, size - 1 - place);
      let sum = 0;
      for (let offset = Math.max(-half, -place); offset <= last; offset++) {
        sum += kernel[offset + half]! * values[line * jump + (place + offset) * step]!;
      }
      result[line * jump + place * step] = sum;
    }
  }
  return result;
}
