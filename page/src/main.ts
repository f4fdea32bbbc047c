// The page: from a photo, over the steps, to the head and its controls.
import "./style.css";
import * as api from "./api";
import { takePhoto } from "./camera";
import { Comparison } from "./comparison";
import { byId, element, tabs } from "./controls";
import { Figure } from "./figure";
import { Head } from "./head";
import { DrivePanel } from "./panels/drive";
import { expressionPanel } from "./panels/expression";
import { identityPanel } from "./panels/identity";
import { lightPanel } from "./panels/light";
import { posePanel } from "./panels/pose";
import { savePanel } from "./panels/save";
import { Stage, type View } from "./stage";
import { showSending, showSteps } from "./steps";
import { startTheme } from "./theme";

const canvas = byId<HTMLCanvasElement>("canvas");
let stage: Stage;
let comparison: Comparison;
let drive: DrivePanel | null = null;
let server: api.About;
let shownId = "";
/** Counts what is opened, so that what comes too late is dropped. */
let turn = 0;

void begin();

async function begin(): Promise<void> {
  startTheme(byId("theme"));
  // A browser would leave the page for what is dropped on it.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  try {
    server = await api.about();
    makeStage();
  } catch (error) {
    screen("start");
    complain(error);
    return;
  }
  if (server.uploads) bindStart();
  byId("upload").hidden = !server.uploads;
  byId("start-title").textContent = server.uploads ? "A head from one photo" : "No head to be shown";
  byId("kept").textContent = `Results are deleted after ${hours(server.keep_hours)}.`;
  byId("again").hidden = !server.uploads;
  bindHeads();
  window.addEventListener("hashchange", () => void fromAddress());
  await fromAddress();
}

function makeStage(): void {
  try {
    stage = new Stage(canvas, byId("tools"), (reason) => tell(`Wrinkles stay as they are: the decoder does not run here (${reason}).`));
  } catch {
    throw new Error("This browser cannot draw in three dimensions: switch on WebGL 2 (hardware acceleration) in its settings, or take another.");
  }
  comparison = new Comparison(stage, () => drive?.end(), tell);
  bindStage();
}

function hours(count: number): string {
  return count === 1 ? "an hour" : `${count} hours`;
}

/** Open what the address names: a head, or a job that still runs. */
async function fromAddress(): Promise<void> {
  const id = location.hash.slice(1) || server.heads[0]?.id || "";
  if (id === shownId && id) return;
  if (!id) {
    close();
    return;
  }
  try {
    if (server.uploads) {
      const job = await api.jobState(id);
      if (job.state !== "done") {
        followJob(job);
        return;
      }
    }
    await open(id);
  } catch (error) {
    close();
    complain(error);
  }
}

function screen(name: "start" | "progress" | "head"): void {
  const before = document.body.dataset.screen;
  document.body.dataset.screen = name;
  if (before === name || before === "loading") return;
  // What had the focus is not seen any more: who uses keyboard or screen reader goes on here.
  byId({ start: "start-title", progress: "progress-title", head: "canvas" }[name]).focus({ preventScroll: true });
}

// The start.

function bindStart(): void {
  const file = byId<HTMLInputElement>("file");
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    file.value = "";
    if (chosen) void send(chosen, chosen.name);
  });
  byId("choose").addEventListener("click", () => file.click());
  byId("camera").addEventListener("click", async () => {
    const taken = await takePhoto();
    if (taken) void send(taken, "camera.jpg");
  });
  byId("again").addEventListener("click", () => {
    history.pushState(null, "", location.pathname);
    close();
    byId("choose").focus();
  });
  // A photo can be dropped anywhere.
  const drop = byId("drop");
  window.addEventListener("dragover", () => drop.classList.add("over"));
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  window.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    const dropped = event.dataTransfer?.files[0];
    if (dropped) void send(dropped, dropped.name);
  });
}

async function send(file: Blob, name: string): Promise<void> {
  complain(null);
  if (file.size > server.upload_bytes) {
    close();
    complain(new Error(`${name}: ${(file.size / 1e6).toFixed(0)} MB; at most ${server.upload_bytes / 1e6} MB are taken. Make the photo smaller.`));
    return;
  }
  const quality = document.querySelector<HTMLInputElement>("input[name=quality]:checked")!.value as api.Quality;
  const mine = ++turn;
  preview(file);
  showSending();
  screen("progress");
  try {
    const job = await api.sendPhoto(file, name, quality);
    if (mine === turn) {
      history.pushState(null, "", `#${job.id}`);
      followJob(job);
    } else {
      void api.deleteJob(job.id);
    }
  } catch (error) {
    if (mine !== turn) return;
    close();
    complain(error);
  }
}

