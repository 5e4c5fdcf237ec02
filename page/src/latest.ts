/** Runs one task at a time; of those that come meanwhile only the last is kept. A slider asks more often than is answered. */
export class Latest {
  private running = false;
  private next: (() => Promise<void>) | null = null;

  ask(task: () => Promise<void>): void {
    this.next = task;
    if (!this.running) void this.work();
  }

  private async work(): Promise<void> {
    this.running = true;
    try {
      while (this.next) {
        const task = this.next;
        this.next = null;
        await task();
      }
    } finally {
      this.running = false;
    }
  }
}
