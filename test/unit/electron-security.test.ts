import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { array, assert, constantFrom, property } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pageFile, CONTENT_SECURITY_POLICY } from '../../src-main/transport/page.ts';
import { isOwnUrl } from '../../src-main/electron/origin.ts';
import { answerRequest, registerScheme } from '../../src-main/electron/protocol.ts';
import {
  allowsPermission,
  allowsRequest,
  externalUrl,
  hardenContents,
  hardenSession,
  isOwnSender,
} from '../../src-main/electron/security.ts';
import { webPreferences, windowOptions } from '../../src-main/electron/window.ts';
import { menuTemplate } from '../../src-main/electron/menu.ts';
import { FakeContents, FakeEvent, FakeSession, fakeFrame } from '../fixtures/fake-electron.ts';

const OWN = 'app://adit/';

describe('web preferences', () => {
  test('the page has no Node, no Electron, and its own sandboxed world', () => {
    expect(webPreferences('/p.cjs', true)).toEqual({
      preload: '/p.cjs',
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
      safeDialogs: true,
      devTools: false,
    });
    expect(windowOptions('/p.cjs', true, true, undefined)).toMatchObject({
      show: false,
      webPreferences: webPreferences('/p.cjs', true),
    });
    expect(webPreferences('/p.cjs', false).devTools).toBe(true);
  });

  test('no switch that weakens a page is named anywhere in the shell', () => {
    const folder = resolve(import.meta.dirname, '../../src-main/electron');
    const forbidden =
      /webSecurity|allowRunningInsecureContent|experimentalFeatures|enableBlinkFeatures|no-sandbox|disable-web-security|remote-debugging|certificate-error|executeJavaScript|file:\/\//;
    const files = readdirSync(folder);
    expect(files).toContain('window.ts');
    for (const name of files)
      expect(`${name}: ${forbidden.exec(readFileSync(join(folder, name), 'utf8'))?.[0]}`).toBe(
        `${name}: undefined`,
      );
  });

  test('nothing keeps the entry from being evaluated, which Electron waits for before it is ready', () => {
    const entry = readFileSync(resolve(import.meta.dirname, '../../src-main/electron/main.ts'), 'utf8');
    expect(entry).toContain('runShell({');
    expect(entry).not.toMatch(/\bawait\b(?!ed)/);
  });

  test('a packaged app has no developer tools in its menu', () => {
    const roles = (packaged: boolean): string =>
      JSON.stringify(
        menuTemplate(
          'linux',
          packaged,
          () => {},
          () => {},
        ),
      );
    expect(roles(true)).not.toMatch(/toggleDevTools|reload/);
    expect(roles(false)).toContain('toggleDevTools');
  });
});

describe('own addresses', () => {
  test.each([
    [OWN, true],
    ['app://adit/index.html#/blocks', true],
    ['app:///adit/', false],
    ['app://adit.evil/', false],
    ['app://evil@adit/', false],
    ['app://adit:80/', false],
    ['app:adit/', false],
    ['https://adit/', false],
    ['file:///etc/passwd', false],
    ['about:blank', false],
    ['', false],
  ])('%s: %s', (url, own) => expect(isOwnUrl(url)).toBe(own));
});

describe('permissions', () => {
  const ALL = [
    'clipboard-read',
    'display-capture',
    'fullscreen',
    'geolocation',
    'hid',
    'media',
    'midi',
    'midiSysex',
    'notifications',
    'openExternal',
    'pointerLock',
    'serial',
    'storage-access',
    'usb',
    'window-management',
    'fileSystem',
    'unknown',
  ];
  test.each(ALL)('%s is denied', (permission) => expect(allowsPermission(permission, OWN)).toBe(false));
  test('writing the clipboard is for our page alone', () => {
    expect(allowsPermission('clipboard-sanitized-write', OWN)).toBe(true);
    expect(allowsPermission('clipboard-sanitized-write', 'https://evil.example/')).toBe(false);
  });

  test('both handlers of the session follow the table, devices and screens are denied', () => {
    const session = new FakeSession();
    hardenSession(session as never, true);
    const asked = (permission: string, requestingUrl: string, isMainFrame = true): boolean | undefined => {
      let answer: boolean | undefined;
      const details = { requestingUrl, isMainFrame };
      session.request?.(undefined as never, permission as never, (given) => (answer = given), details);
      return answer;
    };
    expect(asked('clipboard-sanitized-write', OWN)).toBe(true);
    expect(asked('clipboard-sanitized-write', OWN, false)).toBe(false);
    expect(asked('media', OWN)).toBe(false);
    const checked = (permission: string, requestingUrl?: string): boolean | undefined =>
      session.check?.(null, permission as never, OWN, { requestingUrl } as never);
    expect(checked('clipboard-sanitized-write', OWN)).toBe(true);
    expect(checked('clipboard-sanitized-write')).toBe(false);
    expect(checked('serial', OWN)).toBe(false);
    expect(session.device?.({} as never)).toBe(false);
    let streams: unknown;
    session.display?.({} as never, (given) => (streams = given));
    expect(streams).toEqual({});
    const download = new FakeEvent();
    session.emit('will-download', download);
    expect(download.prevented).toBe(true);
  });
});

