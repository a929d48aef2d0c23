/** A canvas that is sharp on every screen, and the design's tokens to draw with. */

export interface Drawing {
  context: CanvasRenderingContext2D;
  /** The value of a token of `tokens.css`, such as --accent. */
  token: (name: string) => string;
}

/** An empty drawing of a size in CSS pixels; none where the browser has no canvas. */
export function drawing(canvas: HTMLCanvasElement, width: number, height: number): Drawing | null {
  const ratio = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const context = canvas.getContext("2d");
  if (context === null) return null;
  context.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  return { context, token: (name) => style.getPropertyValue(name).trim() };
}
