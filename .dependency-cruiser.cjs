/** The architecture's import rules: a pure core, thin edges, adapters built in one place. */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'domain-is-pure',
      comment: 'domain/ takes values and returns values: no I/O, no adapters.',
      severity: 'error',
      from: { path: '^control-plane/src/domain/', pathNot: '\\.test\\.ts$' },
      to: {
        pathNot:
          '^(control-plane/src/(domain/|errors\\.ts)|node_modules/zod/|node:crypto$|crypto$)',
      },
    },
    {
      name: 'render-is-pure',
      comment: 'render/ turns specs and templates that it is handed into file trees.',
      severity: 'error',
      from: { path: '^control-plane/src/render/', pathNot: '\\.test\\.ts$' },
      to: {
        pathNot:
          '^(control-plane/src/(domain|render)/|control-plane/src/git/types\\.ts|control-plane/src/errors\\.ts|node_modules/(zod|yaml|handlebars)/|node:crypto$|crypto$)',
      },
    },
    {
      name: 'adapters-are-wired-in-main',
      comment: 'Only main.ts and tests build adapters; the rest sees ports.',
      severity: 'error',
      from: {
        path: '^control-plane/src/(domain|render|reconcile|http)/',
        pathNot: '\\.test\\.ts$',
      },
      to: {
        path: '^control-plane/src/(forge/(?!types\\.ts)|git/(?!types\\.ts)|cluster/(?!types\\.ts))',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'portal-uses-the-api',
      severity: 'error',
      from: { path: '^portal/' },
      to: { path: '^control-plane/src/(?!contract\\.ts)' },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { path: '^(control-plane|portal|bootstrap)/', pathNot: '\\.test\\.ts$' },
      to: { path: '(^test/|\\.test\\.ts$)' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: '(\\.d\\.ts$|\\.config\\.|\\.test\\.ts$)' },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.svelte-kit/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
