import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodecError,
  decodePayload,
  encodeMessage,
  encodeTlv,
  messageTable,
  parseTlvs,
} from '../../src-main/core/stratum-v2/codec.ts';
import { FrameDecoder, HEADER_LENGTH, MAX_PAYLOAD } from '../../src-main/core/stratum-v2/frame.ts';
import { ALL_MESSAGES, fieldsOf } from '../fixtures/stratum-v2-messages.ts';

const table = messageTable(ALL_MESSAGES);

/** Decodes a payload; the only error allowed is the codec's own. */
function decodesOrRefuses(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
  }
}

describe.each(ALL_MESSAGES.map((definition) => ({ name: definition.name, definition })))(
  '$name',
  ({ definition }) => {
    it('comes back as it was, through a frame and the table', () => {
      fc.assert(
        fc.property(fieldsOf(definition), fc.uint8Array({ maxLength: 20 }), (fields, tlvs) => {
          const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD });
          decoder.push(encodeMessage(definition, fields, tlvs));
          const frame = decoder.next();
          if (!frame) throw new Error('no frame');
          expect(frame.channelMessage).toBe(definition.channelMessage);
          const outcome = table.decode(frame);
          if (outcome.kind !== 'message') throw new Error(outcome.kind);
          expect(outcome.definition).toBe(definition);
          expect(outcome.message.fields).toEqual(fields);
          expect(outcome.message.tlvs).toEqual(tlvs);
          expect(decoder.pending).toBe(0);
        }),
        { numRuns: 60 },
      );
    });

    it('is refused when cut short anywhere', () => {
      fc.assert(
        fc.property(fieldsOf(definition), fc.nat(), (fields, cut) => {
          const payload = encodeMessage(definition, fields).subarray(HEADER_LENGTH);
          expect(() => decodePayload(definition, payload.subarray(0, cut % payload.length))).toThrow(
            CodecError,
          );
        }),
        { numRuns: 30 },
      );
    });

    it('survives flipped bits and random bytes', () => {
      fc.assert(
        fc.property(
          fieldsOf(definition),
          fc.nat(),
          fc.uint8Array({ maxLength: 400 }),
          (fields, at, noise) => {
            const payload = encodeMessage(definition, fields).slice(HEADER_LENGTH);
            const bit = at % (payload.length * 8);
            payload[bit >> 3] = (payload[bit >> 3] ?? 0) ^ (1 << (bit & 7));
            decodesOrRefuses(() => decodePayload(definition, payload));
            decodesOrRefuses(() => decodePayload(definition, noise));
          },
        ),
        { numRuns: 60 },
      );
    });
  },
);

describe('TLV fields', () => {
  const tlv = fc.record({
    extensionType: fc.integer({ min: 1, max: 0x7fff }),
    fieldType: fc.integer({ min: 0, max: 255 }),
    value: fc.uint8Array({ maxLength: 60 }),
  });

  it('come back as they were, only those negotiated', () => {
    fc.assert(
      fc.property(fc.array(tlv, { minLength: 1, maxLength: 5 }), (fields) => {
        const bytes = Uint8Array.from(fields.flatMap((field) => [...encodeTlv(field)]));
        const first = fields[0]?.extensionType ?? 0;
        expect(parseTlvs(bytes, new Set(fields.map((f) => f.extensionType)))).toEqual(fields);
        expect(parseTlvs(bytes, new Set([first]))).toEqual(fields.filter((f) => f.extensionType === first));
        expect(parseTlvs(bytes, new Set())).toEqual([]);
      }),
    );
  });

  it('of random bytes never fail otherwise than with a CodecError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        decodesOrRefuses(() => parseTlvs(bytes, new Set([1, 2])));
      }),
    );
  });
});
