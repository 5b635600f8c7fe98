import { useDeferredValue } from 'react';
import type { AddressCheckView } from '../../../src-main/core/api/schema.ts';
import type { Network } from '../../../src-main/core/bitcoin/network.ts';
import { useQuery } from '../../api/context.ts';

/**
 * Whether typed text is the address that was checked. Bech32 may be typed in capitals and is given back in small letters
 * (BIP173); in Base58 the case is part of the address.
 */
export function isSameAddress(checked: string, typed: string): boolean {
  const text = typed.trim();
  if (checked === '') return false;
  return checked === text || (text === text.toUpperCase() && checked === text.toLowerCase());
}

/**
 * What the engine says of an address while it is typed.
 * @returns undefined while the field is empty or the answer is on its way
 */
export function useAddressCheck(network: Network, text: string): AddressCheckView | undefined {
  const asked = useDeferredValue(text.trim());
  const { data } = useQuery('address.check', asked === '' ? null : { network, text: asked.slice(0, 1_000) });
  // The answer kept from another text must not vouch for this one.
  if (asked === '' || asked !== text.trim() || data === undefined) return undefined;
  if (data.ok && !isSameAddress(data.address, asked)) return undefined;
  return data;
}
