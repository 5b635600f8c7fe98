import { pageFile } from '../transport/page.ts';
import type { PageFiles } from '../transport/page.ts';
import { SIGN_IN_PATH } from '../core/api/session.ts';

/** The page for a browser without a session. Plain HTML: it must show whatever state the app's own page is in. */
const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>Adit: open the printed address</title>
<link rel="stylesheet" href="/open.css">
</head>
<body>
<main>
<p class="brand">Adit</p>
<h1>Open the address that Adit printed</h1>
<p>This browser is not signed in. Adit prints a line like this when it starts:</p>
<p class="sample"><code>Adit: open http://127.0.0.1:7337/#token=…</code></p>
<p>Open that whole address, with everything after the <code>#</code>. You find the line in the terminal where Adit runs, or in the log of its service.</p>
<p class="soft">The address changes each time Adit starts. Keep it to yourself: whoever has it controls your miners and where blocks pay.</p>
</main>
</body>
</html>
`;

const CSS = `:root {
  --bg: #0d1014; --card: #14181e; --line: #252b35; --ink: #eceef1; --soft: #a3acb9; --lamp: #f4b740; --raise: #1a1f27;
}
@media (prefers-color-scheme: light) {
  :root {
    --bg: #f6f4ef; --card: #fffefb; --line: #e2ddd2; --ink: #1b1e23; --soft: #565f6b; --lamp: #95600a; --raise: #f1eee6;
  }
}
* { box-sizing: border-box; margin: 0; }
body {
  min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--bg); color: var(--ink);
  font: 400 15px/1.6 Inter, system-ui, sans-serif;
}
main {
  max-width: 560px; padding: 32px; background: var(--card); border: 1px solid var(--line); border-radius: 14px;
}
.brand { color: var(--lamp); font-weight: 650; margin-bottom: 16px; }
h1 { font-size: 24px; line-height: 1.25; margin-bottom: 16px; }
p + p { margin-top: 12px; }
code { font: 400 0.92em/1.4 "JetBrains Mono", ui-monospace, monospace; overflow-wrap: anywhere; }
.sample { padding: 12px 16px; background: var(--raise); border-left: 3px solid var(--lamp); border-radius: 6px; }
.soft { color: var(--soft); font-size: 13.5px; }
`;

/** The sign-in page and its style, by URL path. */
export const SIGN_IN_FILES: PageFiles = new Map([
  [SIGN_IN_PATH, pageFile('text/html; charset=utf-8', Buffer.from(HTML))],
  ['/open.css', pageFile('text/css; charset=utf-8', Buffer.from(CSS))],
]);
