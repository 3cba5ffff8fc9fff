/**
 * A last line by which a file tells whether anybody changed it since it was rendered. What is still
 * sealed may be rendered again; what is not is a person's. It guards against mistakes, not against
 * somebody who makes a seal.
 */
import { createHash } from 'node:crypto';

const NOTE = '# Written by Shopyard, and again when its settings change, unless somebody edits it:';

/** @param content ends in a line end */
export function sealFile(content: string): string {
  return `${content}${NOTE} ${hash(content)}\n`;
}

export function isSealed(file: string): boolean {
  const start = file.lastIndexOf(NOTE);
  return start >= 0 && file === sealFile(file.slice(0, start));
}

function hash(content: string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 32);
}
