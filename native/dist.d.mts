export interface Wish {
  platforms: ('linux' | 'darwin' | 'win32')[];
  archs: string[];
  dir: boolean;
  help: boolean;
}
export function readWish(args: string[]): Wish;
