// Takes named files out of a .tar.gz or .zip archive. Only files asked for are ever written, and only to the places the
// caller gives, so a name inside the archive can't choose where anything goes; an archive that tries is refused whole.
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createInflateRaw } from 'node:zlib';

const MAX_ENTRIES = 20_000;
const MAX_TOTAL_BYTES = 2_000_000_000;
const MAX_NAME_BYTES = 4096;
const BLOCK = 512;

/** An archive is damaged, or holds what an honest one never does. */
export class UnpackError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'UnpackError';
  }
}

/** @param {string} name */
function checkName(name) {
  if (name.length > MAX_NAME_BYTES) throw new UnpackError('an entry has an absurdly long name');
  const parts = name.replace(/\/$/, '').split('/');
  if (name.startsWith('/') || /[\\\0]/.test(name) || /^[A-Za-z]:/.test(name) || parts.includes('..')) {
    throw new UnpackError(`an entry wants to be outside the archive: ${JSON.stringify(name.slice(0, 100))}`);
  }
}

/** @param {Buffer} field */
function text(field) {
  const end = field.indexOf(0);
  return field.subarray(0, end < 0 ? field.length : end).toString('utf8');
}

/** A number of a tar header: octal text (POSIX ustar). @param {Buffer} field */
function octal(field) {
  const digits = text(field).trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw new UnpackError('a tar header holds a number that is none');
  return Number.parseInt(digits, 8);
}

/** @param {Buffer} header */
function checkHeader(header) {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : Number(header[i]);
  if (sum !== octal(header.subarray(148, 156))) throw new UnpackError('a tar header has a wrong checksum');
}

/** The `path` record of a pax extended header (POSIX pax interchange format). @param {Buffer} body */
function paxPath(body) {
  let path;
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(32, at);
    const length = space < 0 ? Number.NaN : Number(body.subarray(at, space).toString('latin1'));
    if (!Number.isSafeInteger(length) || length < 5 || at + length > body.length) {
      throw new UnpackError('a pax header is damaged');
    }
    const record = body.subarray(space + 1, at + length - 1).toString('utf8');
    if (record.startsWith('path=')) path = record.slice(5);
    at += length;
  }
  return path;
}

