import { createRpcTemplateSource } from '../../src-main/services/templates/index.ts';
import { silentLog } from '../../src-main/services/log/index.ts';
import { templateSourceConformance } from './conformance/template-source.ts';

templateSourceConformance('getblocktemplate', ({ rpc }) =>
  createRpcTemplateSource({ rpc, network: 'regtest', clock: Date, log: silentLog }),
);