function preview(file: Blob | null): void {
  const image = byId<HTMLImageElement>("preview");
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.hidden = true;
  if (!file) return;
  image.onload = () => (image.hidden = false);
  image.src = URL.createObjectURL(file);
}

// The steps.

function followJob(job: api.JobState): void {
  const mine = ++turn;
  screen("progress");
  showSteps(job);
  const leave = api.follow(
    job.id,
    (state) => {
      if (mine !== turn) {
        leave();
        return;
      }
      showSteps(state);
      if (state.state === "done") void open(state.id).catch(failed);
      if (state.state === "failed") failed(new Error(state.error ?? "It failed."));
    },
    () => {
      if (mine === turn) failed(new Error("The server does not know this photo any more. Send it again."));
    },
  );
  byId("cancel").onclick = () => {
    leave();
    void api.deleteJob(job.id).catch(() => undefined);
    history.replaceState(null, "", location.pathname);
    close();
  };
  const failed = (error: unknown) => {
    history.replaceState(null, "", location.pathname);
    close();
    complain(error);
  };
}

// The head.

async function open(id: string): Promise<void> {
  const mine = ++turn;
  const [head, files] = await Promise.all([Head.load(id), api.headFiles(id)]);
  if (mine !== turn) {
    head.dispose();
    return;
  }
  drive?.end();
  preview(null);
  shownId = id;
  const name = server.heads.find((listed) => listed.id === id)?.name ?? "head";
  comparison.stop();
  screen("head");
  stage.setHead(head);
  const figure = new Figure(head, stage);
  drive = new DrivePanel(figure);
  comparison.setFigure(figure, files.includes("photo.jpg") ? api.fileAddress(id, "photo.jpg") : null);
  const deleted = () => {
    history.pushState(null, "", location.pathname);
    close();
  };
  tabs(byId("tabs"), byId("pages"), [
    { title: "Expression", content: expressionPanel(figure, server.presets) },
    { title: "Pose", content: posePanel(figure) },
    { title: "Identity", content: identityPanel(figure, stage) },
    { title: "Light", content: lightPanel(stage) },
    { title: "Drive", content: drive.content },
    { title: "Save", content: savePanel(id, name, files, figure, stage, server.uploads ? deleted : null, tell) },
  ]);
  byId<HTMLSelectElement>("heads").value = id;
  document.title = name === "head" ? "deca" : `${name} – deca`;
  tell(head.source ? "The head is ready." : "The head is ready; its wrinkles stay as they are, for the page has no decoder for it.");
}

/** Back to the start. */
function close(): void {
  turn += 1;
  shownId = "";
  drive?.end();
  drive = null;
  comparison.setFigure(null, null);
  stage.setHead(null);
  preview(null);
  byId("pages").replaceChildren();
  byId("tabs").replaceChildren();
  byId("tabs").onkeydown = null;
  document.title = "deca";
  screen("start");
  complain(null);
}

function bindHeads(): void {
  const select = byId<HTMLSelectElement>("heads");
  byId("choose-head").hidden = server.heads.length < 2;
  byId("title").textContent = server.heads.length === 1 ? server.heads[0]!.name : "";
  select.replaceChildren(...server.heads.map(({ id, name }) => element("option", { value: id }, name)));
  select.addEventListener("change", () => {
    location.hash = select.value;
  });
}

function bindStage(): void {
  document.querySelectorAll<HTMLInputElement>("input[name=view]").forEach((input) => {
    input.addEventListener("change", () => stage.setView(input.value as View));
  });
  const detail = byId<HTMLInputElement>("detail");
  const showDetail = () => detail.style.setProperty("--share", `${100 * detail.valueAsNumber}%`);
  detail.addEventListener("input", () => {
    showDetail();
    stage.setDetail(detail.valueAsNumber);
  });
  showDetail();
  const keys: Record<string, () => void> = {
    ArrowLeft: () => stage.orbit(-6, 0),
    ArrowRight: () => stage.orbit(6, 0),
    ArrowUp: () => stage.orbit(0, 6),
    ArrowDown: () => stage.orbit(0, -6),
    "+": () => stage.zoom(1.12),
    "=": () => stage.zoom(1.12),
    "-": () => stage.zoom(1 / 1.12),
    "0": () => stage.frame(),
  };
  canvas.addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  canvas.addEventListener("dblclick", () => stage.frame());
}

function complain(error: unknown): void {
  byId("problem").textContent = error === null ? "" : error instanceof Error ? error.message : String(error);
}

let toastTimer = 0;
function tell(text: string): void {
  byId("toast").textContent = text;
  clearTimeout(toastTimer);
  if (text) toastTimer = window.setTimeout(() => (byId("toast").textContent = ""), 3500);
}
