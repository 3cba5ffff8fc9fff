/**
 * Running other programs to their end. A command that fails throws with its last lines: that, and
 * not its exit status, is what tells a person what went wrong.
 */
import { spawn, type ChildProcess } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Called with each line of standard error as it comes. */
  readonly onErrorLine?: (line: string) => void;
  /** Milliseconds; the command is killed after that. Default: no limit. */
  readonly timeout?: number;
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<ChildProcess>();

/** Makes commands that run, and what they have started, end with this process when it is told to. */
export function endCommandsWithProcess(): void {
  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const) {
    process.once(signal, () => {
      for (const child of running) endGroup(child);
      process.exit(status);
    });
  }
}

/** A script does not hand a signal on to the program it waits for: its whole group gets it. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGTERM');
  } catch {
    // It has ended by itself meanwhile.
  }
}

/** Runs a command and returns whatever came of it; throws only when it cannot be started. */
export async function tryCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: 'pipe',
      detached: true, // a group of its own, for endGroup
      timeout: options.timeout,
      killSignal: 'SIGKILL',
    });
    running.add(child);
    let stdout = '';
    let stderr = '';
    let partial = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (options.onErrorLine === undefined) return;
      const lines = (partial + text).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) options.onErrorLine(line);
    });
    child.stdin.on('error', () => undefined); // the command may end before it has read it all
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => {
      running.delete(child);
      reject(error);
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (signal !== null) stderr += `\nended by ${signal}`;
      resolve({ status: code ?? 1, stdout, stderr });
    });
  });
}

/** Runs a command and returns its standard output; throws with its last lines when it fails. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await tryCommand(program, args, options);
  if (result.status !== 0) {
    const said = lastLines(`${result.stdout}\n${result.stderr}`, 20);
    throw new Error(`${program} ${args.slice(0, 4).join(' ')} failed:\n${said}`);
  }
  return result.stdout;
}

/** The last `count` lines of a text that are not empty. */
export function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n');
}
