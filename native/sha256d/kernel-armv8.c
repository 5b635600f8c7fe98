/*
 * SHA-256 instructions of 64-bit Arm (FEAT_SHA256). A pair of them does four rounds and waits for the pair before, so
 * two nonces go side by side. Words are scheduled once per nonce and used for every version.
 */
#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>

#include "sha256d.h"

typedef struct {
  uint32x4_t abcd, efgh;
} state;

static inline state load_state(const uint32_t *s) {
  const state out = {vld1q_u32(s), vld1q_u32(s + 4)};
  return out;
}

static inline state four_rounds(state s, uint32x4_t wk) {
  const state out = {vsha256hq_u32(s.abcd, s.efgh, wk), vsha256h2q_u32(s.efgh, s.abcd, wk)};
  return out;
}

/* Words 4 further on from the sixteen before them. */
static inline uint32x4_t next(uint32x4_t x0, uint32x4_t x1, uint32x4_t x2, uint32x4_t x3) {
  return vsha256su1q_u32(vsha256su0q_u32(x0, x1), x2, x3);
}

static inline uint32x4_t words(uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3) {
  const uint32_t w[4] = {w0, w1, w2, w3};
  return vld1q_u32(w);
}

/* The schedule of the header's second block plus round constants. */
static inline void schedule(const sha256d_job *job, uint32_t nonce, uint32x4_t *wk) {
  const uint32_t word = (nonce >> 24) | ((nonce >> 8) & 0xff00u) | ((nonce << 8) & 0xff0000u) | (nonce << 24);
  uint32x4_t x[16];
  x[0] = words(job->w[0], job->w[1], job->w[2], word);
  x[1] = words(0x80000000u, 0, 0, 0);
  x[2] = words(0, 0, 0, 0);
  x[3] = words(0, 0, 0, 640);
  for (int i = 4; i < 16; i++) x[i] = next(x[i - 4], x[i - 3], x[i - 2], x[i - 1]);
  for (int i = 0; i < 16; i++) wk[i] = vaddq_u32(x[i], vld1q_u32(&sha256_k[4 * i]));
}

/* Last state word of the double hash of two headers that share a version. */
static inline void hash_two(const sha256d_version *version, const uint32x4_t *wk0, const uint32x4_t *wk1,
                            uint32_t *last) {
  const state midstate = load_state(version->midstate), iv = load_state(sha256_iv);
  state s0 = midstate, s1 = midstate;
  uint32x4_t x0[16], x1[16];
  for (int i = 0; i < 16; i++) {
    s0 = four_rounds(s0, wk0[i]);
    s1 = four_rounds(s1, wk1[i]);
  }
  x0[0] = vaddq_u32(s0.abcd, midstate.abcd);
  x1[0] = vaddq_u32(s1.abcd, midstate.abcd);
  x0[1] = vaddq_u32(s0.efgh, midstate.efgh);
  x1[1] = vaddq_u32(s1.efgh, midstate.efgh);
  x0[2] = x1[2] = words(0x80000000u, 0, 0, 0);
  x0[3] = x1[3] = words(0, 0, 0, 256);
  s0 = s1 = iv;
  for (int i = 0; i < 16; i++) {
    const uint32x4_t k = vld1q_u32(&sha256_k[4 * i]);
    if (i > 3) {
      x0[i] = next(x0[i - 4], x0[i - 3], x0[i - 2], x0[i - 1]);
      x1[i] = next(x1[i - 4], x1[i - 3], x1[i - 2], x1[i - 1]);
    }
    s0 = four_rounds(s0, vaddq_u32(x0[i], k));
    s1 = four_rounds(s1, vaddq_u32(x1[i], k));
  }
  last[0] = vgetq_lane_u32(s0.efgh, 3) + sha256_iv[7];
  last[1] = vgetq_lane_u32(s1.efgh, 3) + sha256_iv[7];
}

uint32_t sha256d_run_armv8(const sha256d_job *job, uint32_t start, uint32_t count, sha256d_hit *hits,
                           uint32_t *done) {
  uint32_t found = 0, last[2];
  uint32x4_t wk0[16], wk1[16];
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
