/** The app's mark: the mouth of a mine with a lamp in it. */
export function Mark({ size = 22 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" aria-hidden="true">
      <path d="M2 21.5V12a10 10 0 0 1 20 0v9.5" stroke="var(--soft)" strokeWidth="2" strokeLinecap="round" />
      <path
        d="M7 21.5V13a5 5 0 0 1 10 0v8.5"
        fill="color-mix(in srgb, var(--lamp) 20%, transparent)"
        stroke="var(--lamp)"
        strokeWidth="2"
        strokeLinecap="round"
      />
      <circle cx="12" cy="13.4" r="1.7" fill="var(--lamp)" />
    </svg>
  );
}
