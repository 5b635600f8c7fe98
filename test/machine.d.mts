type Brought<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly reason: string };

export function bringTestNode(): Brought<{ readonly json: string }>;
export function bringChromium(): Brought<{ readonly path: string }>;
