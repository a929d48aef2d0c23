/** An answer that stays on the page until the next one is there. */

export class Asking<T> {
  found = $state.raw<T | null>(null);
  error = $state.raw<unknown>(null);
  isBusy = $state(false);
  /** How long the answer took, as it was felt here. */
  seconds = $state<number | null>(null);
  #control: AbortController | null = null;

  /** Ask; what is still under way is given up. */
  async ask(how: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#control?.abort();
    const control = (this.#control = new AbortController());
    this.isBusy = true;
    const begin = performance.now();
    try {
      const found = await how(control.signal);
      if (control.signal.aborted) return;
      [this.found, this.error] = [found, null];
    } catch (error) {
      if (control.signal.aborted) return;
      [this.found, this.error] = [null, error];
    }
    this.seconds = (performance.now() - begin) / 1000;
    this.isBusy = false;
  }

  stop(): void {
    this.#control?.abort();
    this.isBusy = false;
  }

  /** As if nothing had been asked. */
  clear(): void {
    this.stop();
    [this.found, this.error, this.seconds] = [null, null, null];
  }
}
