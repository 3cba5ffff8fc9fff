/** Git's packet lines: four hexadecimal digits of length, then as many bytes; `0000` is a flush. */
import { PlatformError } from '../errors.ts';

export const FLUSH_PACKET = Buffer.from('0000');

export function encodePacket(payload: string | Buffer): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'utf8') : payload;
  const length = body.length + 4;
  if (length > 0xfff0) throw new PlatformError('git_invalid', 'a packet line is too long');
  return Buffer.concat([Buffer.from(length.toString(16).padStart(4, '0')), body]);
}

/** Splits a whole answer into packets; null is a flush. Throws on anything else. */
export function decodePackets(bytes: Buffer): (Buffer | null)[] {
  const packets: (Buffer | null)[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const digits = bytes.toString('latin1', offset, offset + 4);
    if (!/^[0-9a-f]{4}$/i.test(digits)) throw malformed();
    const length = Number.parseInt(digits, 16);
    if (length === 0) {
      packets.push(null);
      offset += 4;
      continue;
    }
    if (length < 4 || offset + length > bytes.length) throw malformed();
    packets.push(bytes.subarray(offset + 4, offset + length));
    offset += length;
  }
  return packets;
}

function malformed(): PlatformError {
  return new PlatformError('git_protocol', 'the remote sent something that is not git protocol', {
    retryable: true,
  });
}
