/** The map server that the operator set, if any: its pictures, which are fetched as they are needed. */

import { tilesOf, type Pixels, type View } from "./mercator";

export interface TileServer {
  /** An address with {z}, {x} and {y}. */
  template: string;
  /** Whose map it is, which has to be told. */
  attribution: string;
}

const MOST_ZOOM = 18;
const MOST_KEPT = 400;

/** As the server says it in the page. */
export function tileServer(): TileServer | null {
  const told = document.querySelector<HTMLMetaElement>("meta[name='map-tiles']");
  const template = told?.content ?? "";
  return template ? { template, attribution: told?.dataset["attribution"] ?? "" } : null;
}

export class Tiles {
  private readonly images = new Map<string, HTMLImageElement>();

  constructor(
    private readonly server: TileServer,
    /** Called when a picture has come. */
    private readonly come: () => void,
  ) {}

  draw(context: CanvasRenderingContext2D, view: View, pixels: Pixels): void {
    for (const { z, x, y, left, top, side } of tilesOf(view, pixels, MOST_ZOOM)) {
      const image = this.image(`${z}/${x}/${y}`, z, x, y);
      if (!image.complete || image.naturalWidth === 0) continue;
      // To whole pixels, since seams show between pictures that end within one.
      const [x1, y1] = [Math.round(left), Math.round(top)];
      context.drawImage(image, x1, y1, Math.round(left + side) - x1, Math.round(top + side) - y1);
    }
  }

  private image(key: string, z: number, x: number, y: number): HTMLImageElement {
    const known = this.images.get(key);
    if (known) return known;
    if (this.images.size >= MOST_KEPT) this.images.delete(this.images.keys().next().value ?? "");
    const image = new Image();
    image.referrerPolicy = "origin";
    image.onload = this.come;
    image.src = this.server.template
      .replace("{z}", String(z)).replace("{x}", String(x)).replace("{y}", String(y));
    this.images.set(key, image);
    return image;
  }
}
