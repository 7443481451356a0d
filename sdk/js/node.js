/** For Node: keys that outlive the program, in the same files as the Python client's. */

import { createHash, randomUUID } from "node:crypto";
import { access, link, mkdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Each key in a file that only its owner can read. */
export class FileKeys {
  #folder;

  constructor(folder = join(userFolder(), "keys")) {
    this.#folder = folder;
  }

  async find(gateway) {
    try {
      return JSON.parse(await readFile(this.path(gateway), "utf8")).key;
    } catch (error) {
      if (error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Keeps `key`; where another process was faster, its key counts and is returned. */
  async keep(gateway, key) {
    const path = this.path(gateway);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const fresh = join(dirname(path), `.key${randomUUID()}`);
    await writeFile(fresh, JSON.stringify({ gateway, key }), { mode: 0o600, flag: "wx" });
    try {
      await link(fresh, path);
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    } finally {
      await unlink(fresh);
    }
    return (await this.find(gateway)) ?? key;
  }

  /** Keeps the file under another name, since its gateway no longer knows the key. */
  async setAside(gateway) {
    const path = this.path(gateway);
    for (let number = 1; ; number += 1) {
      const aside = path.replace(/json$/, `${number}.json`);
      if (await exists(aside)) continue;
      return rename(path, aside);
    }
  }

  path(gateway) {
    const readable = gateway.replace(/^.*?:\/\//, "").replace(/[^A-Za-z0-9.]+/g, "_").slice(0, 60);
    const digest = createHash("sha256").update(gateway).digest("hex").slice(0, 8);
    return join(this.#folder, `${readable}-${digest}.json`);
  }
}

async function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

function userFolder() {
  const { APPDATA, XDG_CONFIG_HOME } = process.env;
  if (process.platform === "win32" && APPDATA) return join(APPDATA, "fmu-gateway");
  return join(XDG_CONFIG_HOME || join(homedir(), ".config"), "fmu-gateway");
}
