// The head's material: three.js's own, with the relief's slopes turned into normals where they are shaded.
//
// A displacement D along the normal N tilts the surface's normal to N - grad D (Blinn 1978). The gradient is taken
// on the surface as it stands on the screen, from how position and UV change from pixel to pixel (Mikkelsen 2010):
// so it needs no tangents and is right under any morph target, joint or change of identity.
import * as THREE from "three";

export type Look = "texture" | "clay" | "normals";

export interface HeadUniforms {
  /** Slopes along u and down v of the reconstructed relief and of what the expression adds; metres a map. */
  reliefSlopes: THREE.IUniform<THREE.Texture | null>;
  changeSlopes: THREE.IUniform<THREE.Texture | null>;
  reliefAmount: THREE.IUniform<number>;
  changeAmount: THREE.IUniform<number>;
  /** How fast light fades with the depth of a hollow, per metre, and the least and the most that is left of it. */
  darkening: THREE.IUniform<number>;
  lightLeft: THREE.IUniform<THREE.Vector2>;
  /** Spherical harmonics of the photo's light times their factors. */
  photoLight: THREE.IUniform<THREE.Vector3[]>;
}

export function makeUniforms(): HeadUniforms {
  return {
    reliefSlopes: { value: null },
    changeSlopes: { value: null },
    reliefAmount: { value: 0 },
    changeAmount: { value: 0 },
    darkening: { value: 0 },
    lightLeft: { value: new THREE.Vector2(1, 1) },
    photoLight: { value: Array.from({ length: 9 }, () => new THREE.Vector3()) },
  };
}

/** How a head's material shows it, in the photo's own light or that of lamps: a program of its own for each. */
export function setLook(material: THREE.Material, look: Look, photoLight: boolean): void {
  const { LOOK: before, PHOTO_LIGHT: lit, ...others } = material.defines!;
  const defines = { ...others, LOOK: look.toUpperCase(), ...(photoLight ? { PHOTO_LIGHT: "" } : {}) };
  if (before === look.toUpperCase() && (lit !== undefined) === photoLight) return;
  material.defines = defines;
  material.needsUpdate = true;
}

/** Material of skin (with relief) or eyes (without) over the head's texture. */
export function headMaterial(texture: THREE.Texture, uniforms: HeadUniforms, part: "skin" | "eyes"): THREE.Material {
  // Blinn and Phong's gloss: several times cheaper than a physical one where there is no graphics card.
  const material = new THREE.MeshPhongMaterial({
    map: texture,
    specular: part === "skin" ? 0x1c1c1c : 0x555555,
    shininess: part === "skin" ? 14 : 120,
    // So that the lines of its triangles, where they are shown, lie on top.
    polygonOffset: true,
    polygonOffsetFactor: 1,
    polygonOffsetUnits: 1,
  });
  material.name = part;
  material.defines = { ...material.defines, USE_UV: "", LOOK: "TEXTURE", [part === "skin" ? "IS_SKIN" : "IS_EYES"]: "" };
  material.onBeforeCompile = (shader) => {
    Object.assign(shader.uniforms, uniforms);
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", "#include <common>\nattribute float hollow;\nvarying float vHollow;")
      .replace("#include <begin_vertex>", "#include <begin_vertex>\nvHollow = hollow;");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", `#include <common>\n${DECLARATIONS}`)
      .replace("#include <map_fragment>", `#include <map_fragment>\n${COLOUR}`)
      .replace("#include <normal_fragment_maps>", RELIEF)
      .replace("#include <opaque_fragment>", `${LIGHT}\n#include <opaque_fragment>`);
  };
  return material;
}

const DECLARATIONS = /* glsl */ `
#define TEXTURE 0
#define CLAY 1
#define NORMALS 2
uniform sampler2D reliefSlopes, changeSlopes;
uniform float reliefAmount, changeAmount, darkening;
uniform vec2 lightLeft;
varying float vHollow;
uniform vec3 photoLight[9];

vec3 encoded(vec3 linear) {
  return mix(linear * 12.92, 1.055 * pow(max(linear, vec3(0.0031308)), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, linear));
}
vec3 decoded(vec3 colour) {
  return mix(colour / 12.92, pow((max(colour, vec3(0.04045)) + 0.055) / 1.055, vec3(2.4)), step(0.04045, colour));
}`;

const COLOUR = /* glsl */ `
#if LOOK == CLAY
  #ifdef IS_EYES
    // Without irises open eyes look closed.
    float lightness = dot(encoded(diffuseColor.rgb), vec3(0.3, 0.59, 0.11));
    diffuseColor.rgb = vec3(0.52, 0.5, 0.48) * smoothstep(0.05, 0.55, lightness);
  #else
    diffuseColor.rgb = vec3(0.52, 0.5, 0.48);
  #endif
#elif LOOK == TEXTURE && defined(IS_SKIN)
{
  // As everywhere in deca: light multiplies encoded colours.
  float depth = vHollow + changeAmount * 1e-3 * texture2D(changeSlopes, vUv).z;
  diffuseColor.rgb = decoded(encoded(diffuseColor.rgb) * clamp(exp(-darkening * depth), lightLeft.x, lightLeft.y));
}
#endif`;

const RELIEF = /* glsl */ `
#ifdef IS_SKIN
{
  vec2 slope = reliefAmount * texture2D(reliefSlopes, vUv).xy + changeAmount * texture2D(changeSlopes, vUv).xy;
  vec3 right = dFdx(-vViewPosition), up = dFdy(-vViewPosition);
  vec3 acrossUp = cross(up, normal), acrossRight = cross(normal, right);
  float area = dot(right, acrossUp);
  vec3 gradient = sign(area) * (dot(slope, dFdx(vUv)) * acrossUp + dot(slope, dFdy(vUv)) * acrossRight);
  // Seen edge on, pixels say nothing of the surface.
  if (abs(area) > 1e-14) normal = normalize(abs(area) * normal - gradient);
}
#endif`;

const LIGHT = /* glsl */ `
#if LOOK == NORMALS
  outgoingLight = decoded(inverseTransformDirection(normal, viewMatrix) * 0.5 + 0.5);
#elif defined(PHOTO_LIGHT)
{
  // As everywhere in deca: light multiplies encoded colours.
  vec3 n = inverseTransformDirection(normal, viewMatrix);
  vec3 light = photoLight[0] + photoLight[1] * n.x + photoLight[2] * n.y + photoLight[3] * n.z + photoLight[4] * n.x * n.y
    + photoLight[5] * n.x * n.z + photoLight[6] * n.y * n.z + photoLight[7] * (n.x * n.x - n.y * n.y)
    + photoLight[8] * (3.0 * n.z * n.z - 1.0);
  outgoingLight = decoded(encoded(diffuseColor.rgb) * max(light, vec3(0.0)));
}
#endif`;
