import { buildPrograms } from './build.ts';
import { resolveLabPaths } from './paths.ts';
await buildPrograms(resolveLabPaths(process.env));
