// The server's API, as its OpenAPI document has it.
import { readSafetensors, type TensorFile } from "./safetensors";

export interface About {
  version: string;
  uploads: boolean;
  heads: { id: string; name: string }[];
  /** Strengths of actions by the preset's name; one without a side stands for both. */
  presets: Record<string, Record<string, number>>;
  upload_bytes: number;
  keep_hours: number;
}

export interface JobState {
  id: string;
  state: "waiting" | "working" | "done" | "failed";
  steps: string[];
  step: string | null;
  ahead: number | null;
  error: string | null;
}

export type Vector = [number, number, number];

/** How a face in a picture moves: weights of actions, and what joints turn beyond them (axis-angle, radians). */
export interface SeenMovement {
  expression: Record<string, number>;
  jaw: Vector;
  eyes: [Vector, Vector];
  pose: Vector;
  box: [number, number, number, number];
}

export type Quality = "fit" | "encode";

/** What the server refused, in its own words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfter: number,
  ) {
    super(message);
  }
}

export const about = (): Promise<About> => json("api/about");
export const jobState = (id: string): Promise<JobState> => json(jobAddress(id));
export const headFiles = (id: string): Promise<string[]> => json(headAddress(id));
export const fileAddress = (id: string, name: string): string => `${headAddress(id)}/files/${name}`;
export const archiveAddress = (id: string): string => `${headAddress(id)}/archive.zip`;

// An id may come from the address that somebody followed.
const jobAddress = (id: string): string => `api/jobs/${encodeURIComponent(id)}`;
const headAddress = (id: string): string => `api/heads/${encodeURIComponent(id)}`;

export async function fileContent(id: string, name: string): Promise<ArrayBuffer> {
  return (await answer(fileAddress(id, name))).arrayBuffer();
}

export async function figure(id: string): Promise<TensorFile> {
  return readSafetensors(await (await answer(`${headAddress(id)}/figure.safetensors`)).arrayBuffer());
}

export function sendPhoto(photo: Blob, name: string, quality: Quality): Promise<JobState> {
  const form = new FormData();
  form.append("photo", photo, name);
  form.append("quality", quality);
  return json("api/jobs", { method: "POST", body: form });
}

export async function deleteJob(id: string): Promise<void> {
  await answer(jobAddress(id), { method: "DELETE" });
}

export function movement(photo: Blob, name: string, signal: AbortSignal): Promise<SeenMovement> {
  const form = new FormData();
  form.append("photo", photo, name);
  return json("api/movement", { method: "POST", body: form, signal });
}

/** Follow a job until it has ended; a lost connection is taken up again by the browser. */
export function follow(id: string, changed: (state: JobState) => void, lost: () => void): () => void {
  const events = new EventSource(`${jobAddress(id)}/events`);
  let failures = 0;
  events.onmessage = (event) => {
    failures = 0;
    const state = JSON.parse(event.data) as JobState;
    if (state.state === "done" || state.state === "failed") events.close();
    changed(state);
  };
  events.onerror = () => {
    failures += 1;
    // The browser gives up by itself when the job is not known any more.
    if (events.readyState === EventSource.CLOSED || failures > 5) {
      events.close();
      lost();
    }
  };
  return () => events.close();
}

async function json<T>(address: string, request?: RequestInit): Promise<T> {
  return (await answer(address, request)).json() as Promise<T>;
}

async function answer(address: string, request?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "The server cannot be reached. Is it still running?", 2);
  }
  if (response.ok) return response;
  let detail: unknown;
  try {
    detail = ((await response.json()) as { detail?: unknown }).detail;
  } catch {
    detail = response.statusText;
  }
  const text = typeof detail === "string" ? detail : `The server answered ${response.status}.`;
  throw new Refusal(response.status, text, Number(response.headers.get("Retry-After") ?? 0));
}
