import { useDeferredValue } from 'react';
import type { AddressCheckView } from '../../../src-main/core/api/schema.ts';
import type { Network } from '../../../src-main/core/bitcoin/network.ts';
import { useQuery } from '../../api/context.ts';

/**
 * What the engine says of an address while it is typed.
 * @returns undefined while the field is empty or the answer is on its way
 */
export function useAddressCheck(network: Network, text: string): AddressCheckView | undefined {
  const asked = useDeferredValue(text.trim());
  const { data } = useQuery('address.check', asked === '' ? null : { network, text: asked.slice(0, 1_000) });
  // The answer kept from another text must not vouch for this one.
  if (asked === '' || asked !== text.trim() || data === undefined) return undefined;
  if (data.ok && data.address.toLowerCase() !== asked.toLowerCase()) return undefined;
  return data;
}
