/**
 * How each program of the lab is made from Go modules: recipes as plain values, and the cache key
 * that follows from them. Nothing here touches the disk or runs a command; build.ts does.
 *
 * Two ways to build:
 * - `install`: `go install <module>@<version>`, for modules whose own go.mod stands by itself;
 * - `module`: a go.mod of ours with `tool` lines, for modules whose go.mod has `replace` or
 *   `exclude` lines. Those do not apply to a dependency, so they are repeated in ours.
 */
import { createHash } from 'node:crypto';
import { versions } from './versions.ts';

export interface ProgramRecipe {
  readonly name: string;
  readonly version: string;
  readonly module: string;
  readonly packages: readonly string[];
  readonly way: 'install' | 'module';
  /** The `go` line of our go.mod (way `module` only). */
  readonly goLine?: string;
  /** What to repeat of the module's own `replace` and `exclude` lines (way `module` only). */
  readonly directives?: 'none' | 'repeat' | 'kubernetes-staging';
  /** Lines added to our go.mod after the repeated ones. */
  readonly extraLines?: readonly string[];
  readonly ldflags: string;
  /** Name of the program when it is not the last part of its package's path. */
  readonly output?: string;
  /** Names under which the program is found too; it looks at the name it was called by. */
  readonly links?: readonly string[];
  /** Files of the module that are needed at run time, copied beside the program. */
  readonly files?: readonly { readonly from: string; readonly executable: boolean }[];
  /** Folders of the module that are needed at run time, likewise. */
  readonly folders?: readonly string[];
  /** Build tags. */
  readonly tags?: readonly string[];
  /** Whether C is compiled along (way `module` only). */
  readonly cgo?: true;
  /** Minutes of a first build on two cores with nothing cached (measured; shown while building). */
  readonly typicalMinutes: number;
}

const kubernetesVersion = 'k8s.io/component-base/version';
const [kubernetesMajor = '', kubernetesMinor = ''] = versions.kubernetes.split('.');

/** The CustomResourceDefinitions of Traefik's own kinds, in its module and in its repository. */
export const traefikCrdsPath =
  'docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml';

/** In the order they are built: the ones that others wait for come first. */
export const programs: readonly ProgramRecipe[] = [
  {
    name: 'helm',
    version: versions.helm,
    module: 'helm.sh/helm/v3',
    packages: ['helm.sh/helm/v3/cmd/helm'],
    way: 'install',
    ldflags: '-s -w',
    typicalMinutes: 2,
  },
  {
    name: 'etcd',
    version: versions.etcd,
    module: 'go.etcd.io/etcd/server/v3',
    packages: ['go.etcd.io/etcd/server/v3'],
    way: 'module',
    goLine: '1.24.0',
    directives: 'none',
    ldflags: '-s -w',
    output: 'etcd',
    typicalMinutes: 1,
  },
  {
    name: 'kubernetes',
    version: versions.kubernetes,
    module: 'k8s.io/kubernetes',
    packages: [
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubelet',
      'kube-proxy',
      'kubectl',
    ].map((program) => `k8s.io/kubernetes/cmd/${program}`),
    way: 'module',
    goLine: '1.24.0',
    directives: 'kubernetes-staging',
    ldflags: [
      '-s -w',
      `-X ${kubernetesVersion}.gitVersion=v${versions.kubernetes}`,
      `-X ${kubernetesVersion}.gitMajor=${kubernetesMajor}`,
      `-X ${kubernetesVersion}.gitMinor=${kubernetesMinor}`,
    ].join(' '),
    typicalMinutes: 7,
  },
  {
    name: 'argocd',
    version: versions.argocd,
    module: 'github.com/argoproj/argo-cd/v3',
    packages: ['github.com/argoproj/argo-cd/v3/cmd'],
    way: 'module',
    goLine: '1.26.0',
    directives: 'repeat',
    extraLines: [
      `replace github.com/argoproj/argo-cd/gitops-engine => github.com/argoproj/argo-cd/gitops-engine v${versions.argocdGitopsEngine}`,
    ],
    ldflags: `-s -w -X github.com/argoproj/argo-cd/v3/common.version=${versions.argocd}`,
    output: 'argocd',
    links: ['argocd-server', 'argocd-repo-server', 'argocd-application-controller'],
    files: [
      { from: 'hack/git-verify-wrapper.sh', executable: true },
      { from: 'manifests/core-install.yaml', executable: false },
    ],
    typicalMinutes: 6,
  },
  {
    name: 'coredns',
    version: versions.coredns,
    module: 'github.com/coredns/coredns',
    packages: ['github.com/coredns/coredns'],
    way: 'install',
    ldflags: '-s -w',
    typicalMinutes: 2,
  },
  {
    name: 'traefik',
    version: versions.traefik,
    module: 'github.com/traefik/traefik/v3',
    packages: ['github.com/traefik/traefik/v3/cmd/traefik'],
    way: 'module',
    goLine: '1.25',
    directives: 'repeat',
    ldflags: '-s -w',
    files: [{ from: traefikCrdsPath, executable: false }],
    typicalMinutes: 5,
  },
  {
    name: 'metrics-server',
    version: versions.metricsServer,
    module: 'sigs.k8s.io/metrics-server',
    packages: ['sigs.k8s.io/metrics-server/cmd/metrics-server'],
    way: 'install',
    ldflags: `-s -w -X k8s.io/client-go/pkg/version.gitVersion=v${versions.metricsServer}`,
    typicalMinutes: 3,
  },
  {
    name: 'helm4',
    version: versions.helm4,
    module: 'helm.sh/helm/v4',
    packages: ['helm.sh/helm/v4/cmd/helm'],
    way: 'install',
    ldflags: '-s -w',
    typicalMinutes: 2,
  },
  {
    name: 'gofakes3',
    version: versions.gofakes3,
    module: 'github.com/johannesboyne/gofakes3',
    packages: ['github.com/johannesboyne/gofakes3/cmd/gofakes3'],
    way: 'install',
    ldflags: '-s -w',
    typicalMinutes: 1,
  },
  {
    // Only started by the tests that want it: a lab that is brought up does not wait for it.
    name: 'gitea',
    version: versions.gitea,
    module: 'code.gitea.io/gitea',
    packages: ['code.gitea.io/gitea'],
    way: 'module',
    goLine: '1.26.0',
    directives: 'repeat',
    tags: ['sqlite', 'sqlite_unlock_notify'],
    cgo: true,
    ldflags: `-s -w -X main.Version=${versions.gitea}`,
    output: 'gitea',
    folders: ['options', 'public', 'templates'],
    typicalMinutes: 4,
  },
];

