// The mesh at rest under actions and identity: positions and normals, made anew when one of them changes.
//
// Both are linear in all weights, so they are summed here once for a change instead of by the graphics card for every
// picture, and the normals are those of the sum.
import * as THREE from "three";
import { Surroundings } from "./hollows";
import type { Tensor } from "./safetensors";

/** What moves when an action is at one: some vertices, and by how much. */
interface Target {
  vertices: Uint32Array;
  moves: Float32Array;
}

export class Surface {
  /** Coefficients of the first components of shape, of the person as reconstructed. */
  readonly reconstructed: Float32Array;
  private readonly position: THREE.BufferAttribute;
  private readonly normal: THREE.BufferAttribute;
  private readonly base: Float32Array;
  private readonly person: Float32Array;
  private readonly targets: Target[];
  private readonly triangles: Uint32Array;
  /** Where the texture has a seam, several vertices of the GLB are one of the head. */
  private readonly vertices: Int32Array;
  private readonly identity: Tensor;
  private readonly jointIdentity: Tensor;
  private readonly sums: Float32Array;
  private readonly surroundings: Surroundings;
  /** The head's own positions and normals, of which the GLB has some twice. */
  private readonly places: Float32Array;
  private readonly outward: Float32Array;
  /** How much deeper than in the photo each vertex lies, metres, and how deep it lay there. */
  private readonly hollow: THREE.BufferAttribute;
  private readonly before: Float32Array;
  private weights: Float32Array;

  /** Takes the morph targets out of the geometries, which share their vertices; `weights` are those of the photo. */
  constructor(geometries: THREE.BufferGeometry[], tensors: Record<string, Tensor>, weights: Float32Array) {
    const geometry = geometries[0]!;
    this.position = geometry.attributes.position as THREE.BufferAttribute;
    this.normal = geometry.attributes.normal as THREE.BufferAttribute;
    this.base = Float32Array.from(this.position.array);
    this.person = Float32Array.from(this.base);
    this.targets = geometry.morphAttributes.position!.map((attribute) => sparse(attribute.array as Float32Array));
    for (const each of geometries) {
      each.morphAttributes = {};
      each.deleteAttribute("tangent");
    }
    this.triangles = Uint32Array.from(geometries.flatMap((each) => Array.from(each.index!.array)));
    this.vertices = tensors.vertices!.data as Int32Array;
    this.identity = tensors.identity!;
    this.jointIdentity = tensors.identity_joints!;
    this.reconstructed = (tensors.shape!.data as Float32Array).slice(0, this.identity.shape[0]);
    this.sums = new Float32Array(3 * this.identity.shape[1]!);
    this.surroundings = new Surroundings(tensors);
    this.places = new Float32Array(this.sums.length);
    this.outward = new Float32Array(this.sums.length);
    this.hollow = new THREE.BufferAttribute(new Float32Array(this.vertices.length), 1);
    for (const each of geometries) each.setAttribute("hollow", this.hollow);
    this.before = new Float32Array(this.sums.length / 3);
    this.weights = weights;
    this.make();
    this.before.set(this.depths());
    this.make();
  }

  /** Weights of all actions. */
  setWeights(weights: Float32Array): void {
    this.weights = weights;
    this.make();
  }

  /** Coefficients of the first components of shape; returns how far the joints move, metres, joint by joint. */
  setShape(coefficients: ArrayLike<number>): THREE.Vector3[] {
    this.person.set(this.base);
    const { data } = this.identity;
    const count = this.identity.shape[1]!;
    const joints = Array.from({ length: this.jointIdentity.shape[1]! }, () => new THREE.Vector3());
    for (let component = 0; component < this.identity.shape[0]!; component++) {
      const change = coefficients[component]! - this.reconstructed[component]!;
      if (change === 0) continue;
      for (let index = 0; index < this.vertices.length; index++) {
        const from = 3 * (component * count + this.vertices[index]!);
        for (let axis = 0; axis < 3; axis++) this.person[3 * index + axis]! += change * data[from + axis]!;
      }
      joints.forEach((joint, number) => {
        const from = 3 * (component * joints.length + number);
        const [x, y, z] = this.jointIdentity.data.subarray(from, from + 3);
        joint.addScaledVector(new THREE.Vector3(x, y, z), change);
      });
    }
    this.make();
    return joints;
  }

