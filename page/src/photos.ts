/** The photos that were given, and the name of the one that is wanted. */
import { byId, within } from "./dom";

export interface Photo {
  name: string;
  blob: Blob;
}

export class Photos {
  private readonly all: Photo[] = [];
  private wanted: Photo | null = null;

  add(photos: Photo[]): void {
    this.all.push(...photos);
    this.showName();
  }

  remove(photo: Photo): void {
    this.all.splice(this.all.indexOf(photo), 1);
    this.showName();
  }

  want(photo: Photo | null): void {
    this.wanted = photo;
    this.showName();
  }

  /** The photo so many behind the wanted one, or before it. */
  beside(by: number): Photo | undefined {
    return this.all[this.index + by];
  }

  private get index(): number {
    return this.wanted ? this.all.indexOf(this.wanted) : -1;
  }

  private showName(): void {
    const { all, index } = this;
    byId("photos").hidden = !all.length;
    byId("photo-name").textContent = this.wanted?.name ?? "";
    byId("photo-name").title = this.wanted ? `${index + 1} of ${all.length}` : "";
    byId<HTMLButtonElement>("photo-previous").disabled = index <= 0;
    byId<HTMLButtonElement>("photo-next").disabled = index >= all.length - 1;
    for (const id of ["photo-previous", "photo-next"]) byId(id).hidden = all.length < 2;
  }
}

/** Buttons for the photos that the page came with. */
export function offerSamples(found: Photo[], take: (photo: Photo) => void): void {
  byId("samples").hidden = !found.length;
  within(byId("samples"), "div").replaceChildren(
    ...found.map((photo) => {
      const button = document.createElement("button");
      const image = document.createElement("img");
      image.src = URL.createObjectURL(photo.blob);
      image.alt = photo.name;
      button.append(image);
      button.onclick = () => take(photo);
      return button;
    }),
  );
}
