/** Small help with elements. */

/** The element of an id; the page's own, so it is there. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found as unknown as T;
}

export function within<T extends Element = HTMLElement>(parent: ParentNode, selector: string): T {
  const found = parent.querySelector<T>(selector);
  if (!found) throw new Error(`no element ${selector}`);
  return found;
}

export function press(element: Element, pressed: boolean): void {
  element.setAttribute("aria-pressed", String(pressed));
}

/** Text before the key's name that a button may hold. */
export function caption(button: Element, text: string): void {
  if (button.firstChild) button.firstChild.textContent = text;
}

/** Where in an element a pointer is, 0 to 1 in both directions. */
export function placeIn(element: Element, event: PointerEvent | MouseEvent): [x: number, y: number] {
  const rect = element.getBoundingClientRect();
  const share = (value: number): number => Math.min(Math.max(value, 0), 0.999999);
  return [share((event.clientX - rect.left) / rect.width), share((event.clientY - rect.top) / rect.height)];
}

/** Words beside the pointer, inside the element that holds them. */
export function labelAt(label: HTMLElement, text: string, [x, y]: [number, number]): void {
  label.hidden = !text;
  label.textContent = text;
  const { clientWidth, clientHeight } = label.parentElement as HTMLElement;
  label.style.left = `${Math.max(0, Math.min(x * clientWidth + 16, clientWidth - label.offsetWidth))}px`;
  label.style.top = `${y * clientHeight + (y < 0.8 ? 18 : -44)}px`;
}
