/**
 * What the mirror needs of a directory of files: the origin private file system of a browser
 * (opfs-files.ts), or memory in tests.
 */
export interface MirrorFile {
  size(): number;
  /** Writes all of `bytes` at the offset, or throws. Not on the disk before {@link flush}. */
  write(bytes: Uint8Array<ArrayBuffer>, at: number): void;
  truncate(size: number): void;
  /** Puts what was written onto the disk. */
  flush(): void;
  close(): void;
}

export interface MirrorFiles {
  /** Names of the files that are there; empty where the directory is not there yet. */
  list(): Promise<readonly string[]>;
  /** Opens for writing, creates where it is missing. Rejects while anybody else has it open. */
  open(name: string): Promise<MirrorFile>;
  /** At most `length` bytes from `at`; fewer at the end of the file. Rejects where there is no such file. */
  read(name: string, at: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Removes a file; resolves where it is not there. */
  remove(name: string): Promise<void>;
}
