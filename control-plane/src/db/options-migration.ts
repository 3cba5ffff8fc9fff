/** A store has a value for each of its engine's options; one from before has none yet. */
import { sql, type Migration } from 'kysely';

export const optionsMigration: Migration = {
  async up(db) {
    await sql`
      alter table stores add column options jsonb not null default '{}';
      update operations set spec = spec || '{"options": {}}' where not spec ? 'options';
    `.execute(db);
  },
};