  private make(): void {
    const positions = this.position.array as Float32Array;
    positions.set(this.person);
    this.targets.forEach(({ vertices, moves }, number) => {
      const weight = this.weights[number]!;
      if (weight === 0) return;
      for (let index = 0; index < vertices.length; index++) {
        const place = 3 * vertices[index]!;
        positions[place]! += weight * moves[3 * index]!;
        positions[place + 1]! += weight * moves[3 * index + 1]!;
        positions[place + 2]! += weight * moves[3 * index + 2]!;
      }
    });
    this.position.needsUpdate = true;
    this.makeNormals(positions);
    const depths = this.depths();
    const hollow = this.hollow.array as Float32Array;
    this.vertices.forEach((vertex, index) => (hollow[index] = depths[vertex]! - this.before[vertex]!));
    this.hollow.needsUpdate = true;
  }

  private depths(): Float32Array {
    const { places, outward, vertices } = this;
    const positions = this.position.array;
    const normals = this.normal.array;
    for (let index = 0; index < vertices.length; index++) {
      for (let axis = 0, to = 3 * vertices[index]!; axis < 3; axis++) {
        places[to + axis] = positions[3 * index + axis]!;
        outward[to + axis] = normals[3 * index + axis]!;
      }
    }
    return this.surroundings.depths(places, outward);
  }

  /** Means over the triangles around each vertex by their areas, the same on both sides of the texture's seams. */
  private makeNormals(positions: Float32Array): void {
    const { sums, triangles, vertices } = this;
    sums.fill(0);
    for (let corner = 0; corner < triangles.length; corner += 3) {
      const a = triangles[corner]!;
      const b = triangles[corner + 1]!;
      const c = triangles[corner + 2]!;
      const x = positions[3 * a]!;
      const y = positions[3 * a + 1]!;
      const z = positions[3 * a + 2]!;
      const bx = positions[3 * b]! - x;
      const by = positions[3 * b + 1]! - y;
      const bz = positions[3 * b + 2]! - z;
      const cx = positions[3 * c]! - x;
      const cy = positions[3 * c + 1]! - y;
      const cz = positions[3 * c + 2]! - z;
      const nx = by * cz - bz * cy;
      const ny = bz * cx - bx * cz;
      const nz = bx * cy - by * cx;
      for (let place = 3 * vertices[a]!, end = 0; end < 3; end++) {
        sums[place]! += nx;
        sums[place + 1]! += ny;
        sums[place + 2]! += nz;
        place = 3 * vertices[end === 0 ? b : c]!;
      }
    }
    const normals = this.normal.array as Float32Array;
    for (let index = 0; index < vertices.length; index++) {
      const from = 3 * vertices[index]!;
      const [x, y, z] = [sums[from]!, sums[from + 1]!, sums[from + 2]!];
      const scale = 1 / Math.max(Math.hypot(x, y, z), 1e-20);
      normals[3 * index] = x * scale;
      normals[3 * index + 1] = y * scale;
      normals[3 * index + 2] = z * scale;
    }
    this.normal.needsUpdate = true;
  }
}

function sparse(moves: Float32Array): Target {
  const vertices: number[] = [];
  for (let index = 0; index < moves.length / 3; index++) {
    if (moves[3 * index] || moves[3 * index + 1] || moves[3 * index + 2]) vertices.push(index);
  }
  const moved = vertices.flatMap((index) => Array.from(moves.subarray(3 * index, 3 * index + 3)));
  return { vertices: Uint32Array.from(vertices), moves: Float32Array.from(moved) };
}
