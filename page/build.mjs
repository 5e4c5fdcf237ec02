// Writes what the Python package ships: the page in one file, and onnxruntime's WebAssembly, compressed.
// `npm ci && npm run build`; the result is committed, so that an install needs Python alone.
import { readFileSync, writeFileSync, mkdirSync, existsSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const OUT = "dptscope_page/assets";
const RUNTIME = "node_modules/onnxruntime-web";

async function bundled(entry, alias = {}) {
  const result = await build({
    entryPoints: [entry],
    alias,
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    legalComments: "none", // all of them stand in NOTICES.txt
    charset: "utf8",
    write: false,
  });
  return result.outputFiles[0].text.replaceAll("</script", "<\\/script");
}

const css = await build({ entryPoints: ["src/page.css"], minify: true, write: false, charset: "utf8" });
const parts = {
  notices: `<!--\n${readFileSync("src/NOTICES.txt", "utf8")}-->`,
  style: css.outputFiles[0].text,
  worker: await bundled("src/worker.ts"),
  gpu: await bundled("src/worker.ts", { "onnxruntime-web/wasm": "onnxruntime-web/jspi" }),
  main: await bundled("src/main.ts"),
};
mkdirSync(OUT, { recursive: true });
const filled = (text) => text.replace(/<!--build:(\w+)-->/g, (_, name) => parts[name].trimEnd());
writeFileSync(`${OUT}/page.html`, filled(readFileSync("src/page.html", "utf8")));
writeFileSync(`${OUT}/gpu.html`, filled('<script type="text/plain" id="gpu-worker"><!--build:gpu--></script>\n'));

for (const [kind, name] of [["", "onnxruntime"], [".jspi", "onnxruntime-webgpu"]]) {
  const wasm = readFileSync(`${RUNTIME}/dist/ort-wasm-simd-threaded${kind}.wasm`);
  const target = `${OUT}/${name}.wasm.gz`;
  // Another zlib packs the same bytes differently: what holds them already stays.
  if (!existsSync(target) || !gunzipSync(readFileSync(target)).equals(wasm)) {
    writeFileSync(target, gzipSync(wasm, { level: 9 }));
  }
}