/** The recipe called `name`; asking for one that does not exist is a mistake in this folder. */
export function findProgram(name: string): ProgramRecipe {
  const recipe = programs.find((candidate) => candidate.name === name);
  if (recipe === undefined) throw new Error(`no recipe for a program called ${name}`);
  return recipe;
}

/**
 * Folder name of a built program in the cache: `<name>-<version>-<8 hex>`. The digits cover all
 * that decides what comes out, so that a changed recipe is a different build. How long a build
 * typically takes does not.
 */
export function programKey(recipe: ProgramRecipe): string {
  const decisive = { ...recipe, typicalMinutes: undefined };
  const digest = createHash('sha256').update(JSON.stringify(decisive)).digest('hex');
  return `${recipe.name}-${recipe.version}-${digest.slice(0, 8)}`;
}

/** The go.mod of ours for a recipe built the `module` way, given the text of the module's own. */
export function renderGoMod(recipe: ProgramRecipe, moduleGoMod: string): string {
  const lines = [
    `module lab/${recipe.name}`,
    `go ${recipe.goLine ?? '1.24.0'}`,
    ...recipe.packages.map((path) => `tool ${path}`),
    `require ${recipe.module} v${recipe.version}`,
    ...repeatedDirectives(recipe, moduleGoMod),
    ...(recipe.extraLines ?? []),
  ];
  return lines.join('\n') + '\n';
}

function repeatedDirectives(recipe: ProgramRecipe, moduleGoMod: string): string[] {
  switch (recipe.directives) {
    case 'repeat':
      return readDirectives(moduleGoMod).filter((line) => !line.includes('=> ./'));
    case 'kubernetes-staging': {
      // k8s.io/api and its siblings are folders of the Kubernetes repository there, and modules
      // of their own, with a 0 in place of the 1, everywhere else.
      const stagingVersion = `v0.${recipe.version.replace(/^\d+\./, '')}`;
      return readDirectives(moduleGoMod)
        .filter((line) => line.includes('=> ./staging'))
        .map((line) => line.replace(/^replace\s+(\S+)\s.*$/, `replace $1 => $1 ${stagingVersion}`));
    }
    default:
      return [];
  }
}

/** The `replace` and `exclude` lines of a go.mod, blocks unfolded, comments dropped. */
export function readDirectives(goMod: string): string[] {
  const directives: string[] = [];
  let block: string | undefined;
  for (const raw of goMod.split('\n')) {
    const line = raw.replace(/\/\/.*$/, '').trim();
    if (line === '') continue;
    if (block !== undefined) {
      if (line === ')') block = undefined;
      else if (block !== 'other') directives.push(`${block} ${line}`);
      continue;
    }
    const opening = /^(\w+)\s*\($/.exec(line);
    if (opening !== null) {
      block = opening[1] === 'replace' || opening[1] === 'exclude' ? opening[1] : 'other';
    } else if (/^(replace|exclude)\s/.test(line)) {
      directives.push(line);
    }
  }
  return directives;
}
