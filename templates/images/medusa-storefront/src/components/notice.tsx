import type { ReactNode } from 'react';
import { describeProblem } from '../lib/problems.ts';

export interface ProblemSearch {
  readonly problem?: string | string[];
}

/** Says why something that the visitor asked for did not happen, when the address names a reason. */
export function Notice({ problem }: ProblemSearch): ReactNode {
  const words = describeProblem(problem);
  if (words === null) return null;
  return (
    <p className="notice" role="alert">
      {words}
    </p>
  );
}
