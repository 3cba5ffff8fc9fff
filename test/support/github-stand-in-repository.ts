/**
 * The stand-in's repository: a real bare one, with GitHub's rules for what may be pushed in hooks
 * that git itself runs, and what GitHub does on its own side (merges, commits by its API) done with
 * git's plumbing.
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runNativeGit } from '../../control-plane/src/forge/testing.ts';

export type BranchRules = {
  /** Commits must be signed. */
  signed: boolean;
  /** Nobody pushes: changes come by pull request. */
  pullRequests: boolean;
  /** Approving reviews a pull request needs. */
  approvals: number;
};

type MergeTry = { readonly kind: 'clean'; readonly tree: string } | { readonly kind: 'conflict' };

export type StandInRepository = {
  readonly dir: string;
  git(args: readonly string[], input?: string | Buffer): string;
  /** null: there is no such branch. */
  tip(branch: string): string | null;
  isAncestor(earlier: string, later: string): boolean;
  has(commit: string, path: string): boolean;
  setRules(rules: BranchRules): void;
  tryMerge(base: string, head: string): MergeTry;
  /** Makes a commit as GitHub does, signed, and returns it; moves nothing. */
  commit(commit: {
    readonly tree: string;
    readonly parents: readonly string[];
    readonly message: string;
  }): string;
  /** The tree of a commit with these changes; null content removes. */
  change(
    base: string,
    changes: readonly { readonly path: string; readonly content: Buffer | null }[],
  ): string;
  /** Compare-and-swap; false when it is elsewhere. `after` null removes it. */
  move(branch: string, before: string, after: string | null): boolean;
};

/**
 * Refusals in GitHub's words (GH001 and so on). Directory width is a limit that GitHub only
 * recommends; here it holds, so that nothing of ours exceeds it unnoticed.
 */
const PRE_RECEIVE = `#!/bin/sh
cd "$(dirname "$0")/.."
status=0
while read old new ref; do
  [ "$new" = 0000000000000000000000000000000000000000 ] && continue
  case "$old" in 0000*) fresh="$new --not --all" ;; *) fresh="$old..$new" ;; esac
  if [ "$ref" = refs/heads/MAIN ] && [ -e rules/pull-requests ]; then
    echo "error: GH006: Protected branch update failed for $ref." >&2
    echo "error: Changes must be made through a pull request." >&2
    status=1
  fi
  if [ "$ref" = refs/heads/MAIN ] && [ -e rules/signed ]; then
    for commit in $(git rev-list $fresh); do
      git cat-file commit $commit | grep -q '^gpgsig ' && continue
      echo "error: GH006: Protected branch update failed for $ref." >&2
      echo "error: Commits must have verified signatures." >&2
      status=1
    done
  fi
  large=$(git rev-list --objects $fresh | cut -d' ' -f1 |
    git cat-file --batch-check='%(objecttype) %(objectsize)' |
    awk '$1 == "blob" && $2 > 104857600' | head -n 1)
  if [ -n "$large" ]; then
    echo "error: GH001: Large files detected." >&2
    status=1
  fi
  wide=$(git ls-tree -r -t --name-only $new | awk -F/ -v OFS=/ '{ $NF = ""; n[$0]++ }
    END { for (d in n) if (n[d] > 3000) print d }' | head -n 1)
  if [ -n "$wide" ]; then
    echo "error: $wide has over 3000 entries" >&2
    status=1
  fi
done
exit $status
`;

/** What a signature looks like; that it is GitHub's nobody here can check. */
const SIGNATURE = `gpgsig -----BEGIN PGP SIGNATURE-----
 
 c3RhbmQtaW4=
 -----END PGP SIGNATURE-----`;
const SIGNER = 'GitHub <noreply@github.com> 1767225600 +0000';

export function createStandInRepository(dir: string, main: string): StandInRepository {
  runNativeGit(['init', '--quiet', '--bare', `--initial-branch=${main}`, dir]);
  const git: StandInRepository['git'] = (args, input) =>
    runNativeGit(['--git-dir', dir, ...args], input);
  git(['config', 'http.receivepack', 'true']);
  git(['config', 'transfer.fsckObjects', 'true']);
  // GitHub's fetches are of any reachable commit, and shallow if wanted.
  git(['config', 'uploadpack.allowReachableSHA1InWant', 'true']);
  git(['config', 'uploadpack.allowFilter', 'true']);
  git(['config', 'gc.auto', '0']);
  mkdirSync(join(dir, 'rules'));
  mkdirSync(join(dir, 'hooks'), { recursive: true });
  const hook = join(dir, 'hooks/pre-receive');
  writeFileSync(hook, PRE_RECEIVE.replaceAll('MAIN', main));
  chmodSync(hook, 0o755);

  const ask = (args: readonly string[]): string | null => {
    try {
      return git(args).trim();
    } catch {
      return null;
    }
  };
  return {
    dir,
    git,
    tip: (branch) => ask(['rev-parse', '--verify', '--quiet', `refs/heads/${branch}^{commit}`]),
    isAncestor: (earlier, later) => ask(['merge-base', '--is-ancestor', earlier, later]) !== null,
    has: (commit, path) => ask(['cat-file', '-e', `${commit}:${path}`]) !== null,
    setRules({ signed, pullRequests }) {
      writeRule(join(dir, 'rules'), 'signed', signed);
      writeRule(join(dir, 'rules'), 'pull-requests', pullRequests);
    },
    tryMerge(base, head) {
      const tree = ask(['merge-tree', '--write-tree', base, head]);
      return tree === null ? { kind: 'conflict' } : { kind: 'clean', tree };
    },
    commit({ tree, parents, message }) {
      const lines = [
        `tree ${tree}`,
        ...parents.map((parent) => `parent ${parent}`),
        `author ${SIGNER}`,
        `committer ${SIGNER}`,
        SIGNATURE,
        '',
        `${message.trimEnd()}\n`,
      ];
      return git(['hash-object', '-t', 'commit', '-w', '--stdin'], lines.join('\n')).trim();
    },
    change(base, changes) {
      const parts: Buffer[] = [
        Buffer.from(`commit refs/stand-in/change\ncommitter ${SIGNER}\ndata 0\nfrom ${base}\n`),
      ];
      for (const { path, content } of changes)
        parts.push(
          content === null
            ? Buffer.from(`D ${path}\n`)
            : Buffer.concat([
                Buffer.from(`M 100644 inline ${path}\ndata ${String(content.length)}\n`),
                content,
                Buffer.from('\n'),
              ]),
        );
      git(['fast-import', '--quiet', '--force'], Buffer.concat([...parts, Buffer.from('\n')]));
      const tree = git(['rev-parse', 'refs/stand-in/change^{tree}']).trim();
      git(['update-ref', '-d', 'refs/stand-in/change']);
      return tree;
    },
    move(branch, before, after) {
      const ref = `refs/heads/${branch}`;
      return (
        ask(
          after === null ? ['update-ref', '-d', ref, before] : ['update-ref', ref, after, before],
        ) !== null
      );
    },
  };
}

function writeRule(folder: string, name: string, holds: boolean): void {
  const file = join(folder, name);
  if (holds) writeFileSync(file, '');
  else rmSync(file, { force: true });
}
