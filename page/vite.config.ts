import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

/** Writes what the build was made of beside it, so that a test can say when it is out of date. */
function sourcesHash(): Plugin {
  return {
    name: "sources-hash",
    generateBundle() {
      const hash = createHash("sha256");
      const files = readdirSync(import.meta.dirname, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(import.meta.dirname.length + 1))
        .filter((file) => !file.startsWith("node_modules"))
        .sort();
      for (const file of files) {
        hash.update(`${file}\n`);
        hash.update(readFileSync(join(import.meta.dirname, file)));
      }
      this.emitFile({ type: "asset", fileName: "sources.sha256", source: `${hash.digest("hex")}\n` });
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [sourcesHash()],
  build: {
    outDir: "../src/deca/data/page",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of its own: the server's content policy allows no data: scripts or styles.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    license: { fileName: "licences.md" },
    rolldownOptions: {
      input: { index: resolve(import.meta.dirname, "index.html"), docs: resolve(import.meta.dirname, "docs.html") },
    },
  },
  worker: { format: "es" },
});