describe('the network', () => {
  test.each([
    ['app://adit/assets/main.js', true, true],
    ['data:image/png;base64,AA', true, true],
    ['https://example.com/', true, false],
    ['http://127.0.0.1:3333/', true, false],
    ['ws://127.0.0.1/', true, false],
    ['file:///etc/passwd', true, false],
    ['data:text/html,<script>', true, false],
    ['devtools://devtools/bundled/x.js', true, false],
    ['devtools://devtools/bundled/x.js', false, true],
    ['https://example.com/', false, false],
  ])('%s (packaged: %s) is let through: %s', (url, packaged, allowed) => {
    expect(allowsRequest(url, packaged)).toBe(allowed);
    const session = new FakeSession();
    hardenSession(session as never, packaged);
    let cancelled: boolean | undefined;
    session.before?.({ url }, ({ cancel }) => (cancelled = cancel));
    expect(cancelled).toBe(!allowed);
  });
});

describe('leaving the page', () => {
  test.each(['will-navigate', 'will-frame-navigate', 'will-redirect', 'will-attach-webview'])(
    '%s is prevented',
    (name) => {
      const contents = new FakeContents();
      hardenContents(contents as never, () => {});
      const event = new FakeEvent();
      contents.emit(name, event, 'https://evil.example/');
      expect(event.prevented).toBe(true);
    },
  );

  test('no window opens; a link Adit knows goes to the browser', () => {
    const contents = new FakeContents();
    const opened: string[] = [];
    hardenContents(contents as never, (url) => opened.push(url));
    for (const url of ['https://mempool.space/block/1', 'https://evil.example/', 'app://adit/']) {
      expect(contents.openHandler?.({ url })).toEqual({ action: 'deny' });
    }
    expect(opened).toEqual(['https://mempool.space/block/1']);
  });

  test.each([
    ['https://mempool.space/tx/1', 'https://mempool.space/tx/1'],
    ['https://github.com/bitcoin/bitcoin', 'https://github.com/bitcoin/bitcoin'],
    ['http://mempool.space/', undefined],
    ['https://mempool.space.evil.example/', undefined],
    ['https://evil.example/?mempool.space', undefined],
    ['https://user@mempool.space/', undefined],
    ['https://mempool.space:8443/', undefined],
    ['javascript:alert(1)', undefined],
    ['file:///bin/sh', undefined],
    ['smb://mempool.space/x', undefined],
    ['ms-msdt:/id', undefined],
    ['not a url', undefined],
    [`https://mempool.space/${'x'.repeat(3_000)}`, undefined],
  ])('%s opens as %s', (url, expected) => expect(externalUrl(url)).toBe(expected));
});

describe('senders', () => {
  const contents = new FakeContents();
  test.each([
    ['our page', fakeFrame(OWN), contents, true],
    ['a frame inside it', fakeFrame(OWN, fakeFrame(OWN)), contents, false],
    ['another page in our window', fakeFrame('https://evil.example/'), contents, false],
    ['another window', fakeFrame(OWN), new FakeContents(), false],
    ['a frame that is gone', null, contents, false],
  ])('%s', (_, senderFrame, sender, own) => expect(isOwnSender({ senderFrame, sender }, contents)).toBe(own));
  test('without a window nobody is ours', () => {
    expect(isOwnSender({ senderFrame: fakeFrame(OWN), sender: undefined }, undefined)).toBe(false);
  });
});

describe('the app scheme', () => {
  const files = new Map([
    ['/', pageFile('text/html; charset=utf-8', Buffer.from('<title>Adit</title>'))],
    ['/assets/main.js', pageFile('text/javascript; charset=utf-8', Buffer.from('1'))],
  ]);

  test('is standard and secure, and nothing more', () => {
    const lists: unknown[] = [];
    registerScheme({ registerSchemesAsPrivileged: (list) => lists.push(list) });
    expect(lists).toEqual([
      [{ scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true } }],
    ]);
  });

  test('gives the page with the same policy as the headless server', async () => {
    const response = answerRequest(files, 'GET', 'app://adit/?x=1#/blocks');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toBe(CONTENT_SECURITY_POLICY);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await response.text()).toContain('Adit');
    expect(answerRequest(files, 'POST', OWN).status).toBe(405);
    expect(answerRequest(files, 'GET', 'app://other/').status).toBe(404);
  });

  test('gives nothing but the files of the build, whatever the path', () => {
    const part = constantFrom(
      '..',
      '.',
      '%2e%2e',
      '%2E.',
      '..%2f',
      '\\',
      '%5c',
      '%00',
      'etc',
      'passwd',
      'assets',
      'main.js',
      '',
      '__proto__',
      'C:',
    );
    assert(
      property(array(part, { maxLength: 8 }), constantFrom('/', '\\', '//', '%2f'), (parts, between) => {
        const url = `app://adit/${parts.join(between)}`;
        const { status } = answerRequest(files, 'GET', url);
        expect(status).toBe(files.has(new URL(url).pathname) ? 200 : 404);
      }),
    );
  });
});
