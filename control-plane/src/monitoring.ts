/** Reads the alert rules and dashboards that clusters get with Prometheus and Grafana. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readYaml } from './cluster-file.ts';
import type { Monitoring } from './render/add-ons.ts';
import { TOP } from './templates.ts';

const RulesFile = z.strictObject({ groups: z.array(z.looseObject({ name: z.string() })).min(1) });

/** Throws when a file is missing or malformed. */
export async function loadMonitoring(top: string = TOP): Promise<Monitoring> {
  const folder = join(top, 'bootstrap/monitoring');
  const { groups } = RulesFile.parse(readYaml(join(folder, 'rules.yaml')));
  const names = (await readdir(join(folder, 'dashboards'))).filter((one) => one.endsWith('.json'));
  const dashboards = await Promise.all(
    names.sort().map(async (file) => ({
      name: file.slice(0, -'.json'.length),
      content: await readFile(join(folder, 'dashboards', file), 'utf8'),
    })),
  );
  return { groups, dashboards };
}
