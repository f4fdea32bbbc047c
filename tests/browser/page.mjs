// Shows /head.glb as any three.js page would, and lets the driver move its morph targets and joints.
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

const renderer = new THREE.WebGLRenderer({ antialias: true });
renderer.setSize(window.innerWidth, window.innerHeight);
document.body.append(renderer.domElement);

const scene = new THREE.Scene();
scene.background = new THREE.Color(0x404850);
scene.add(new THREE.HemisphereLight(0xffffff, 0x606060, 1.6));
const lamp = new THREE.DirectionalLight(0xffffff, 2.2);
lamp.position.set(-0.6, 0.8, 1); // from the upper left of the picture
scene.add(lamp);

const loaded = await new GLTFLoader().loadAsync("/head.glb");
scene.add(loaded.scene);
const meshes = [];
loaded.scene.traverse((node) => node.isSkinnedMesh && meshes.push(node));
const opened = meshes.map((mesh) => [...mesh.morphTargetInfluences]);
const turned = meshes.map((mesh) => mesh.skeleton.bones.map((bone) => bone.quaternion.clone()));
const bump = meshes.map((mesh) => mesh.material.normalScale.clone());
const bounds = new THREE.Box3().setFromObject(loaded.scene, true);

// Draws one view: weights of morph targets, rotations of joints (x, y, z in radians), where the camera stands (degrees),
// how strong the normal map is, and what to look at (metres; else the middle of the head). Returns where `points` fall, in pixels.
function show({ morphs = {}, joints = {}, azimuth = 0, elevation = 0, bumps = 1, zoom = 1, at = null, points = [] }) {
  meshes.forEach((mesh, index) => {
    mesh.morphTargetInfluences.splice(0, Infinity, ...opened[index]);
    for (const [name, weight] of Object.entries(morphs)) {
      if (!(name in mesh.morphTargetDictionary)) throw new Error(`no morph target ${name}`);
      mesh.morphTargetInfluences[mesh.morphTargetDictionary[name]] = weight;
    }
    mesh.material.normalScale.copy(bump[index]).multiplyScalar(bumps);
    mesh.skeleton.bones.forEach((bone, joint) => {
      if (bone.name in joints) bone.rotation.set(...joints[bone.name]);
      else bone.quaternion.copy(turned[index][joint]);
    });
  });
  const size = bounds.getSize(new THREE.Vector3()).y / zoom;
  const target = at ? new THREE.Vector3(...at) : bounds.getCenter(new THREE.Vector3());
  const camera = new THREE.PerspectiveCamera(25, window.innerWidth / window.innerHeight, 0.01, 10);
  const direction = new THREE.Vector3().setFromSphericalCoords(
    (1.1 * size) / 2 / Math.tan(THREE.MathUtils.degToRad(12.5)),
    THREE.MathUtils.degToRad(90 - elevation),
    THREE.MathUtils.degToRad(azimuth),
  );
  camera.position.copy(target).add(direction);
  camera.lookAt(target);
  renderer.render(scene, camera);
  return points.map((point) => {
    const seen = new THREE.Vector3(...point).project(camera);
    return [((seen.x + 1) / 2) * window.innerWidth, ((1 - seen.y) / 2) * window.innerHeight];
  });
}

// Where the vertices stand as the file opens, by three.js's own morphing and skinning; metres.
function vertices() {
  const count = meshes[0].geometry.attributes.position.count;
  return Array.from({ length: count }, (_, index) => meshes[0].getVertexPosition(index, new THREE.Vector3()).toArray());
}

// Where the driver looks: what was loaded, and the one thing to do with it.
window.head = {
  show,
  vertices: vertices(),
  morphs: Object.keys(meshes[0].morphTargetDictionary),
  joints: meshes[0].skeleton.bones.map((bone) => bone.name),
  materials: meshes.map((mesh) => mesh.material.name),
};
