/** The alert rules as files, their runbooks, and each rule firing and quiet by promtool. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { tryCommand } from '../../bootstrap/lab/command.ts';
import { ALERTS, describeRules, nameRunbook } from '../../bootstrap/monitoring/rules.ts';
import { findPrometheus, type Programs } from '../support/prometheus.ts';
import { expectWritten } from '../support/written.ts';
import { ALERT_CASES, type Series } from './alert-cases.ts';

const TOP = join(import.meta.dirname, '../..');
const RULES = join(TOP, 'bootstrap/monitoring/rules.yaml');

const found = await findPrometheus();
if (typeof found === 'string') console.warn(found);

test('rules.yaml is what rules.ts says', async () => {
  const written = '# Written from rules.ts by: GOLDEN_UPDATE=1 vitest run test/monitoring';
  await expectWritten(RULES, `${written}\n${stringify(describeRules(), { lineWidth: 0 })}`);
});

test.each(ALERTS.map(({ name }) => name))('%s has a runbook and both cases', async (name) => {
  const runbook = await readFile(join(TOP, 'docs/runbooks', `${nameRunbook(name)}.md`), 'utf8');
  for (const heading of [`# ${name}`, '## What it means', '## What to look at', '## What to do'])
    expect(runbook).toContain(`${heading}\n`);
  expect(ALERT_CASES).toHaveProperty(name);
});

describe.skipIf(typeof found === 'string')('by promtool', () => {
  const { promtool } = found as Programs;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shopyard-alerts-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('the rules are well-formed', async () => {
    const { status, stdout, stderr } = await tryCommand(promtool, ['check', 'rules', RULES]);
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).toContain(`${ALERTS.length} rules found`);
  });

  test.each(['1m', '30m'])(
    'every alert fires when it should and is quiet when it should, by samples of %s',
    async (step) => {
      const tests = ALERTS.flatMap(({ name, severity }) => {
        const { fires, quiet, ...rest } = ALERT_CASES[name] ?? expect.fail(`${name} has no cases`);
        if (step !== (rest.step ?? '1m')) return [];
        const runbook = `docs/runbooks/${nameRunbook(name)}.md`;
        const alerts = fires.alerts.map(({ labels, summary }) => ({
          exp_labels: { severity, ...labels },
          exp_annotations: { summary, runbook_url: runbook },
        }));
        expect(alerts.length, name).toBeGreaterThan(0);
        return [
          { ...describeCase(name, 'fires', fires, alerts), interval: step },
          { ...describeCase(name, 'is quiet', quiet, []), interval: step },
        ];
      });
      expect(tests).not.toEqual([]);
      const file = join(folder, `tests-${step}.json`);
      const body = { rule_files: [RULES], evaluation_interval: step, tests };
      await writeFile(file, JSON.stringify(body));
      const { status, stdout, stderr } = await tryCommand(promtool, ['test', 'rules', file]);
      expect(status, stdout + stderr).toBe(0);
    },
  );
});

function describeCase(
  alertname: string,
  what: string,
  { series, at }: { readonly series: Series; readonly at: string },
  alerts: readonly object[],
) {
  return {
    name: `${alertname} ${what}`,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [{ eval_time: at, alertname, exp_alerts: alerts }],
  };
}
