// Where the head is seen: camera, lamps, ways of looking, and drawing only when something has changed.
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import type { Head } from "./head";
import type { Look } from "./material";
import type { Movement } from "./movement";
import { Wrinkles } from "./wrinkles";

export type View = Look | "wireframe";

const FIELD_OF_VIEW = 24;
const SLOW_FRAME_MS = 80;
const FAST_FRAME_MS = 25;
const STILL_MS = 600;

export interface Lamp {
  /** Degrees to the viewer's right of the front, and above it. */
  azimuth: number;
  elevation: number;
  strength: number;
}

/** The part of the photo that is shown in comparison, in pixels of the photo. */
interface Window {
  left: number;
  top: number;
  width: number;
  height: number;
}

export class Stage {
  private readonly renderer: THREE.WebGLRenderer;
  private readonly scene = new THREE.Scene();
  private readonly camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.05, 10);
  private readonly photoCamera = new THREE.OrthographicCamera();
  private readonly controls: OrbitControls;
  private readonly key = new THREE.DirectionalLight(0xffffff, 2.4);
  private readonly sky = new THREE.HemisphereLight(0xffffff, 0x8a8178, 1.1);
  private readonly wrinkles: Wrinkles;
  private head: Head | null = null;
  private view: View = "texture";
  private detail = 1;
  private photoLight = false;
  private comparing = false;
  private asked = false;
  /** By how much fewer pixels a side has while something moves, and at the moment. */
  private movingCoarseness = 1;
  private coarseness = 1;
  private sharpen = 0;
  private readonly pixelRatio = Math.min(window.devicePixelRatio, 2);

  constructor(
    private readonly canvas: HTMLCanvasElement,
    /** Lies over the lower edge of the canvas. */
    private readonly tools: HTMLElement,
    failed: (reason: string) => void,
  ) {
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: false });
    this.renderer.setPixelRatio(this.pixelRatio);
    this.scene.add(this.camera, this.sky, this.key);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = false;
    this.controls.minDistance = 0.25;
    this.controls.maxDistance = 2.5;
    this.controls.addEventListener("change", () => this.ask());
    this.wrinkles = new Wrinkles(() => this.ask(), failed);
    this.setLamp({ azimuth: -35, elevation: 35, strength: 1 });
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement!);
    canvas.addEventListener("webglcontextrestored", () => this.ask());
    this.resize();
  }

  /** Show another head, or none. */
  setHead(head: Head | null): void {
    this.head?.dispose();
    this.head?.root.removeFromParent();
    this.head = head;
    if (head) {
      head.uniforms.changeSlopes.value = this.wrinkles.texture;
      this.scene.add(head.root);
      this.apply();
      this.frame();
    }
    this.wrinkles.setPerson(head?.source ?? null);
    this.ask();
  }

  move(movement: Movement): void {
    if (!this.head) return;
    this.head.move(movement);
    this.wrinkles.show(this.head.decoderInput(movement));
    this.ask();
  }

  setShape(coefficients: ArrayLike<number>): void {
    this.head?.setShape(coefficients);
    this.ask();
  }

  setView(view: View): void {
    this.view = view;
    this.apply();
  }

  /** From the coarse head, 0, to all of its relief, 1. */
  setDetail(detail: number): void {
    this.detail = detail;
    this.apply();
  }

  setLamp(lamp: Lamp): void {
    const azimuth = THREE.MathUtils.degToRad(lamp.azimuth);
    const polar = THREE.MathUtils.degToRad(90 - lamp.elevation);
    this.key.position.setFromSphericalCoords(1, polar, azimuth);
    this.key.intensity = 2.5 * lamp.strength;
    this.ask();
  }

  setFill(strength: number): void {
    this.sky.intensity = 1.45 * strength;
    this.ask();
  }

  /** The light that was estimated from the photo, or lamps. */
  setPhotoLight(on: boolean): void {
    this.photoLight = on;
    this.apply();
  }

  /** Turn the camera by degrees to the right and up. */
  orbit(right: number, up: number): void {
    const offset = this.camera.position.clone().sub(this.controls.target);
    const place = new THREE.Spherical().setFromVector3(offset);
    place.theta += THREE.MathUtils.degToRad(right);
    place.phi = THREE.MathUtils.clamp(place.phi - THREE.MathUtils.degToRad(up), 0.05, Math.PI - 0.05);
    this.camera.position.copy(this.controls.target).add(offset.setFromSpherical(place));
    this.controls.update();
    this.ask();
  }

  zoom(factor: number): void {
    const offset = this.camera.position.clone().sub(this.controls.target);
    const distance = THREE.MathUtils.clamp(offset.length() / factor, this.controls.minDistance, this.controls.maxDistance);
    this.camera.position.copy(this.controls.target).add(offset.setLength(distance));
    this.controls.update();
    this.ask();
  }

  /** The whole head from the front. */
  frame(): void {
    if (!this.head) return;
    this.resize();
    const { centre, height } = this.head.bounds();
    const half = Math.tan(THREE.MathUtils.degToRad(FIELD_OF_VIEW / 2));
    const { clientWidth, clientHeight } = this.canvas;
    const free = Math.max(1, clientHeight - this.tools.offsetHeight) / clientHeight;
    const narrow = Math.min(free, clientWidth / clientHeight / 0.8);
    this.controls.target.copy(centre);
    this.camera.position.copy(centre).add(new THREE.Vector3(0, 0, (0.56 * height) / half / narrow));
    this.controls.update();
    this.ask();
  }

  /** Show the head exactly over its photo, or as usual; returns how the photo has to lie, in CSS pixels. */
  compare(on: boolean): { left: number; top: number; width: number; height: number } | null {
    this.comparing = on && this.head !== null;
    this.controls.enabled = !this.comparing;
    this.apply();
    if (!this.comparing || !this.head) return null;
    const { matrix, width, height } = this.head.photo;
    const part = this.photoWindow();
    const scale = this.canvas.clientWidth / part.width;
    // The photo's camera looks along -z; its window in metres.
    const x = (pixel: number) => (pixel - matrix[2]!) / matrix[0]!;
    const y = (pixel: number) => (pixel - matrix[5]!) / matrix[4]!;
    this.photoCamera.left = x(part.left);
    this.photoCamera.right = x(part.left + part.width);
    this.photoCamera.top = y(part.top);
    this.photoCamera.bottom = y(part.top + part.height);
    this.photoCamera.near = 0;
    this.photoCamera.far = 4;
    this.photoCamera.position.set(0, 0, 2);
    this.photoCamera.updateProjectionMatrix();
    return { left: -part.left * scale, top: -part.top * scale, width: width * scale, height: height * scale };
  }

  /** A picture of what is shown, at twice its size. */
  async screenshot(): Promise<Blob> {
    this.renderer.setPixelRatio(2 * this.pixelRatio);
    this.draw();
    const blob = await new Promise<Blob | null>((done) => this.canvas.toBlob(done, "image/png"));
    this.coarseness = 1;
    this.renderer.setPixelRatio(this.pixelRatio);
    this.draw();
    if (!blob) throw new Error("the browser could not make a PNG");
    return blob;
  }

  private photoWindow(): Window {
    const { matrix } = this.head!.photo;
    const { centre, height } = this.head!.bounds();
    const middle = { x: matrix[0]! * centre.x + matrix[2]!, y: matrix[4]! * centre.y + matrix[5]! };
    const aspect = this.canvas.clientWidth / this.canvas.clientHeight;
    const tall = Math.abs(matrix[4]!) * height * 1.25 * Math.max(1, 0.8 / aspect);
    return { left: middle.x - (tall * aspect) / 2, top: middle.y - tall / 2, width: tall * aspect, height: tall };
  }

  private apply(): void {
    if (!this.head) return;
    const { uniforms } = this.head;
    const look: Look = this.comparing ? "texture" : this.view === "wireframe" ? "clay" : this.view;
    this.head.setLook(look, this.comparing || this.photoLight);
    // A texture shows part of the reconstructed relief's shading already; clay and normals show none.
    uniforms.reliefAmount.value = this.detail * (look === "texture" ? this.head.bumps : 1);
    uniforms.changeAmount.value = this.detail;
    this.head.wireframe = this.view === "wireframe" && !this.comparing;
    this.ask();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas.parentElement!;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    // The middle is that of what the tools leave free.
    this.camera.setViewOffset(clientWidth, clientHeight, 0, this.tools.offsetHeight / 2, clientWidth, clientHeight);
    this.camera.updateProjectionMatrix();
    this.canvas.dispatchEvent(new Event("stage-resized"));
    this.draw();
  }

  private ask(): void {
    if (this.asked) return;
    this.asked = true;
    const since = performance.now();
    requestAnimationFrame(() => {
      this.asked = false;
      this.adapt(performance.now() - since);
      this.draw();
    });
  }

  /**
   * Where drawing is slow, as without a graphics card, pictures of something that moves are made of fewer pixels, and
   * the last one of all of them. The browser lets a frame wait, here for so many milliseconds, while it still draws
   * the one before.
   */
  private adapt(waited: number): void {
    const moving = this.sharpen !== 0;
    clearTimeout(this.sharpen);
    this.sharpen = window.setTimeout(() => {
      this.sharpen = 0;
      if (this.coarseness === 1) return;
      this.setCoarseness(1);
      this.draw();
    }, STILL_MS);
    // A movement's first frame has waited for nothing.
    if (moving && waited > SLOW_FRAME_MS) this.movingCoarseness = Math.min(3, this.movingCoarseness * 1.6);
    if (moving && waited < FAST_FRAME_MS) this.movingCoarseness = Math.max(1, this.movingCoarseness / 1.2);
    this.setCoarseness(this.movingCoarseness);
  }

  private setCoarseness(coarseness: number): void {
    if (coarseness === this.coarseness) return;
    this.coarseness = coarseness;
    this.renderer.setPixelRatio(this.pixelRatio / coarseness);
  }

  private draw(): void {
    if (this.canvas.clientWidth === 0) return;
    this.renderer.render(this.scene, this.comparing ? this.photoCamera : this.camera);
  }
}
