// What a job is at: the list of its steps, and the words for screen readers.
import type { JobState } from "./api";
import { byId, element } from "./controls";

const STEPS: Record<string, string> = {
  starting: "Starting",
  reading: "Reading the photo",
  finding: "Finding the face",
  geometry: "Fitting shape, pose and expression",
  encoding: "Predicting shape, pose and expression",
  eyes: "Aiming the eyes",
  appearance: "Separating skin and light",
  detail: "Recovering wrinkles",
  texture: "Painting the texture",
  writing: "Writing the files",
};
const title = (step: string) => STEPS[step] ?? step;

/** Before the server has answered. */
export function showSending(): void {
  byId("steps").replaceChildren(element("li", { class: "now" }, "Sending the photo"));
  say("Sending the photo", "Making the head");
}

export function showSteps(job: JobState): void {
  const now = job.step === null ? -1 : job.steps.indexOf(job.step);
  byId("steps").replaceChildren(
    ...job.steps.map((step, index) => {
      const kind = index === now ? "now" : index < now || job.state === "done" ? "over" : null;
      return element("li", { class: kind, "aria-current": index === now ? "step" : null }, title(step));
    }),
  );
  if (job.state === "waiting" && job.ahead) {
    const waiting = `Waiting: ${job.ahead} ${job.ahead === 1 ? "photo is" : "photos are"} done first`;
    say(waiting, waiting);
  } else if (now >= 0) {
    say(`Step ${now + 1} of ${job.steps.length}: ${title(job.steps[now]!)}`, "Making the head");
  } else {
    say(job.state === "waiting" ? "Waiting" : "", "Making the head");
  }
}

function say(announcement: string, heading: string): void {
  byId("announcement").textContent = announcement;
  byId("progress-title").textContent = heading;
}
