import { useEffect, useRef } from 'react';
import { reducedMotion, resolveColour } from '../../ui/colour.ts';
import styles from './shell.module.css';

const PIECES = 130;
const SECONDS = 4.2;

const KEY = 'adit.celebrated';

/**
 * Paper in the colours of the lamp, once for each occasion. Nothing where the user asked for less motion.
 * @param occasion hash of the block
 */
export function Confetti({ occasion }: { readonly occasion: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const target = canvas.current;
    if (target === null || reducedMotion() || sessionStorage.getItem(KEY) === occasion) return undefined;
    const scale = devicePixelRatio || 1;
    const width = innerWidth;
    const height = innerHeight;
    target.width = width * scale;
    target.height = height * scale;
    const context = target.getContext('2d')!;
    const colours = [
      'var(--lamp)',
      'color-mix(in srgb, var(--lamp) 60%, white)',
      'var(--vein)',
      'var(--soft)',
    ].map(resolveColour);
    const pieces = Array.from({ length: PIECES }, (_, index) => ({
      x: width * (0.1 + 0.8 * Math.random()),
      y: -20 - Math.random() * height * 0.35,
      fall: height * (0.26 + Math.random() * 0.24),
      sway: 16 + Math.random() * 34,
      turn: Math.random() * 6,
      spin: 1.5 + Math.random() * 4,
      size: 5 + Math.random() * 6,
      colour: colours[index % colours.length]!,
    }));
    const began = performance.now();
    let frame = 0;
    const step = (now: number) => {
      const seconds = (now - began) / 1000;
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, width, height);
      context.globalAlpha = Math.max(0, Math.min(1, SECONDS - seconds));
      for (const piece of pieces) {
        const angle = piece.turn + piece.spin * seconds;
        context.save();
        context.translate(piece.x + Math.sin(angle * 0.7) * piece.sway, piece.y + piece.fall * seconds);
        context.rotate(angle);
        context.scale(1, Math.abs(Math.cos(angle * 1.3)) * 0.9 + 0.1);
        context.fillStyle = piece.colour;
        context.fillRect(-piece.size / 2, -piece.size / 2, piece.size, piece.size);
        context.restore();
      }
      if (seconds < SECONDS) frame = requestAnimationFrame(step);
      else {
        context.clearRect(0, 0, width, height);
        sessionStorage.setItem(KEY, occasion);
      }
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [occasion]);
  return <canvas ref={canvas} className={styles.confetti} aria-hidden="true" />;
}
