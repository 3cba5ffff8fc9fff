/** What we read of Gitea's answers; its API has more in each of them. */
import { z } from 'zod';

const sha = z.string().regex(/^[0-9a-f]{40}$/);

const GiteaSide = z.object({
  /** The branch's name, also when it is gone; empty when it never was one (AGit). */
  label: z.string(),
  /** The branch's name, or `refs/pull/<number>/head` once it is gone. */
  ref: z.string(),
  /** Empty where Gitea cannot find it. */
  sha: z.string(),
  repo_id: z.int(),
});

const GiteaLabel = z.object({ id: z.int(), name: z.string() });
export const GiteaLabels = z.array(GiteaLabel);

export const GiteaPullRequest = z.object({
  number: z.int().positive(),
  title: z.string(),
  state: z.enum(['open', 'closed']),
  merged: z.boolean(),
  merge_commit_sha: sha.nullish().transform((value) => value ?? null),
  /** False also while it has not been looked at. */
  mergeable: z.boolean(),
  labels: GiteaLabels.nullish().transform((value) => value ?? []),
  head: GiteaSide.extend({ sha }),
  base: GiteaSide,
});
export type GiteaPullRequest = z.infer<typeof GiteaPullRequest>;

/** What tells whose one is: of other people's no more is demanded, they are made in many ways. */
export const GiteaPullRequests = z.array(
  z.looseObject({ number: z.int().positive(), head: GiteaSide.loose(), base: GiteaSide.loose() }),
);

export const GiteaFiles = z.array(
  z.object({ filename: z.string(), previous_filename: z.string().optional() }),
);

/** A file of one commit. */
export const GiteaContent = z.object({ type: z.string(), sha });

/** What one commit has that another has not, newest first. */
export const GiteaComparison = z.object({
  commits: z.array(z.object({ sha, parents: z.array(z.object({ sha })) })),
});

export const GiteaBranch = z.object({ name: z.string(), commit: z.object({ id: sha }) });

export const GiteaRepository = z.object({
  empty: z.boolean(),
  archived: z.boolean(),
  has_pull_requests: z.boolean(),
  allow_merge_commits: z.boolean(),
  permissions: z.object({ push: z.boolean() }),
});
export type GiteaRepository = z.infer<typeof GiteaRepository>;
