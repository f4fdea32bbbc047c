// One head: head.glb with everything that can be changed about it.
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { figure, fileContent, type Vector } from "./api";
import { headMaterial, makeUniforms, setLook, type HeadUniforms, type Look } from "./material";
import { copied, JOINTS, type Joint, type Movement } from "./movement";
import { slopesTexture } from "./slopes";
import { Surface } from "./surface";

/** Where the photo was seen from: pixels of the photo of (x, y, 1) in the head frame, two rows of three. */
export interface PhotoCamera {
  matrix: Float32Array;
  width: number;
  height: number;
}

/** What the detail decoder needs to know of the person. */
export interface DecoderInput {
  jaw: Float32Array;
  expression: Float32Array;
  detail: Float32Array;
  /** Deviation of the surroundings with which depths are compared, texels. */
  reach: number;
}

export class Head {
  readonly root = new THREE.Group();
  readonly uniforms: HeadUniforms;
  /** As in the photo. */
  readonly reconstructed: Movement;
  readonly names: string[];
  private readonly bones: THREE.Bone[];
  /** Where the joints of the person as reconstructed are at rest, metres. */
  private readonly joints: THREE.Vector3[];

  private constructor(
    private readonly scene: THREE.Object3D,
    private readonly meshes: THREE.SkinnedMesh[],
    private readonly wires: THREE.SkinnedMesh[],
    uniforms: HeadUniforms,
    private readonly surface: Surface,
    /** How much of the relief is shaded over the texture, which shows part of it already. */
    readonly bumps: number,
    readonly photo: PhotoCamera,
    /** Null for a head whose detail the page cannot decode. */
    readonly source: DecoderInput | null,
    readonly licence: string,
  ) {
    this.uniforms = uniforms;
    this.root.add(scene);
    const mesh = meshes[0]!;
    this.names = Object.keys(mesh.morphTargetDictionary!);
    const weights = mesh.morphTargetInfluences!;
    this.bones = mesh.skeleton.bones;
    const joints = Object.fromEntries(JOINTS.map((joint) => [joint, [0, 0, 0] as Vector])) as Record<Joint, Vector>;
    for (const bone of this.bones) joints[bone.name as Joint] = axisAngle(bone.quaternion);
    this.reconstructed = {
      expression: Object.fromEntries(this.names.map((name, index) => [name, weights[index]!])),
      joints,
    };
    this.joints = mesh.skeleton.boneInverses.map((inverse) =>
      new THREE.Vector3().setFromMatrixPosition(inverse).negate(),
    );
    this.placeJoints(this.joints);
  }

  static async load(id: string): Promise<Head> {
    const [glb, file] = await Promise.all([fileContent(id, "head.glb"), figure(id)]);
    const gltf = await new GLTFLoader().parseAsync(glb, "");
    const { tensors, metadata } = file;
    const uniforms = makeUniforms();
    const meshes: THREE.SkinnedMesh[] = [];
    gltf.scene.traverse((node) => {
      if (node instanceof THREE.SkinnedMesh) meshes.push(node);
    });
    const wires = meshes.map((mesh) => dressed(mesh, uniforms));
    const relief = tensors.relief!;
    uniforms.reliefSlopes.value = slopesTexture(relief.data as Float32Array, relief.shape[0]!, 1e-3);
    const light = tensors.light!.data;
    uniforms.photoLight.value.forEach((band, index) => band.fromArray(light as unknown as number[], 3 * index));
    uniforms.darkening.value = Number(metadata.darkening);
    uniforms.lightLeft.value.fromArray(metadata.light_left!.split(" ").map(Number));
    const value = (name: string) => tensors[name]!.data as Float32Array;
    return new Head(
      gltf.scene,
      meshes,
      wires,
      uniforms,
      new Surface(meshes.map((mesh) => mesh.geometry), tensors, Float32Array.from(meshes[0]!.morphTargetInfluences!)),
      Number(metadata.bumps),
      { matrix: value("head_to_photo"), width: Number(metadata.photo_width), height: Number(metadata.photo_height) },
      metadata.decoder === "default"
        ? { jaw: value("jaw"), expression: value("expression"), detail: value("detail"), reach: Number(metadata.reach) }
        : null,
      metadata.licence ?? "",
    );
  }

  /** Whether its expressions are facial actions, each from 0 to 1; otherwise they are components without names. */
  get hasActions(): boolean {
    return this.names.includes("jawOpen");
  }

