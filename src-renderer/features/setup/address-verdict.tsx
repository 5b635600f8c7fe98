import CircleCheck from 'lucide-react/icons/circle-check';
import CircleX from 'lucide-react/icons/circle-x';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import type { AddressCheckView } from '../../../src-main/core/api/schema.ts';
import { t } from '../../i18n/index.ts';
import { text } from '../../ui/text.tsx';
import styles from './setup.module.css';

/** The verdict on an address in words, under its field. */
export function Verdict({
  check,
  id,
}: {
  readonly check: AddressCheckView | undefined;
  readonly id: string;
}) {
  return (
    <div
      id={id}
      className={styles.verdict}
      role="status"
      data-verdict={check === undefined ? 'none' : check.ok ? 'good' : 'bad'}
    >
      {check !== undefined && !check.ok && (
        <p className={text.bad}>
          <CircleX size={15} aria-hidden="true" />
          {check.message}
        </p>
      )}
      {check?.ok === true && (
        <>
          <p className={text.good}>
            <CircleCheck size={15} aria-hidden="true" />
            {t.address.good(t.address.types[check.type])} <span className={text.faint}>{check.type}</span>
          </p>
          {check.warning !== null && (
            <p className={text.warn}>
              <TriangleAlert size={15} aria-hidden="true" />
              {check.warning}
            </p>
          )}
        </>
      )}
    </div>
  );
}
