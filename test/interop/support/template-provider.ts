/**
 * A Template Provider (SV2 chapter 7) of made-up templates: what the reference pool takes its work from, so that it runs
 * without a Bitcoin node. It keeps what the pool sends.
 */
import type { Template } from '../../../src-main/core/mining/types.ts';
import { bigintToU256, encodeMessage, messageTable } from '../../../src-main/core/stratum-v2/codec.ts';
import { ByteWriter } from '../../../src-main/core/bitcoin/bytes.ts';
import {
  PROTOCOL,
  PROTOCOL_VERSION,
  SetupConnection,
  SetupConnectionSuccess,
} from '../../../src-main/core/stratum-v2/messages/common.ts';
import {
  CoinbaseOutputConstraints,
  NewTemplate,
  RequestTransactionData,
  RequestTransactionDataSuccess,
  SetNewPrevHash,
  SubmitSolution,
} from '../../../src-main/core/stratum-v2/messages/template-distribution.ts';
import { SecureServer, type SecurePeer } from './secure-server.ts';

const fromClient = messageTable([
  SetupConnection,
  CoinbaseOutputConstraints,
  RequestTransactionData,
  SubmitSolution,
]);

function outputsOf(template: Template): Uint8Array {
  const writer = new ByteWriter();
  for (const { value, script } of template.requiredOutputs)
    writer.u64le(BigInt(value)).compactSize(script.length).bytes(script);
  return writer.finish();
}

export class TemplateProvider {
  readonly solutions: SubmitSolution[] = [];
  readonly constraints: CoinbaseOutputConstraints[] = [];
  readonly #templates = new Map<bigint, Template>();
  readonly #peers = new Set<SecurePeer>();
  #server: SecureServer | undefined;
  #lastId = 0n;
  #current: Template;

  private constructor(template: Template) {
    this.#current = template;
  }

  static async start(template: Template): Promise<TemplateProvider> {
    const self = new TemplateProvider(template);
    self.#server = await SecureServer.start((peer) => ({
      frame(frame) {
        const outcome = fromClient.decode(frame);
        if (outcome.kind !== 'message') throw new Error(`the client of templates sent ${outcome.kind}`);
        const { message } = outcome;
        switch (message.name) {
          case 'SetupConnection':
            if (message.fields.protocol !== PROTOCOL.templateDistribution)
              throw new Error('another protocol');
            peer.send(encodeMessage(SetupConnectionSuccess, { usedVersion: PROTOCOL_VERSION, flags: 0 }));
            break;
          case 'CoinbaseOutputConstraints':
            self.constraints.push(message.fields);
            self.#peers.add(peer);
            self.#send(peer, self.#current, true);
            break;
          case 'RequestTransactionData':
            peer.send(
              encodeMessage(RequestTransactionDataSuccess, {
                templateId: message.fields.templateId,
                excessData: new Uint8Array(),
                transactionList: [],
              }),
            );
            break;
          default:
            self.solutions.push(message.fields);
        }
      },
      closed: () => void self.#peers.delete(peer),
    }));
    return self;
  }

  get address(): string {
    return `127.0.0.1:${this.#server?.port ?? 0}`;
  }
  get authority(): string {
    return this.#server?.authority ?? '';
  }
  get errors(): readonly Error[] {
    return this.#server?.errors ?? [];
  }

  templateOf(id: bigint): Template | undefined {
    return this.#templates.get(id);
  }

  #send(peer: SecurePeer, template: Template, newTip: boolean): void {
    this.#lastId += 1n;
    const templateId = this.#lastId;
    this.#templates.set(templateId, template);
    peer.send(
      encodeMessage(NewTemplate, {
        templateId,
        futureTemplate: newTip,
        version: template.version,
        coinbaseTxVersion: template.coinbaseVersion,
        coinbasePrefix: template.scriptSigPrefix,
        coinbaseTxInputSequence: template.coinbaseSequence,
        coinbaseTxValueRemaining: BigInt(template.coinbaseValue),
        coinbaseTxOutputsCount: template.requiredOutputs.length,
        coinbaseTxOutputs: outputsOf(template),
        coinbaseTxLocktime: template.coinbaseLockTime,
        merklePath: [...template.merklePath],
      }),
    );
    if (newTip)
      peer.send(
        encodeMessage(SetNewPrevHash, {
          templateId,
          prevHash: template.previousHash,
          headerTimestamp: template.time,
          nBits: template.bits,
          target: bigintToU256(template.target),
        }),
      );
  }

  /** A template for all who want some; on another tip it comes as a future one with its `SetNewPrevHash`. */
  newTemplate(template: Template): void {
    const newTip = !Buffer.from(template.previousHash).equals(this.#current.previousHash);
    this.#current = template;
    for (const peer of this.#peers) this.#send(peer, template, newTip);
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}
