/** Files in memory as a disk has them: what was not flushed may be there after a crash, in part, or not. */
import type { MirrorFile, MirrorFiles } from '../../../workers/index/mirror/files.ts';

type Bytes = Uint8Array<ArrayBuffer>;

interface Stored {
  /** What the process sees. */
  now: Bytes;
  /** What is on the disk for certain. */
  kept: Bytes;
  /** Writes since. */
  pending: { readonly at: number; readonly bytes: Bytes }[];
  open: object | null;
}

const EMPTY: Bytes = new Uint8Array(0);

function written(before: Bytes, at: number, bytes: Bytes): Bytes {
  const after = new Uint8Array(Math.max(before.length, at + bytes.length));
  after.set(before);
  after.set(bytes, at);
  return after;
}

export class MirrorDisk {
  readonly files = new Map<string, Stored>();
  /** Counts operations; the one of this number fails, and all after it while `broken` is true. */
  operations = 0;
  failAt = Number.POSITIVE_INFINITY;
  failure: () => Error = () => new DOMException('The disk is full.', 'QuotaExceededError');
  broken = false;
  /** A crash raises it: handles of before do nothing any more. */
  age = 0;

  step(): void {
    this.operations += 1;
    if (this.operations === this.failAt || this.broken) throw this.failure();
  }

  /** The process dies. `keeps(n)` says how many bytes of a write of n not flushed bytes reached the disk. */
  crash(keeps: (length: number) => number): void {
    this.age += 1;
    for (const file of this.files.values()) {
      file.open = null;
      for (const { at, bytes } of file.pending) {
        const part = bytes.slice(0, keeps(bytes.length));
        if (part.length > 0) file.kept = written(file.kept, at, part);
      }
      file.pending = [];
      file.now = file.kept.slice();
    }
  }

  /** All that lies on it, as one text a file. */
  bytesOf(name: string): Bytes {
    return this.files.get(name)?.now ?? EMPTY;
  }

  /** Changes a file behind everybody's back. */
  tamper(name: string, change: (bytes: Bytes) => Bytes): void {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no file ${name}`);
    file.now = change(file.now.slice());
    file.kept = file.now.slice();
  }

  get logs(): readonly string[] {
    return [...this.files.keys()].filter((name) => name.startsWith('log-')).sort();
  }
}

/** One process's view of the disk. */
export class DiskFiles implements MirrorFiles {
  readonly #disk: MirrorDisk;
  readonly #age: number;

  constructor(disk: MirrorDisk) {
    this.#disk = disk;
    this.#age = disk.age;
  }

  #step(): void {
    if (this.#age !== this.#disk.age) throw new Error('the process is dead');
    this.#disk.step();
  }

  async list(): Promise<readonly string[]> {
    this.#step();
    return [...this.#disk.files.keys()];
  }

  async open(name: string): Promise<MirrorFile> {
    this.#step();
    let file = this.#disk.files.get(name);
    if (file === undefined) {
      file = { now: EMPTY, kept: EMPTY, pending: [], open: null };
      this.#disk.files.set(name, file);
    }
    if (file.open !== null) {
      throw new DOMException('Another handle is open.', 'NoModificationAllowedError');
    }
    return new DiskFile(file, () => this.#step());
  }

  async read(name: string, at: number, length: number): Promise<Bytes> {
    this.#step();
    const file = this.#disk.files.get(name);
    if (file === undefined) throw new DOMException(`There is no ${name}.`, 'NotFoundError');
    return file.now.slice(at, at + length);
  }

  async remove(name: string): Promise<void> {
    this.#step();
    if (this.#disk.files.get(name)?.open) {
      throw new DOMException('A handle is open.', 'NoModificationAllowedError');
    }
    this.#disk.files.delete(name);
  }
}

class DiskFile implements MirrorFile {
  readonly #file: Stored;
  readonly #step: () => void;

  constructor(file: Stored, step: () => void) {
    this.#file = file;
    this.#step = step;
    file.open = this;
  }

  #check(): void {
    this.#step();
    if (this.#file.open !== this)
      throw new DOMException('The handle is closed.', 'InvalidStateError');
  }

  size(): number {
    this.#check();
    return this.#file.now.length;
  }

  write(bytes: Bytes, at: number): void {
    this.#check();
    this.#file.now = written(this.#file.now, at, bytes);
    this.#file.pending.push({ at, bytes: bytes.slice() });
  }

  truncate(size: number): void {
    this.#check();
    const { now } = this.#file;
    this.#file.now = size <= now.length ? now.slice(0, size) : written(now, size, EMPTY);
    // What a cut takes away may not come back half: it is on the disk at once here.
    this.#file.kept = this.#file.kept.slice(0, size);
    this.#file.pending = this.#file.pending.filter(({ at, bytes }) => at + bytes.length <= size);
  }

  flush(): void {
    this.#check();
    this.#file.kept = this.#file.now.slice();
    this.#file.pending = [];
  }

  close(): void {
    if (this.#file.open === this) this.#file.open = null;
  }
}