/** Reads a stream in pieces of a wanted length. @param {AsyncIterable<Buffer>} stream */
function reader(stream) {
  const source = stream[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  let total = 0;
  /** At most `most` bytes, at least one unless the stream has ended. @param {number} most */
  const some = async (most) => {
    while (held.length === 0) {
      const next = await source.next();
      if (next.done === true) return held;
      held = next.value;
      total += held.length;
      if (total > MAX_TOTAL_BYTES)
        throw new UnpackError('the archive unpacks to more than an honest one would');
    }
    const piece = held.subarray(0, most);
    held = held.subarray(piece.length);
    return piece;
  };
  /** Exactly `length` bytes. @param {number} length */
  const exactly = async (length) => {
    const pieces = [];
    for (let left = length; left > 0;) {
      const piece = await some(left);
      if (piece.length === 0) throw new UnpackError('the archive ends too early');
      pieces.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(pieces);
  };
  return { some, exactly, close: async () => void (await source.return?.()) };
}

/** @param {string} place @param {number} size @param {(most: number) => Promise<Buffer>} some */
async function writeFile(place, size, some) {
  await mkdir(dirname(place), { recursive: true });
  const file = await open(place, 'wx');
  try {
    for (let left = size; left > 0;) {
      const piece = await some(left);
      if (piece.length === 0) throw new UnpackError('the archive ends too early');
      for (let at = 0; at < piece.length;) at += (await file.write(piece, at)).bytesWritten;
      left -= piece.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @param {string} archive @param {ReadonlyMap<string, string>} wanted @returns {Promise<Set<string>>} */
async function unpackTarGz(archive, wanted) {
  const found = new Set();
  const raw = createReadStream(archive);
  const gunzip = createGunzip();
  raw.on('error', (error) => gunzip.destroy(error));
  raw.pipe(gunzip);
  const { some, exactly, close } = reader(gunzip);
  const skip = async (/** @type {number} */ length) => {
    for (let left = length; left > 0;) {
      const piece = await some(left);
      if (piece.length === 0) throw new UnpackError('the archive ends too early');
      left -= piece.length;
    }
  };
  try {
    /** @type {string | undefined} */
    let longName;
    for (let entries = 0; ; entries++) {
      if (entries > MAX_ENTRIES)
        throw new UnpackError('the archive has more entries than an honest one would');
      const header = await exactly(BLOCK);
      if (header.every((byte) => byte === 0)) return found;
      checkHeader(header);
      const type = String.fromCharCode(Number(header[156]));
      const size = octal(header.subarray(124, 136));
      const padding = (BLOCK - (size % BLOCK)) % BLOCK;
      if ('xgLK'.includes(type)) {
        // What is too long for the next header: pax extended headers, and GNU's older way.
        if (size > 64 * 1024) throw new UnpackError('a tar header is absurdly long');
        const body = await exactly(size);
        await skip(padding);
        if (type === 'x') longName = paxPath(body) ?? longName;
        else if (type === 'L') longName = text(body);
        continue;
      }
      const ustar = header.subarray(257, 262).toString('latin1') === 'ustar' && header[262] === 0;
      const prefix = ustar ? text(header.subarray(345, 500)) : '';
      const name = (
        longName ?? `${prefix === '' ? '' : `${prefix}/`}${text(header.subarray(0, 100))}`
      ).replace(/^\.\//, '');
      longName = undefined;
      checkName(name);
      const place = wanted.get(name);
      if (place === undefined) {
        await skip(size);
      } else {
        if (type !== '0' && type !== '\0')
          throw new UnpackError(`${name} is not a plain file in the archive`);
        if (found.has(name)) throw new UnpackError(`${name} is twice in the archive`);
        await writeFile(place, size, some);
        found.add(name);
      }
      await skip(padding);
    }
  } finally {
    raw.destroy();
    gunzip.destroy();
    await close();
  }
}

/** @param {string} archive @param {ReadonlyMap<string, string>} wanted @returns {Promise<Set<string>>} */
async function unpackZip(archive, wanted) {
  const found = new Set();
  const file = await open(archive, 'r');
  const read = async (/** @type {number} */ at, /** @type {number} */ length) => {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, at);
    if (bytesRead !== length) throw new UnpackError('the archive ends too early');
    return buffer;
  };
  try {
    // APPNOTE.TXT 4.3.16: the directory's place is told at the end of the file, before a comment of up to 65,535 bytes.
    const { size } = await file.stat();
    const tailLength = Math.min(size, 22 + 65_535);
    const tail = await read(size - tailLength, tailLength);
    const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
    if (end < 0 || end + 22 > tail.length)
      throw new UnpackError('this is no zip archive, or it is cut short');
    const entries = tail.readUInt16LE(end + 10);
    const directorySize = tail.readUInt32LE(end + 12);
    const directoryAt = tail.readUInt32LE(end + 16);
    if (entries > MAX_ENTRIES || directorySize > 16_000_000 || directoryAt + directorySize > size) {
      throw new UnpackError('the zip directory is damaged');
    }
    const directory = await read(directoryAt, directorySize);
    for (let at = 0, entry = 0; entry < entries; entry++) {
      if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50) {
        throw new UnpackError('the zip directory is damaged');
      }
      const flags = directory.readUInt16LE(at + 8);
      const method = directory.readUInt16LE(at + 10);
      const packed = directory.readUInt32LE(at + 20);
      const unpacked = directory.readUInt32LE(at + 24);
      const nameLength = directory.readUInt16LE(at + 28);
      const unixMode = directory.readUInt32LE(at + 38) >>> 16;
      const headerAt = directory.readUInt32LE(at + 42);
      const name = directory.subarray(at + 46, at + 46 + nameLength).toString('utf8');
      at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
      checkName(name);
      const place = wanted.get(name);
      if (place === undefined) continue;
      const plain = (unixMode & 0o170000) === 0 || (unixMode & 0o170000) === 0o100000;
      if (!plain || (flags & 1) !== 0 || (method !== 0 && method !== 8)) {
        throw new UnpackError(`${name} is not a plain file in the archive`);
      }
      if (found.has(name)) throw new UnpackError(`${name} is twice in the archive`);
      if (unpacked > MAX_TOTAL_BYTES)
        throw new UnpackError('the archive unpacks to more than an honest one would');
      const local = await read(headerAt, 30);
      if (local.readUInt32LE(0) !== 0x04034b50) throw new UnpackError('a zip entry is damaged');
      const start = headerAt + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
      if (packed === 0 || start + packed > size) throw new UnpackError('a zip entry is damaged');
      await mkdir(dirname(place), { recursive: true });
      let written = 0;
      const count = async function* (/** @type {AsyncIterable<Buffer>} */ stream) {
        for await (const chunk of stream) {
          written += chunk.length;
          if (written > unpacked) throw new UnpackError(`${name} is larger than the archive says`);
          yield chunk;
        }
      };
      const from = createReadStream(archive, { start, end: start + packed - 1 });
      const to = createWriteStream(place, { flags: 'wx' });
      await (method === 8 ? pipeline(from, createInflateRaw(), count, to) : pipeline(from, count, to));
      if (written !== unpacked) throw new UnpackError(`${name} is shorter than the archive says`);
      found.add(name);
    }
    return found;
  } finally {
    await file.close();
  }
}

/**
 * Takes the wanted files out of an archive.
 *
 * @param {string} archive path of a .tar.gz or .zip file
 * @param {ReadonlyMap<string, string>} wanted name inside the archive → place to write it to (must not exist)
 * @returns {Promise<Set<string>>} the names that were found
 * @throws {UnpackError} when the archive is damaged or holds an entry that points outside of it
 */
export async function unpack(archive, wanted) {
  try {
    return await (archive.endsWith('.zip') ? unpackZip(archive, wanted) : unpackTarGz(archive, wanted));
  } catch (error) {
    const code = /** @type {NodeJS.ErrnoException} */ (error).code ?? '';
    if (/^(Z_|ERR_BUFFER|ERR_OUT_OF_RANGE)/.test(code)) throw new UnpackError('the archive is damaged');
    throw error;
  }
}
