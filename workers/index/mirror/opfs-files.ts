/**
 * Files in the origin private file system. Writing goes through a synchronous access handle (workers only),
 * which nobody else can have at the same time; reading takes a snapshot of the file and asks for no right.
 */
import type { MirrorFile, MirrorFiles } from './files.ts';

/** What a worker can do with a file, in words that also the compiler of a page knows. */
interface SyncHandle {
  getSize(): number;
  write(bytes: Uint8Array<ArrayBuffer>, where: { readonly at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

interface WorkerFileHandle {
  createSyncAccessHandle(): Promise<SyncHandle>;
}

export class OpfsFiles implements MirrorFiles {
  readonly #root: () => Promise<FileSystemDirectoryHandle>;
  readonly #path: readonly string[];

  /** `root`: `navigator.storage.getDirectory`. `path`: folders below it, made with the first file. */
  constructor(root: () => Promise<FileSystemDirectoryHandle>, path: readonly string[]) {
    this.#root = root;
    this.#path = path;
  }

  async #folder(create: boolean): Promise<FileSystemDirectoryHandle> {
    let folder = await this.#root();
    for (const name of this.#path) folder = await folder.getDirectoryHandle(name, { create });
    return folder;
  }

  async list(): Promise<readonly string[]> {
    const names: string[] = [];
    try {
      const folder = await this.#folder(false);
      for await (const [name, handle] of folder.entries()) {
        if (handle.kind === 'file') names.push(name);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    return names;
  }

  async open(name: string): Promise<MirrorFile> {
    const folder = await this.#folder(true);
    const handle: unknown = await folder.getFileHandle(name, { create: true });
    return new OpfsFile(await (handle as WorkerFileHandle).createSyncAccessHandle());
  }

  async read(name: string, at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const handle = await (await this.#folder(false)).getFileHandle(name);
    // A new snapshot each time: an older one becomes unreadable as soon as the file is written.
    const part = (await handle.getFile()).slice(at, at + length);
    return new Uint8Array(await part.arrayBuffer());
  }

  async remove(name: string): Promise<void> {
    try {
      await (await this.#folder(false)).removeEntry(name);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

class OpfsFile implements MirrorFile {
  readonly #handle: SyncHandle;

  constructor(handle: SyncHandle) {
    this.#handle = handle;
  }

  size(): number {
    return this.#handle.getSize();
  }

  write(bytes: Uint8Array<ArrayBuffer>, at: number): void {
    const written = this.#handle.write(bytes, { at });
    // A full disk may take a part only, without an error.
    if (written !== bytes.length) {
      throw new DOMException(
        `Only ${written} of ${bytes.length} bytes were written.`,
        'QuotaExceededError',
      );
    }
  }

  truncate(size: number): void {
    this.#handle.truncate(size);
  }

  flush(): void {
    this.#handle.flush();
  }

  close(): void {
    this.#handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'NotFoundError';
}