  /** Put actions and joints where a movement has them. */
  move(movement: Movement): void {
    this.surface.setWeights(this.weights(movement));
    for (const bone of this.bones) {
      const turn = new THREE.Vector3(...(movement.joints[bone.name as Joint] ?? [0, 0, 0]));
      const angle = turn.length();
      if (angle > 0) turn.divideScalar(angle);
      bone.quaternion.setFromAxisAngle(turn, angle);
    }
  }

  /** What the detail decoder reads of a movement; it takes the action jawOpen as what turns the jaw's joint. */
  decoderInput(movement: Movement): { jaw: Float32Array; expression: Float32Array } {
    return {
      jaw: Float32Array.from(movement.joints.jaw),
      expression: this.weights(movement),
    };
  }

  private weights(movement: Movement): Float32Array {
    return Float32Array.from(this.names, (name) => movement.expression[name] ?? 0);
  }

  /** Coefficients of the first components of shape, deviations, of the person as reconstructed. */
  get shape(): Float32Array {
    return this.surface.reconstructed;
  }

  /** Change the person: coefficients of the first components of shape, deviations. */
  setShape(coefficients: ArrayLike<number>): void {
    const moved = this.surface.setShape(coefficients);
    this.placeJoints(this.joints.map((joint, index) => joint.clone().add(moved[index]!)));
  }

  /** Bind the mesh to joints in these places. */
  private placeJoints(joints: THREE.Vector3[]): void {
    this.bones.forEach((bone, index) => {
      const parent = this.bones.indexOf(bone.parent as THREE.Bone);
      bone.position.copy(joints[index]!);
      if (parent >= 0) bone.position.sub(joints[parent]!);
    });
    for (const mesh of this.meshes) {
      mesh.skeleton.boneInverses.forEach((inverse, index) => {
        const joint = joints[index]!;
        inverse.makeTranslation(-joint.x, -joint.y, -joint.z);
      });
    }
  }

  setLook(look: Look, photoLight: boolean): void {
    for (const mesh of this.meshes) setLook(mesh.material as THREE.Material, look, photoLight);
  }

  set wireframe(shown: boolean) {
    for (const wire of this.wires) wire.visible = shown;
  }

  /** The middle of the head at rest and how tall it is, metres. */
  bounds(): { centre: THREE.Vector3; height: number } {
    const box = new THREE.Box3().setFromBufferAttribute(this.meshes[0]!.geometry.attributes.position as THREE.BufferAttribute);
    return { centre: box.getCenter(new THREE.Vector3()), height: box.max.y - box.min.y };
  }

  dispose(): void {
    this.uniforms.reliefSlopes.value?.dispose();
    for (const mesh of [...this.meshes, ...this.wires]) {
      mesh.geometry.dispose();
      mesh.skeleton.dispose();
      const material = mesh.material as THREE.MeshPhongMaterial;
      release(material.map);
      material.dispose();
    }
    this.scene.removeFromParent();
  }

  /** As in the photo, to be changed. */
  start(): Movement {
    return copied(this.reconstructed);
  }
}

/** The mesh in the head's material; returns another of its triangles' edges. */
function dressed(mesh: THREE.SkinnedMesh, uniforms: HeadUniforms): THREE.SkinnedMesh {
  const old = mesh.material as THREE.MeshStandardMaterial;
  const texture = old.map!;
  texture.anisotropy = 2;
  release(old.normalMap);
  old.dispose();
  mesh.material = headMaterial(texture, uniforms, old.name === "eyes" ? "eyes" : "skin");
  mesh.frustumCulled = false;
  const lines = new THREE.MeshBasicMaterial({ wireframe: true, color: 0x1c2733, transparent: true, opacity: 0.35 });
  const wire = new THREE.SkinnedMesh(mesh.geometry, lines);
  wire.bind(mesh.skeleton, mesh.bindMatrix);
  wire.frustumCulled = false;
  wire.visible = false;
  mesh.parent!.add(wire);
  return wire;
}

function release(texture: THREE.Texture | null): void {
  const image: unknown = texture?.image;
  texture?.dispose();
  if (image instanceof ImageBitmap) image.close();
}

function axisAngle(quaternion: THREE.Quaternion): Vector {
  const { x, y, z, w } = quaternion;
  const sine = Math.hypot(x, y, z);
  const scale = sine < 1e-9 ? 2 : (2 * Math.atan2(sine, w)) / sine;
  return [x * scale, y * scale, z * scale];
}
