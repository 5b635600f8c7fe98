/*
 * SHA extensions of x86. One instruction does two rounds and takes about four cycles until the next can use its result,
 * so two nonces go side by side. Words are scheduled once per nonce and used for every version.
 */
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "sha256d.h"

typedef struct {
  __m128i abef, cdgh;
} state;

static inline __m128i k4(int i) { return _mm_loadu_si128((const __m128i *)&sha256_k[i]); }

static inline state load_state(const uint32_t *s) {
  state out;
  out.abef = _mm_set_epi32((int)s[0], (int)s[1], (int)s[4], (int)s[5]);
  out.cdgh = _mm_set_epi32((int)s[2], (int)s[3], (int)s[6], (int)s[7]);
  return out;
}

/* Words 4 further on from the sixteen before them. */
static inline __m128i next(__m128i x0, __m128i x1, __m128i x2, __m128i x3) {
  return _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(x0, x1), _mm_alignr_epi8(x3, x2, 4)), x3);
}

/* The schedule of the header's second block plus round constants; wk[0..17] but for the nonce is filled already. */
static inline void schedule(const sha256d_job *job, uint32_t nonce, uint32_t *wk) {
  __m128i x0, x1, x2, x3;
  const uint32_t word = (nonce >> 24) | ((nonce >> 8) & 0xff00u) | ((nonce << 8) & 0xff0000u) | (nonce << 24);
  wk[3] = sha256_k[3] + word;
  x0 = _mm_set_epi32((int)word, (int)job->w[2], (int)job->w[1], (int)job->w[0]);
  x1 = _mm_set_epi32(0, 0, 0, (int)0x80000000u);
  x2 = _mm_setzero_si128();
  x3 = _mm_set_epi32(640, 0, 0, 0);
#define STORE(i, x) _mm_storeu_si128((__m128i *)&wk[i], _mm_add_epi32(x, k4(i)))
#define NEXT16(i)              \
  x0 = next(x0, x1, x2, x3);   \
  STORE(i, x0);                \
  x1 = next(x1, x2, x3, x0);   \
  STORE(i + 4, x1);            \
  x2 = next(x2, x3, x0, x1);   \
  STORE(i + 8, x2);            \
  x3 = next(x3, x0, x1, x2);   \
  STORE(i + 12, x3);
  NEXT16(16)
  NEXT16(32)
  NEXT16(48)
#undef NEXT16
#undef STORE
}

static inline void prefill(const sha256d_job *job, uint32_t *wk) {
  for (int i = 0; i < 16; i++) wk[i] = sha256_k[i];
  wk[2] += job->w[2];
  wk[4] += 0x80000000u;
  wk[15] += 640;
}

#define TWO_ROUNDS(s, first, second, wk)                    \
  s[0].second = _mm_sha256rnds2_epu32(s[0].second, s[0].first, wk[0]); \
  s[1].second = _mm_sha256rnds2_epu32(s[1].second, s[1].first, wk[1]);

#define LOAD_TWO(i) \
  { _mm_loadl_epi64((const __m128i *)&wk0[i]), _mm_loadl_epi64((const __m128i *)&wk1[i]) }

/* Words 0..7 of the second hash from the state of the first. */
static inline void digest(const state s, const state midstate, __m128i *low, __m128i *high) {
  const __m128i abef = _mm_shuffle_epi32(_mm_add_epi32(s.abef, midstate.abef), 0x1b);
  const __m128i ghcd = _mm_shuffle_epi32(_mm_add_epi32(s.cdgh, midstate.cdgh), 0xb1);
  *low = _mm_blend_epi16(abef, ghcd, 0xf0);
  *high = _mm_alignr_epi8(ghcd, abef, 8);
}

