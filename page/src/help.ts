/** The table of keys, drawn from what handles them. */
import { byId, within } from "./dom";
import type { Key } from "./view";

const SIGNS: Record<string, string> = { ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

export function showHelp(sections: [heading: string, keys: Key[]][]): void {
  const dialog = byId<HTMLDialogElement>("help");
  within(dialog, "div").replaceChildren(
    ...sections.map(([heading, keys]) => {
      const section = document.createElement("section");
      section.append(Object.assign(document.createElement("h3"), { textContent: heading }));
      const list = document.createElement("dl");
      for (const [names, help] of keys) {
        const term = Object.assign(document.createElement("dt"), { textContent: names.map((name) => SIGNS[name] ?? name).join(" ") });
        list.append(term, Object.assign(document.createElement("dd"), { textContent: help }));
      }
      section.append(list);
      return section;
    }),
  );
  dialog.showModal();
}
