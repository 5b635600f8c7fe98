import { describe, expect, it } from 'vitest';
import { RpcError, RpcUnreachable } from '../../src-main/services/node/index.ts';
import { submitFailureOf, submitResultOf, troubleOf } from '../../src-main/services/templates/outcome.ts';
import { TemplateReplyError } from '../../src-main/services/templates/reply.ts';

describe('submitResultOf', () => {
  it.each([
    [null, { kind: 'accepted', already: false }],
    ['duplicate', { kind: 'accepted', already: true }],
    ['inconclusive', { kind: 'inconclusive' }],
    ['duplicate-inconclusive', { kind: 'inconclusive' }],
    ['duplicate-invalid', { kind: 'rejected', reason: 'duplicate-invalid' }],
    ['high-hash', { kind: 'rejected', reason: 'high-hash' }],
    ['bad-txns-inputs-missingorspent', { kind: 'rejected', reason: 'bad-txns-inputs-missingorspent' }],
  ])('%j', (answer, result) => {
    expect(submitResultOf(answer)).toEqual(result);
  });

  it.each(['prev-blk-not-found', 'time-too-new'])('keeps a block that is refused for now: %s', (word) => {
    expect(submitResultOf(word)).toEqual({
      kind: 'unreachable',
      reason: expect.stringContaining(word) as string,
    });
  });

  it.each([undefined, 0, true, '', {}, []])('takes %j for no answer, and keeps the block', (answer) => {
    expect(submitResultOf(answer)).toMatchObject({ kind: 'unreachable' });
  });

  it('bounds the reason', () => {
    expect(submitResultOf('x'.repeat(10_000))).toEqual({ kind: 'rejected', reason: 'x'.repeat(200) });
  });
});

describe('submitFailureOf', () => {
  it('gives up only a block the node could not read', () => {
    expect(submitFailureOf(new RpcError('submitblock', -22, 'Block decode failed'))).toEqual({
      kind: 'rejected',
      reason: 'Block decode failed',
    });
  });
  it.each([
    new RpcError('submitblock', -28, 'Loading block index'),
    new RpcError('submitblock', -1, 'disk full'),
    new RpcUnreachable('submitblock', 'timeout', 'no answer within 120 s'),
    new Error('anything else'),
  ])('keeps it otherwise: %s', (error) => {
    expect(submitFailureOf(error)).toEqual({ kind: 'unreachable', reason: error.message });
  });
});

describe('troubleOf', () => {
  it.each([
    [new RpcError('m', -9, 'Bitcoin is not connected!'), 'not connected to any other node'],
    [new RpcError('m', -10, 'Bitcoin is in initial sync'), 'catching up'],
    [new RpcError('m', -28, 'Verifying blocks…'), 'starting: Verifying blocks…'],
    [new RpcError('m', -8, 'Invalid mode'), 'Invalid mode (-8)'],
    [new RpcUnreachable('m', 'refused', 'nothing listens on the port of the node'), 'nothing listens'],
    [new TypeError('odd'), 'odd'],
  ])('waits and says why: %s', (error, words) => {
    const { state, retryMs } = troubleOf(error);
    expect(state).toEqual({ kind: 'waiting', reason: expect.stringContaining(words) as string });
    expect(retryMs).toBeLessThanOrEqual(1_000);
  });

  it('calls a template that can not be used a failure, with advice', () => {
    expect(troubleOf(new TemplateReplyError('bits: is wrong', 'Do this.')).state).toEqual({
      kind: 'failed',
      reason: expect.stringContaining('bits: is wrong') as string,
      advice: 'Do this.',
    });
  });
});
