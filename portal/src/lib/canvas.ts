/** A canvas that is sharp on every screen, and the design's tokens to draw with. */

export interface Drawing {
  context: CanvasRenderingContext2D;
  /** The value of a token of `tokens.css`, such as --accent. */
  token: (name: string) => string;
}

/** An empty drawing of a size in CSS pixels; none where the browser has no canvas. */
export function drawing(canvas: HTMLCanvasElement, width: number, height: number): Drawing | null {
  const ratio = devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  // To set a size makes a new canvas, which takes longer than to empty this one.
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  if (context === null) return null;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, across, down);
  context.globalAlpha = 1;
  context.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  return { context, token: (name) => style.getPropertyValue(name).trim() };
}