/* Last state word of the double hash of two headers that share a version, as elements 0 of last. */
static inline void hash_two(const sha256d_version *version, const uint32_t *wk0, const uint32_t *wk1, uint32_t *last) {
  const state midstate = load_state(version->midstate);
  const state begin = load_state(version->round2);
  state s[2] = {begin, begin};
  __m128i x[4][2];

  /* Rounds 2..63. */
#define FOUR(i)                                     \
  {                                                 \
    const __m128i low[2] = LOAD_TWO(i);             \
    const __m128i high[2] = LOAD_TWO(i + 2);        \
    TWO_ROUNDS(s, abef, cdgh, low)                  \
    TWO_ROUNDS(s, cdgh, abef, high)                 \
  }
  FOUR(2) FOUR(6) FOUR(10) FOUR(14) FOUR(18) FOUR(22) FOUR(26) FOUR(30)
  FOUR(34) FOUR(38) FOUR(42) FOUR(46) FOUR(50) FOUR(54) FOUR(58)
  {
    const __m128i two[2] = LOAD_TWO(62);
    TWO_ROUNDS(s, abef, cdgh, two)
  }
#undef FOUR
  for (int j = 0; j < 2; j++) {
    /* An odd number of steps: the names have changed places. */
    const state end = {s[j].cdgh, s[j].abef};
    digest(end, midstate, &x[0][j], &x[1][j]);
    x[2][j] = _mm_set_epi32(0, 0, 0, (int)0x80000000u);
    x[3][j] = _mm_set_epi32(256, 0, 0, 0);
    s[j] = load_state(sha256_iv);
  }
#define FOUR(i, q)                                                                                     \
  {                                                                                                    \
    const __m128i low[2] = {_mm_add_epi32(x[q][0], k4(i)), _mm_add_epi32(x[q][1], k4(i))};             \
    const __m128i high[2] = {_mm_shuffle_epi32(low[0], 0x0e), _mm_shuffle_epi32(low[1], 0x0e)};        \
    TWO_ROUNDS(s, abef, cdgh, low)                                                                     \
    TWO_ROUNDS(s, cdgh, abef, high)                                                                    \
  }
#define NEXT(q)                                                                    \
  x[q][0] = next(x[q][0], x[(q + 1) % 4][0], x[(q + 2) % 4][0], x[(q + 3) % 4][0]); \
  x[q][1] = next(x[q][1], x[(q + 1) % 4][1], x[(q + 2) % 4][1], x[(q + 3) % 4][1]);
  FOUR(0, 0) FOUR(4, 1) FOUR(8, 2) FOUR(12, 3)
  NEXT(0) FOUR(16, 0) NEXT(1) FOUR(20, 1) NEXT(2) FOUR(24, 2) NEXT(3) FOUR(28, 3)
  NEXT(0) FOUR(32, 0) NEXT(1) FOUR(36, 1) NEXT(2) FOUR(40, 2) NEXT(3) FOUR(44, 3)
  NEXT(0) FOUR(48, 0) NEXT(1) FOUR(52, 1) NEXT(2) FOUR(56, 2) NEXT(3)
  /* Rounds 60 and 61: e of round 60 is f after 61, and the last word at the end. */
  {
    const __m128i two[2] = {_mm_add_epi32(x[3][0], k4(60)), _mm_add_epi32(x[3][1], k4(60))};
    TWO_ROUNDS(s, abef, cdgh, two)
  }
#undef FOUR
#undef NEXT
  last[0] = (uint32_t)_mm_cvtsi128_si32(s[0].cdgh) + sha256_iv[7];
  last[1] = (uint32_t)_mm_cvtsi128_si32(s[1].cdgh) + sha256_iv[7];
}

uint32_t sha256d_run_shani(const sha256d_job *job, uint32_t start, uint32_t count, sha256d_hit *hits,
                           uint32_t *done) {
  uint32_t found = 0, last[2], wk0[64], wk1[64];
  prefill(job, wk0);
  prefill(job, wk1);
  for (uint32_t i = 0; i < count; i += 2) {
    schedule(job, start + i, wk0);
    schedule(job, start + i + 1, wk1);
    for (uint32_t v = 0; v < job->version_count; v++) {
      hash_two(&job->version[v], wk0, wk1, last);
      for (uint32_t lane = 0; lane < 2; lane++) {
        if ((last[lane] & job->reject_mask) != 0) continue;
        hits[found].nonce = start + i + lane;
        hits[found].version_index = v;
        found++;
      }
    }
    if (SHA256D_FULL(job, found)) {
      *done = i + 2;
      return found;
    }
  }
  *done = count;
  return found;
}
#endif
