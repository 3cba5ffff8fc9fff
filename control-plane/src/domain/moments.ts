/** A moment as sentences have it: `2026-11-21 12:00 UTC`. */
export function writeMoment(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
