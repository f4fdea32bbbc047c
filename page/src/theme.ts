// Light or dark: as the system says, until somebody chooses.

const KEY = "deca-theme";

export function startTheme(button: HTMLElement): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const kept = storage();
  let chosen = kept?.getItem(KEY) ?? null;
  const show = () => {
    const theme = chosen ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-pressed", String(theme === "dark"));
    button.title = theme === "dark" ? "Light" : "Dark";
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    // What the system would say anyway is not a choice to be kept.
    if (chosen === (dark.matches ? "dark" : "light")) kept?.removeItem(KEY);
    else kept?.setItem(KEY, chosen);
    show();
  });
  dark.addEventListener("change", show);
  show();
}

/** What the browser keeps for the page; null where it was told to keep nothing. */
function storage(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
