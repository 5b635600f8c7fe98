/// <reference types="vite/client" />

/** True in builds that carry the made-up engine (`vite build --mode mock`, `vite dev`). */
declare const __ADIT_MOCK__: boolean;
