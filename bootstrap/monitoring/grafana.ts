/** Writes a dashboard as Grafana imports it. Pure: the same dashboard gives the same text. */
import type { Dashboard, Panel } from './dashboards.ts';

/** Grafana's grid is 24 wide. */
const WIDTH = 24;
const SINGLE = { w: 6, h: 4 };
const OVER_TIME = { w: 12, h: 8 };

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

export function renderDashboard(dashboard: Dashboard): string {
  const { uid, title, variable, panels } = dashboard;
  const variables = [
    { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
    ...(variable === undefined
      ? []
      : [{ ...variable, type: 'query', datasource: DATASOURCE, refresh: 2, sort: 1 }]),
  ];
  return `${JSON.stringify(
    {
      uid,
      title,
      tags: ['shopyard'],
      schemaVersion: 39,
      editable: false,
      refresh: '30s',
      time: { from: 'now-6h', to: 'now' },
      templating: { list: variables },
      panels: place(panels),
    },
    null,
    2,
  )}\n`;
}

/** From left to right, row by row. */
function place(panels: readonly Panel[]): object[] {
  let at = { x: 0, y: 0, row: 0 };
  return panels.map((panel, index) => {
    const { w, h } = panel.single === true ? SINGLE : OVER_TIME;
    if (at.x + w > WIDTH) at = { x: 0, y: at.y + at.row, row: 0 };
    const gridPos = { x: at.x, y: at.y, w, h };
    at = { x: at.x + w, y: at.y, row: Math.max(at.row, h) };
    return describePanel(panel, index + 1, gridPos);
  });
}

function describePanel({ title, unit, single, queries }: Panel, id: number, gridPos: object) {
  return {
    id,
    title,
    type: single === true ? 'stat' : 'timeseries',
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend === '' ? title : legend,
      ...(single === true ? { instant: true } : {}),
    })),
  };
}
