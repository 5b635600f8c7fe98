// The only bridge between the page and the shell: a sandboxed preload is CommonJS and one file. The page gets `window.adit`
// with one function; only strings and callbacks cross, never an Electron object or event.
// oxlint-disable-next-line typescript/no-require-imports -- a sandboxed preload has no ES modules
const { contextBridge, ipcRenderer } = require('electron') as typeof import('electron');

interface Events {
  readonly opened: () => void;
  readonly frame: (text: string) => void;
  readonly lost: () => void;
}

/** Connections that wait for their port, by the number they were asked with. */
const waiting = new Map<number, (port: MessagePort) => void>();
let lastId = 0;

ipcRenderer.on('adit:port', (event, id: unknown) => {
  const [port] = event.ports;
  const take = typeof id === 'number' ? waiting.get(id) : undefined;
  if (!port) return;
  if (!take) {
    port.close();
    return;
  }
  waiting.delete(id as number);
  take(port);
});

contextBridge.exposeInMainWorld('adit', {
  connect({ opened, frame, lost }: Events) {
    lastId += 1;
    const id = lastId;
    let port: MessagePort | undefined;
    waiting.set(id, (given) => {
      port = given;
      given.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
        if (typeof data === 'string') frame(data);
      });
      given.addEventListener('close', () => lost());
      given.start();
      opened();
    });
    ipcRenderer.send('adit:connect', id);
    return {
      send(text: unknown) {
        if (typeof text === 'string') port?.postMessage(text);
      },
      close() {
        waiting.delete(id);
        port?.close();
      },
    };
  },
});
