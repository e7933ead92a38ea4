// Settings as fields: what a person types, and the value that it means.

import type { Setting } from "./host/types";

export interface Group {
  title: string;
  settings: Setting[];
}

const GROUPS: [string, string][] = [
  ["vm.", "Virtual machine"],
  ["shares", "Shared folders"],
  ["files.", "Shared folders"],
  ["ports.", "Published ports"],
  ["idle.", "When nobody uses it"],
  ["engine.", "Engine"],
  ["proxy.", "Proxies"],
  ["registry.", "Registries"],
];

const LABELS: Record<string, string> = {
  "vm.cpus": "CPUs",
  "vm.memory_mib": "Memory (MiB)",
  "vm.disk_gib": "Disk (GiB)",
  shares: "Folders",
  "files.ignored": "Ignored paths",
  "ports.address": "Address for ports that name none",
  "idle.pause_after_s": "Pause after (seconds)",
  "idle.suspend_after_s": "Suspend after (seconds)",
  "idle.cpu_percent": "Busy from (percent of a processor)",
  "engine.config": "daemon.json",
  "proxy.http": "HTTP proxy",
  "proxy.https": "HTTPS proxy",
  "proxy.no_proxy": "Without a proxy",
  "registry.insecure": "Insecure registries",
  "registry.mirrors": "Mirrors of Docker Hub",
  "registry.ca": "Certificate authorities",
};

export type Kind = "number" | "text" | "lines" | "switch" | "json";

/** By what follows from their names; what is not known here comes last, under its own name. */
export function groups(settings: Setting[]): Group[] {
  const found = new Map<string, Setting[]>();
  for (const setting of settings) {
    const known = GROUPS.find(([prefix]) => setting.key.startsWith(prefix));
    const title = known?.[1] ?? "Other";
    found.set(title, [...(found.get(title) ?? []), setting]);
  }
  return [...found].map(([title, settings]) => ({ title, settings }));
}

export function label(setting: Pick<Setting, "key">): string {
  return LABELS[setting.key] ?? setting.key;
}

export function kind({ value, default: fallback }: Setting): Kind {
  for (const one of [value, fallback]) {
    if (typeof one === "number") return "number";
    if (typeof one === "boolean") return "switch";
    if (typeof one === "string") return "text";
    if (Array.isArray(one) && one.every((part) => typeof part === "string")) return "lines";
  }
  return "json";
}

/** What stands in the field. */
export function text(setting: Setting): string {
  switch (kind(setting)) {
    case "lines":
      return (setting.value as string[]).join("\n");
    case "json":
      return JSON.stringify(setting.value, null, 2);
    default:
      return String(setting.value);
  }
}

/** What the text of the field means; throws a sentence where it means nothing. */
export function value(setting: Setting, text: string): unknown {
  switch (kind(setting)) {
    case "number":
      if (!/^\d+$/.test(text.trim())) throw new Error(`${label(setting)} must be a whole number`);
      return Number(text);
    case "switch":
      return text === "true";
    case "lines":
      return text
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "");
    case "json":
      try {
        return JSON.parse(text);
      } catch (error) {
        throw new Error(`${label(setting)} is not JSON: ${(error as Error).message}`);
      }
    case "text":
      return text;
  }
}
