/** Whether a version of a chart, `<major>.<minor>.<patch>`, comes after another. */
export function isNewer(version: string, other: string): boolean {
  const parts = version.split('.').map(Number);
  const others = other.split('.').map(Number);
  for (const [index, part] of parts.entries()) {
    const difference = part - (others[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
