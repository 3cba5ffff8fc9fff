/**
 * Builds the pack of a push from objects in memory.
 *
 * A push is bound by the number of small objects, not by bytes: those below `STORED_LIMIT` are put
 * in as stored (uncompressed) deflate blocks, which costs a copy instead of a call to zlib; changed
 * trees go as deltas on the version before, so that a create sends the same few hundred bytes
 * whatever the size of the folders. The receiving side compresses when it repacks.
 */
import { hash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { GitObject, ObjectType } from './objects.ts';

const STORED_LIMIT = 4096;
const TYPE_NUMBERS: Record<ObjectType, number> = { commit: 1, tree: 2, blob: 3 };
const REF_DELTA = 7;

/** Each object once; a delta's base is in the pack or on the other side already. */
export function encodePack(objects: Iterable<GitObject>): Buffer {
  const header = Buffer.alloc(12);
  const parts: Buffer[] = [header];
  let count = 0;
  for (const object of objects) {
    count += 1;
    if (object.delta === undefined) {
      parts.push(encodeEntryHeader(TYPE_NUMBERS[object.type], object.content.length));
      parts.push(deflate(object.content));
    } else {
      parts.push(encodeEntryHeader(REF_DELTA, object.delta.bytes.length));
      parts.push(Buffer.from(object.delta.base, 'hex'), deflate(object.delta.bytes));
    }
  }
  header.write('PACK', 0, 'latin1');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(count, 8);
  const body = Buffer.concat(parts);
  return Buffer.concat([body, hash('sha1', body, 'buffer')]);
}

function encodeEntryHeader(type: number, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (type << 4) | (size & 0x0f);
  let rest = Math.floor(size / 16);
  while (rest > 0) {
    bytes.push(byte | 0x80);
    byte = rest & 0x7f;
    rest = Math.floor(rest / 128);
  }
  bytes.push(byte);
  return Buffer.from(bytes);
}

function deflate(content: Buffer): Buffer {
  if (content.length > STORED_LIMIT) return deflateSync(content, { level: 1 });
  const bytes = Buffer.allocUnsafe(content.length + 11);
  bytes.writeUInt16BE(0x7801, 0);
  bytes.writeUInt8(1, 2);
  bytes.writeUInt16LE(content.length, 3);
  bytes.writeUInt16LE(~content.length & 0xffff, 5);
  content.copy(bytes, 7);
  bytes.writeUInt32BE(adler32(content), content.length + 7);
  return bytes;
}

/** The checksum of a zlib stream. Below 5,552 bytes the sums cannot overflow 32 bits. */
function adler32(content: Buffer): number {
  let a = 1;
  let b = 0;
  for (const byte of content) {
    a += byte;
    b += a;
  }
  return ((b % 65521) * 65536 + (a % 65521)) >>> 0;
}

/**
 * The delta that replaces `base[start, end)` by `insert`: copy what is before, insert, copy what is
 * after.
 */
export function encodeSpliceDelta(
  baseLength: number,
  splices: readonly { readonly start: number; readonly end: number; readonly insert: Buffer }[],
): Buffer {
  const out: number[] = [];
  let targetLength = baseLength;
  for (const splice of splices) targetLength += splice.insert.length - (splice.end - splice.start);
  pushVarint(out, baseLength);
  pushVarint(out, targetLength);
  let position = 0;
  for (const splice of splices) {
    pushCopy(out, position, splice.start - position);
    pushInsert(out, splice.insert);
    position = splice.end;
  }
  pushCopy(out, position, baseLength - position);
  return Buffer.from(out);
}

function pushVarint(out: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

function pushCopy(out: number[], start: number, length: number): void {
  let offset = start;
  let rest = length;
  while (rest > 0) {
    const size = Math.min(rest, 0xffff);
    const at = out.length;
    let command = 0x80;
    out.push(command);
    for (let index = 0; index < 4; index += 1) {
      const byte = (offset >>> (8 * index)) & 0xff;
      if (byte === 0) continue;
      out.push(byte);
      command |= 1 << index;
    }
    for (let index = 0; index < 2; index += 1) {
      const byte = (size >>> (8 * index)) & 0xff;
      if (byte === 0) continue;
      out.push(byte);
      command |= 0x10 << index;
    }
    out[at] = command;
    offset += size;
    rest -= size;
  }
}

function pushInsert(out: number[], bytes: Buffer): void {
  for (let start = 0; start < bytes.length; start += 127) {
    const chunk = bytes.subarray(start, start + 127);
    out.push(chunk.length, ...chunk);
  }
}
