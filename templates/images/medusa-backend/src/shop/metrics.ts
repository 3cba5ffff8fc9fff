/**
 * What a shop tells Prometheus, on a port of its own that is no visitor's. It reads and never writes, and answers within
 * seconds whatever is away: what cannot be known is left out.
 */
import { createServer, type Server } from 'node:http';

/** As much of a connection to the database as is needed here. */
export interface Connection {
  query(question: string): Promise<{ rows: unknown[] }>;
  end(): Promise<void>;
}

/** A value for each set of labels, as `{status="pending"}`. */
type Samples = readonly (readonly [labels: string, value: number])[];

/** An order's statuses. A draft is no order yet. */
const STATUSES = ['pending', 'completed', 'archived', 'canceled', 'requires_action'];
// In a shop with millions of orders it gives up, rather than keep the shop waiting.
const PATIENCE = 'SET statement_timeout = 2000';
const CONNECTIONS = `SELECT count(*) AS used, current_setting('max_connections') AS most
  FROM pg_stat_activity WHERE datname = current_database()`;
const ORDERS = `SELECT status, count(*) AS number FROM "order"
  WHERE deleted_at IS NULL AND NOT is_draft_order GROUP BY status`;

/** Answers `GET /metrics`. It does not keep the process from ending. */
export function serveMetrics(port: number, connect: () => Promise<Connection>): Server {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    void describeShop(connect).then((text) => {
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      response.end(text);
    });
  });
  server.listen(port).unref();
  return server;
}

/** The shop's metrics, in Prometheus' text format. Never rejects. */
export async function describeShop(connect: () => Promise<Connection>): Promise<string> {
  const database = await connect().catch(() => null);
  const isUp = describe(
    'shopyard_store_database_up',
    'Whether the shop’s database took a connection of this pod: 1 or 0',
    [['', database === null ? 0 : 1]],
  );
  if (database === null) return isUp;
  const leaveOut = (): string => '';
  await database.query(PATIENCE).catch(leaveOut);
  const connections = await describeConnections(database).catch(leaveOut);
  const orders = await describeOrders(database).catch(leaveOut);
  await database.end().catch(leaveOut);
  return isUp + connections + orders;
}

async function describeConnections(database: Connection): Promise<string> {
  const { rows } = await database.query(CONNECTIONS);
  const [{ used, most }] = rows as [{ used: string; most: string }];
  return (
    describe(
      'shopyard_store_database_connections',
      'Open connections to the shop’s database, of all pods',
      [['', Number(used)]],
    ) +
    describe(
      'shopyard_store_database_connections_limit',
      'How many connections the shop’s database takes',
      [['', Number(most)]],
    )
  );
}

async function describeOrders(database: Connection): Promise<string> {
  const { rows } = await database.query(ORDERS);
  const found = rows as { status: string; number: string }[];
  return describe(
    'shopyard_store_orders',
    'Orders in the shop, by status; no drafts',
    STATUSES.map((status) => [
      `{status="${status}"}`,
      Number(found.find((row) => row.status === status)?.number ?? 0),
    ]),
  );
}

function describe(name: string, help: string, samples: Samples): string {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`;
}
