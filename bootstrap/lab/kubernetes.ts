/**
 * The lab's way to its own API server: kubectl, as the lab's administrator, with the kubeconfig the
 * lab made. Never a kubeconfig that happens to be on the machine.
 */
import { runCommand, tryCommand, type CommandResult } from './command.ts';
import { builtProgram, type LabContext } from './parts.ts';

/** A Kubernetes object as far as this folder looks into it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly [field: string]: unknown;
}

function kubectlArguments(context: LabContext, args: readonly string[]): string[] {
  return ['--kubeconfig', context.layout.adminKubeconfig, ...args];
}

/** Runs kubectl and returns what it printed. */
export async function runKubectl(
  context: LabContext,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const kubectl = builtProgram(context.paths, 'kubernetes', 'kubectl');
  return runCommand(kubectl, kubectlArguments(context, args), {
    timeout: 120_000,
    ...(input === undefined ? {} : { input }),
  });
}

/** Runs kubectl and returns whatever came of it. */
export async function tryKubectl(
  context: LabContext,
  args: readonly string[],
): Promise<CommandResult> {
  const kubectl = builtProgram(context.paths, 'kubernetes', 'kubectl');
  return tryCommand(kubectl, kubectlArguments(context, args), { timeout: 30_000 });
}

/** Applies manifests (YAML or JSON text); what others wrote into the same fields is taken over. */
export async function applyManifests(
  context: LabContext,
  manifests: string,
  namespace?: string,
  manager = 'shopyard-lab',
): Promise<void> {
  const target = namespace === undefined ? [] : ['-n', namespace];
  const apply = ['apply', '--server-side', '--force-conflicts', `--field-manager=${manager}`];
  await runKubectl(context, [...target, ...apply, '-f', '-'], manifests);
}

/**
 * Applies objects. `manager` owns the fields: one that lays fields over an object of another's
 * keeps them when the other is applied again.
 */
export async function applyObjects(
  context: LabContext,
  objects: readonly KubernetesObject[],
  manager?: string,
): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await applyManifests(context, JSON.stringify(list), undefined, manager);
}
