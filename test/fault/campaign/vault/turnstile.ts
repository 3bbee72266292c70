/** Many pass at once, or one alone: who wants to be alone waits for those inside, and keeps the others out meanwhile. */
export class Turnstile {
  private readonly inside = new Set<Promise<unknown>>();
  private alone: Promise<unknown> | undefined;

  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.alone !== undefined) await this.alone;
    const working = work();
    const ended: Promise<unknown> = working.then(
      () => this.inside.delete(ended),
      () => this.inside.delete(ended),
    );
    this.inside.add(ended);
    return working;
  }

  async passAlone<T>(work: () => Promise<T>): Promise<T> {
    while (this.alone !== undefined) await this.alone;
    const opened = Promise.withResolvers<void>();
    this.alone = opened.promise;
    try {
      await Promise.all(this.inside);
      return await work();
    } finally {
      this.alone = undefined;
      opened.resolve();
    }
  }
}
