/** Serves one request by `git http-backend`: CGI on one side, Node's HTTP on the other. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { endGroup } from './git-processes.ts';
import type { GitProcess, GitProcesses } from './git-processes.ts';

export type BackendRequest = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of the repository's address; what http-backend finds beneath `root`. */
  readonly path: string;
  readonly query: string;
  readonly user: string;
  /** Folder that holds the repository. */
  readonly root: string;
  /** What has been read of the body already, and the rest of it. */
  readonly head: Buffer;
  readonly body: Readable;
  /** Aborted when the request takes too long or is too large. */
  readonly signal: AbortSignal;
  warn(message: string): void;
};

export async function serveByBackend(processes: GitProcesses, job: BackendRequest): Promise<void> {
  const { response } = job;
  const child = processes.spawn(['http-backend'], describeRequest(job));
  const ended = once(child, 'close');
  const end = (): void => endGroup(child);
  job.signal.addEventListener('abort', end);
  endWithClient(job, child);
  // git may stop reading early; its answer says why.
  child.stdin.on('error', () => job.body.resume());
  child.stdin.write(job.head);
  job.body.pipe(child.stdin);
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 2_000) complaint += chunk.toString('utf8');
  });
  try {
    const isHeadSent = await sendAnswer(child.stdout, response);
    await ended;
    if (response.writableEnded) return;
    // Half an answer must not look like a whole one.
    if (child.signalCode !== null) response.destroy();
    else if (isHeadSent) response.end();
    else throw new Error('git http-backend ended without an answer');
  } finally {
    child.stdout.resume();
    await ended;
    job.signal.removeEventListener('abort', end);
    job.body.unpipe(child.stdin);
    job.body.resume();
    if (complaint !== '') job.warn(`git: ${complaint.trim()}`);
  }
}

/** A client that goes away ends what works for it; a push that has arrived whole goes on. */
function endWithClient({ request, response, path }: BackendRequest, child: GitProcess): void {
  request.once('close', () => {
    if (!request.complete) endGroup(child);
  });
  response.once('close', () => {
    if (!response.writableFinished && !path.endsWith('/git-receive-pack')) endGroup(child);
  });
}

function describeRequest({
  request,
  root,
  path,
  query,
  user,
}: BackendRequest): Record<string, string> {
  const { headers } = request;
  return {
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: path,
    QUERY_STRING: query,
    REQUEST_METHOD: request.method ?? 'GET',
    REMOTE_USER: user,
    REMOTE_ADDR: request.socket.remoteAddress ?? '',
    CONTENT_TYPE: headers['content-type'] ?? '',
    ...(headers['content-length'] === undefined
      ? {}
      : { CONTENT_LENGTH: headers['content-length'] }),
    ...(headers['content-encoding'] === undefined
      ? {}
      : { HTTP_CONTENT_ENCODING: headers['content-encoding'] }),
    ...(isProtocolHeader(headers['git-protocol']) ? { GIT_PROTOCOL: headers['git-protocol'] } : {}),
  };
}

function isProtocolHeader(value: string | string[] | undefined): value is string {
  return typeof value === 'string' && /^[a-z0-9=:.,_-]{1,64}$/.test(value);
}

/**
 * Passes a CGI answer on: header lines, an empty line, the body as it comes. The answer is ended by
 * the caller, who knows whether it is whole. False when there was no answer.
 */
async function sendAnswer(output: Readable, response: ServerResponse): Promise<boolean> {
  let head = Buffer.alloc(0);
  let isHeadSent = false;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    let body = chunk;
    if (!isHeadSent) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > 16_384) throw new Error('git http-backend sent no header');
        continue;
      }
      if (response.destroyed || response.writableEnded) return true;
      sendHead(head.toString('latin1', 0, end), response);
      isHeadSent = true;
      body = head.subarray(end + 4);
    }
    if (response.destroyed || response.writableEnded) return true;
    if (body.length > 0 && !response.write(body)) await waitForDrain(response);
  }
  return isHeadSent;
}

function sendHead(head: string, response: ServerResponse): void {
  let status = 200;
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'status') status = Number.parseInt(value, 10);
    else response.setHeader(name, value);
  }
  response.writeHead(status);
}

async function waitForDrain(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((done) => {
    const finish = (): void => {
      response.off('drain', finish);
      response.off('close', finish);
      done();
    };
    response.once('drain', finish);
    response.once('close', finish);
  });
}
