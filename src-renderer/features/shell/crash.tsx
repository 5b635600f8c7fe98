import { Component } from 'react';
import type { ReactNode } from 'react';
import { t } from '../../i18n/index.ts';
import { Button } from '../../ui/button.tsx';
import { Card } from '../../ui/card.tsx';
import { Mono, Note } from '../../ui/text.tsx';
import styles from './shell.module.css';

/** Catches a fault of the page itself. Mining does not run in here, and the words say so. */
export class Crash extends Component<{ readonly children: ReactNode }, { readonly fault: string | null }> {
  override state = { fault: null };

  static getDerivedStateFromError(error: unknown): { fault: string } {
    return { fault: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }

  override render(): ReactNode {
    if (this.state.fault === null) return this.props.children;
    return (
      <main className={styles.crash}>
        <Card title={t.crash.title} role="alert">
          <Note>{t.crash.why}</Note>
          <p className={styles.fault}>
            <Mono>{this.state.fault}</Mono>
          </p>
          <Button kind="primary" onClick={() => location.reload()}>
            {t.crash.reload}
          </Button>
        </Card>
      </main>
    );
  }
}
