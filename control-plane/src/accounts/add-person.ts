/** A new person with a password, as better-auth would have made them, in a transaction of ours. */
import type { Tx } from '../db/open.ts';
import type { Ids } from '../domain/ids.ts';

export async function addPerson(
  tx: Tx,
  ids: Ids,
  person: {
    /** In lower case; nobody has it yet. */
    readonly email: string;
    readonly name: string;
    readonly operator: boolean;
    /** Whether it is known that the address is theirs. */
    readonly emailVerified?: boolean;
    readonly passwordHash: string;
  },
): Promise<{ readonly id: string }> {
  const { passwordHash, ...user } = person;
  const id = ids.account('usr');
  await tx
    .insertInto('users')
    .values({ id, ...user })
    .execute();
  await tx
    .insertInto('accounts')
    .values({
      id: ids.account('acc'),
      userId: id,
      accountId: id,
      providerId: 'credential',
      password: passwordHash,
    })
    .execute();
  return { id };
}
