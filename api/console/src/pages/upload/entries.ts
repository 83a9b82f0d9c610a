/** Files from what was dropped or chosen, folders walked through, with the path of each. */
export interface Found {
  readonly path: string;
  /** Empty where it is unreadable. */
  readonly file: File;
  readonly unreadable?: boolean;
}

/** Everything in a drop; must be called while the event is handled, the files come later. */
export async function dropped(transfer: DataTransfer): Promise<Found[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const found: Found[] = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

/** Everything that was chosen by a button, with its folders. */
export function chosen(files: FileList | null): Found[] {
  return [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** A file or folder that the system does not let us read is found too, and keeps no other from being found. */
async function walk(entry: FileSystemEntry, above: string, found: Found[]): Promise<void> {
  const path = above + entry.name;
  try {
    if (isFolder(entry)) {
      for (const inner of await children(entry)) await walk(inner, `${path}/`, found);
    } else {
      found.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
    }
  } catch {
    found.push({ path, file: new File([], entry.name), unreadable: true });
  }
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** A reader hands its entries out some at a time, until there are none. */
async function children(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}
