/** The image sizes that a model is offered at: a list in each view, of the same. */
import type { Card } from "./card";

const FACTORS = [0.5, 0.75, 1, 1.25, 1.5, 2, 3]; // of the model's own

export class Sizes {
  private readonly lists = [...document.querySelectorAll<HTMLSelectElement>(".size select")];

  constructor(choose: (side: number) => void) {
    for (const list of this.lists) list.onchange = () => choose(Number(list.value));
  }

  offer(card: Card): void {
    const own = ownSide(card);
    const { multiple } = card.preparation;
    const side = (factor: number): number => Math.max(Math.round((own * factor) / multiple), 1) * multiple;
    const sides = card.dynamic ? [...new Set(FACTORS.map((factor) => (factor === 1 ? own : side(factor))))] : [own];
    for (const list of this.lists) {
      list.replaceChildren(...sides.map((each) => new Option(`${each} px`, String(each), each === own)));
      list.disabled = sides.length === 1;
    }
  }

  show(side: number): void {
    for (const list of this.lists) list.value = String(side);
  }
}

/** What the model was trained at: where its sides differ, the longer. */
export function ownSide(card: Card): number {
  return Math.max(...card.native_size);
}
