// Displacement maps to their slopes, which is what shading needs of them.
import * as THREE from "three";

/** Texels along a side of what the detail decoder gives. */
export const RELIEF_SIZE = 256;
/** Numbers a texel of what an expression changes: two slopes, a depth, and one that graphics cards want. */
export const CHANGE_PARTS = 4;

/**
 * Slopes along u and down v, by central differences, in half precision, `parts` numbers a texel.
 *
 * `metres` is the unit of the heights; the slopes are metres for a whole map.
 */
export function slopes(heights: Float32Array, size: number, metres: number, parts = 2): Uint16Array<ArrayBuffer> {
  const result = new Uint16Array(parts * size * size);
  const scale = (size / 2) * metres;
  const half = THREE.DataUtils.toHalfFloat;
  for (let row = 0; row < size; row++) {
    const here = row * size;
    const above = (row === 0 ? row : row - 1) * size;
    const below = (row === size - 1 ? row : row + 1) * size;
    for (let column = 0; column < size; column++) {
      const left = heights[here + (column === 0 ? column : column - 1)]!;
      const right = heights[here + (column === size - 1 ? column : column + 1)]!;
      const place = parts * (here + column);
      result[place] = half((right - left) * scale);
      result[place + 1] = half((heights[below + column]! - heights[above + column]!) * scale);
    }
  }
  return result;
}

/** Heights at half the size: the mean of four. */
export function halved(heights: Float32Array, size: number): Float32Array {
  const small = size / 2;
  const result = new Float32Array(small * small);
  for (let row = 0; row < small; row++) {
    for (let column = 0; column < small; column++) {
      const place = 2 * row * size + 2 * column;
      result[row * small + column] =
        (heights[place]! + heights[place + 1]! + heights[place + size]! + heights[place + size + 1]!) / 4;
    }
  }
  return result;
}

/** A texture of slopes, with all its smaller versions. */
export function slopesTexture(heights: Float32Array, size: number, metres: number): THREE.DataTexture {
  const texture = new THREE.DataTexture(slopes(heights, size, metres), size, size, THREE.RGFormat, THREE.HalfFloatType);
  texture.magFilter = THREE.LinearFilter;
  texture.minFilter = THREE.LinearMipmapLinearFilter;
  texture.generateMipmaps = false;
  const levels = [{ data: texture.image.data as Uint16Array<ArrayBuffer>, width: size, height: size }];
  for (let side = size, level = heights; side > 1; ) {
    level = halved(level, side);
    side /= 2;
    levels.push({ data: slopes(level, side, metres), width: side, height: side });
  }
  texture.mipmaps = levels;
  texture.needsUpdate = true;
  return texture;
}

/** The texture of what an expression changes: nothing yet. */
export function changeTexture(): THREE.DataTexture {
  const data = new Uint16Array(CHANGE_PARTS * RELIEF_SIZE * RELIEF_SIZE);
  const texture = new THREE.DataTexture(data, RELIEF_SIZE, RELIEF_SIZE, THREE.RGBAFormat, THREE.HalfFloatType);
  texture.magFilter = THREE.LinearFilter;
  texture.minFilter = THREE.LinearFilter;
  texture.needsUpdate = true;
  return texture;
}
