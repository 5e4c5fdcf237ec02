/** The strip over depth and the histogram, as SVG. Both axes are logarithmic: outliers would press the rest flat. */
import type { ColourMap } from "./colours";
import { number, range, type Summary } from "./statistics";

const LEFT = 44; // for the axis' numbers
const BOTTOM = 18;

export interface StripInput {
  summaries: Summary[];
  chosen: number;
  token: number[] | null; // its norm in every block
  classNorms: Float32Array | null;
  outlier: string;
}

/** Draw minimum, median, maximum and outliers of every block. */
export function drawStrip(svg: SVGElement, { summaries, chosen, token, classNorms, outlier }: StripInput): void {
  const { clientWidth: width, clientHeight: height } = svg;
  if (!width) return; // the other view is shown
  const [right, bottom] = [width - 4, height - BOTTOM];
  const all = [...summaries.flatMap((each) => [each.min, each.max]), ...(classNorms ?? [])];
  const highest = Math.max(...all);
  const floor = Math.max(Math.min(...all), highest * 1e-4, 1e-12);
  const span = Math.log(Math.max(highest / floor, 1.01));
  const slot = (right - LEFT) / summaries.length;
  const x = (block: number): number => LEFT + (block + 0.5) * slot;
  const y = (value: number): number => bottom - 2 - (Math.log(Math.max(value, floor) / floor) / span) * (bottom - 12);
  const line = (values: ArrayLike<number>): string =>
    Array.from(values, (value, block) => `${x(block).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const maxima = summaries.map((each) => each.max);
  const minima = summaries.map((each) => each.min);
  const polyline = (values: ArrayLike<number>, colour: string, thick: number): string =>
    `<polyline points="${line(values)}" fill="none" stroke="${colour}" stroke-width="${thick}" stroke-linejoin="round"/>`;
  const band = `${line(maxima)} ${line(minima).split(" ").reverse().join(" ")}`;
  const most = Math.max(...summaries.map((each) => each.outliers));
  const bars = summaries.map(({ outliers }, block) => {
    const tall = outliers ? Math.max(3, (outliers / most) * bottom * 0.6) : 0;
    return `<rect x="${x(block) - slot * 0.1}" y="2" width="${slot * 0.2}" height="${tall}" fill="${outlier}"/>`;
  });
  const every = Math.ceil(26 / slot);
  const numbers = summaries.map((_, block) =>
    block === chosen || (block % every === 0 && Math.abs(block - chosen) >= every)
      ? `<text x="${x(block)}" y="${height - 2}" text-anchor="middle"${block === chosen ? ' style="fill:var(--accent)"' : ""}>${block}</text>`
      : "",
  );
  svg.innerHTML = [
    `<rect x="${x(chosen) - slot / 2}" y="0" width="${slot}" height="${bottom}" fill="var(--raised)"/>`,
    `<polygon points="${band}" fill="var(--hover)" opacity=".75"/>`,
    ...bars,
    polyline(minima, "var(--faint)", 1.2),
    polyline(maxima, "var(--muted)", 1.2),
    polyline(summaries.map((each) => each.median), "var(--accent)", 2.4),
    classNorms ? polyline(classNorms, "var(--warn)", 1.6) : "",
    token ? polyline(token, "var(--text)", 2.4) : "",
    `<circle cx="${x(chosen)}" cy="${y(summaries[chosen].median)}" r="4" fill="var(--text)"/>`,
    `<line x1="${LEFT}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="var(--edge)"/>`,
    `<text x="${LEFT - 8}" y="14" text-anchor="end">${number(highest)}</text>`,
    `<text x="${LEFT - 8}" y="${bottom - 2}" text-anchor="end">${number(floor)}</text>`,
    ...numbers,
  ].join("");
}

/** The block at a place of the strip. */
export function blockAt(svg: SVGElement, clientX: number, count: number): number {
  const rect = svg.getBoundingClientRect();
  const share = (clientX - rect.left - LEFT) / (rect.width - 4 - LEFT);
  return Math.max(0, Math.min(Math.floor(share * count), count - 1));
}

const ASIDE = 8; // pixels after which a finger has gone one way

/** Presses, drags and taps on the strip; not a finger that scrolls the page over it. */
export function followStrip(svg: SVGElement, choose: (clientX: number) => void): void {
  let start = 0;
  let scrolls = false; // or may do so yet
  svg.onpointerdown = (event) => {
    svg.setPointerCapture(event.pointerId);
    [start, scrolls] = [event.clientX, event.pointerType === "touch"];
  };
  svg.onpointermove = (event) => {
    if (Math.abs(event.clientX - start) > ASIDE) scrolls = false;
    if (event.buttons && !scrolls) choose(event.clientX);
  };
  svg.onpointerup = (event) => choose(event.clientX);
}

/** How often which value occurs, each bar in its colour; outliers are told beside. */
export function drawHistogram(svg: SVGElement, values: Float32Array, shown: Summary, colours: ColourMap, value: number | null): void {
  const { clientWidth: width, clientHeight: height } = svg;
  if (!width) return;
  const rest = values.filter((each) => each <= shown.threshold);
  const { outliers } = shown;
  const note = outliers > 1 ? `${outliers} outliers to ${number(shown.max)}` : outliers ? `1 outlier: ${number(shown.max)}` : "";
  const right = width - (note ? note.length * 6.6 + 12 : 0);
  const bottom = height - BOTTOM;
  const [low, high] = range(rest.length ? rest : values);
  const span = high - low || 1;
  const bars = Math.max(8, Math.min(Math.floor(right / 5), Math.round(2 * Math.sqrt(rest.length))));
  const counts = new Array<number>(bars).fill(0);
  for (const each of rest) counts[Math.min(Math.floor(((each - low) / span) * bars), bars - 1)]++;
  const tallest = Math.log1p(Math.max(...counts));
  const drawn = counts.map((count, i) => {
    const tall = count ? Math.max(2, (Math.log1p(count) / tallest) * (bottom - 4)) : 0;
    const colour = colours.css((low + ((i + 0.5) / bars) * span - shown.low) / (shown.high - shown.low || 1));
    return `<rect x="${(i * right) / bars}" y="${bottom - tall}" width="${Math.max(right / bars - 1, 1)}" height="${tall}" fill="${colour}"/>`;
  });
  const at = value === null || value > high ? -1 : ((value - low) / span) * (right - 2);
  svg.innerHTML = [
    ...drawn,
    `<line x1="0" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="var(--edge)"/>`,
    at < 0 ? "" : `<rect x="${at}" y="0" width="2" height="${bottom}" fill="var(--text)"/>`,
    `<text x="0" y="${height - 2}">${number(low)}</text>`,
    `<text x="${right}" y="${height - 2}" text-anchor="end">${number(high)}</text>`,
    `<text x="${right / 2}" y="${height - 2}" text-anchor="middle">log count</text>`,
    note ? `<rect x="${(right + width) / 2}" y="${bottom / 3}" width="6" height="${(2 * bottom) / 3}" fill="${colours.outlier}"/>` : "",
    note ? `<text x="${width}" y="${height - 2}" text-anchor="end" style="fill:${colours.outlier}">${note}</text>` : "",
  ].join("");
}
