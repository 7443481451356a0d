import type { KeyStore } from "./index.js";

/** Keys that outlive the program: each in a file that only its owner can read. */
export class FileKeys implements KeyStore {
  constructor(folder?: string);
  find(gateway: string): Promise<string | undefined>;
  keep(gateway: string, key: string): Promise<string>;
  setAside(gateway: string): Promise<void>;
  path(gateway: string): string;
}
