import { CSPProvider } from '@base-ui/react/csp-provider';
import { Tooltip } from '@base-ui/react/tooltip';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { openClient } from './api/client.ts';
import { ApiContext } from './api/context.ts';
import { Crash } from './features/shell/crash.tsx';
import { Shell } from './features/shell/shell.tsx';
import { applyRememberedTheme } from './stores/theme.ts';
import { feed } from './stores/topics.ts';

applyRememberedTheme();
const client = await openClient();
feed(client);

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Crash>
      <ApiContext value={client}>
        <CSPProvider disableStyleElements>
          <Tooltip.Provider>
            <Shell />
          </Tooltip.Provider>
        </CSPProvider>
      </ApiContext>
    </Crash>
  </StrictMode>,
);
