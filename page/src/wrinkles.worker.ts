// Runs the detail decoder off the page's thread: expression and jaw in, slopes and depths of what they add to the relief
// out.
import * as THREE from "three";
import * as ort from "onnxruntime-web/wasm";
import network from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { depthsOf } from "./hollows";
import { CHANGE_PARTS, RELIEF_SIZE, slopes } from "./slopes";

export interface Person {
  kind: "person";
  jaw: Float32Array;
  expression: Float32Array;
  detail: Float32Array;
  /** Deviation of the surroundings with which depths are compared, texels. */
  reach: number;
}

export interface Moves {
  kind: "moves";
  jaw: Float32Array;
  expression: Float32Array;
}

export type Reply = { kind: "slopes"; slopes: Uint16Array<ArrayBuffer> } | { kind: "failed"; reason: string };

ort.env.wasm.wasmPaths = { wasm: new URL(network, self.location.href).href };
// One thread runs it fast enough, and needs no isolation from other pages.
ort.env.wasm.numThreads = 1;

const session = ort.InferenceSession.create(new URL("../api/decoder.onnx", self.location.href).href);
let detail = new Float32Array();
let reach = 1;
let reconstructed = new Float32Array(RELIEF_SIZE * RELIEF_SIZE);

// One after the other: what an expression adds needs the person's own relief first.
let last: Promise<void> = Promise.resolve();
self.onmessage = (event: MessageEvent<Person | Moves>) => {
  last = last.then(() => answer(event.data));
};

async function answer(message: Person | Moves): Promise<void> {
  try {
    if (message.kind === "person") {
      detail = message.detail as Float32Array<ArrayBuffer>;
      reach = message.reach;
      reconstructed = await decoded(message);
      return;
    }
    const change = await decoded(message);
    for (let texel = 0; texel < change.length; texel++) change[texel]! -= reconstructed[texel]!;
    const result = slopes(change, RELIEF_SIZE, 1, CHANGE_PARTS);
    // In millimetres: half precision has few digits below.
    depthsOf(change, RELIEF_SIZE, reach).forEach((depth, texel) => {
      result[CHANGE_PARTS * texel + 2] = THREE.DataUtils.toHalfFloat(1000 * depth);
    });
    reply({ kind: "slopes", slopes: result }, [result.buffer]);
  } catch (error) {
    reply({ kind: "failed", reason: String(error) }, []);
  }
}

async function decoded({ jaw, expression }: { jaw: Float32Array; expression: Float32Array }): Promise<Float32Array<ArrayBuffer>> {
  const row = (data: Float32Array) => new ort.Tensor("float32", data, [1, data.length]);
  const outputs = await (await session).run({ jaw: row(jaw), expression: row(expression), detail: row(detail) });
  return (await outputs.displacement!.getData()) as Float32Array<ArrayBuffer>;
}

function reply(message: Reply, moved: Transferable[]): void {
  (self as unknown as Worker).postMessage(message, moved);
}
