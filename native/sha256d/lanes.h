/*
 * The kernel for any vector width, written once. A file that includes it first defines
 *   KERNEL   name of the function            LANES   nonces per vector
 *   V        vector of LANES uint32_t        SET1(x) x in all lanes
 *   NONCES(n) vector of n, n+1, ...          BSWAP(v) byte order of each lane reversed
 *   ADD XOR3 ROTR SHR CH MAJ                 ZERO_LANES(v, mask): bit i set where (lane i & mask) == 0
 */

#define S0(x) XOR3(ROTR(x, 2), ROTR(x, 13), ROTR(x, 22))
#define S1(x) XOR3(ROTR(x, 6), ROTR(x, 11), ROTR(x, 25))
#define s0(x) XOR3(ROTR(x, 7), ROTR(x, 18), SHR(x, 3))
#define s1(x) XOR3(ROTR(x, 17), ROTR(x, 19), SHR(x, 10))

/* One round; wk is the schedule word with its constant already added. New e stands in d, new a in h. */
#define ROUND(a, b, c, d, e, f, g, h, wk)                      \
  do {                                                         \
    V t1 = ADD(ADD(h, wk), ADD(S1(e), CH(e, f, g)));           \
    d = ADD(d, t1);                                            \
    h = ADD(t1, ADD(S0(a), MAJ(a, b, c)));                     \
  } while (0)

/* A round of which only the new e is needed. */
#define ROUND_E(d, e, f, g, h, wk) d = ADD(d, ADD(ADD(h, wk), ADD(S1(e), CH(e, f, g))))

#define ROUNDS8(WK, i)                     \
  do {                                     \
    ROUND(a, b, c, d, e, f, g, h, WK(i));     \
    ROUND(h, a, b, c, d, e, f, g, WK(i + 1)); \
    ROUND(g, h, a, b, c, d, e, f, WK(i + 2)); \
    ROUND(f, g, h, a, b, c, d, e, WK(i + 3)); \
    ROUND(e, f, g, h, a, b, c, d, WK(i + 4)); \
    ROUND(d, e, f, g, h, a, b, c, WK(i + 5)); \
    ROUND(c, d, e, f, g, h, a, b, WK(i + 6)); \
    ROUND(b, c, d, e, f, g, h, a, WK(i + 7)); \
  } while (0)

/* The schedule of the header's second block plus the round constants, for rounds 18..63 (those that hold the nonce). */
static inline void KERNEL_NAME(schedule)(const sha256d_job *job, V nonce, V *wk) {
  V w[64];
  w[18] = ADD(SET1(job->w18_base), s0(nonce));
  w[19] = ADD(SET1(job->w19_base), nonce);
  w[20] = ADD(s1(w[18]), SET1(0x80000000u));
  w[21] = s1(w[19]);
  w[22] = ADD(s1(w[20]), SET1(640));
  w[23] = ADD(s1(w[21]), SET1(job->w16));
  w[24] = ADD(s1(w[22]), SET1(job->w17));
  w[25] = ADD(s1(w[23]), w[18]);
  w[26] = ADD(s1(w[24]), w[19]);
  w[27] = ADD(s1(w[25]), w[20]);
  w[28] = ADD(s1(w[26]), w[21]);
  w[29] = ADD(s1(w[27]), w[22]);
  w[30] = ADD(ADD(s1(w[28]), w[23]), SET1(0x00a00055u)); /* s0(640) */
  w[31] = ADD(ADD(s1(w[29]), w[24]), SET1(job->w31_base));
  w[32] = ADD(ADD(s1(w[30]), w[25]), SET1(job->w32_base));
  w[33] = ADD(ADD(s1(w[31]), w[26]), ADD(s0(w[18]), SET1(job->w17)));
  for (int i = 34; i < 64; i++) w[i] = ADD(ADD(s1(w[i - 2]), w[i - 7]), ADD(s0(w[i - 15]), w[i - 16]));
  for (int i = 18; i < 64; i++) wk[i - 18] = ADD(w[i], SET1(sha256_k[i]));
}

/* Second half of the double hash: the last word of its state, less the constant, from the first half's digest. */
static inline V KERNEL_NAME(second)(const V *digest) {
  V w0 = digest[0], w1 = digest[1], w2 = digest[2], w3 = digest[3];
  V w4 = digest[4], w5 = digest[5], w6 = digest[6], w7 = digest[7];
  V w8, w9, w10, w11, w12, w13, w14, w15;
  V a = SET1(sha256_iv[0]), b = SET1(sha256_iv[1]), c = SET1(sha256_iv[2]), d;
  V e = SET1(sha256_iv[4]), f = SET1(sha256_iv[5]), g = SET1(sha256_iv[6]), h;

  /* Round 0 starts from constants: only its word varies. */
  d = ADD(w0, SET1(0x98c7e2a2u));
  h = ADD(w0, SET1(0xfc08884du));
#define WK(i, w) ADD(w, SET1(sha256_k[i]))
  ROUND(h, a, b, c, d, e, f, g, WK(1, w1));
  ROUND(g, h, a, b, c, d, e, f, WK(2, w2));
  ROUND(f, g, h, a, b, c, d, e, WK(3, w3));
  ROUND(e, f, g, h, a, b, c, d, WK(4, w4));
  ROUND(d, e, f, g, h, a, b, c, WK(5, w5));
  ROUND(c, d, e, f, g, h, a, b, WK(6, w6));
  ROUND(b, c, d, e, f, g, h, a, WK(7, w7));
  /* Words 8..15 are the padding: 1 bit, zeros, length 256. */
  ROUND(a, b, c, d, e, f, g, h, SET1(sha256_k[8] + 0x80000000u));
  ROUND(h, a, b, c, d, e, f, g, SET1(sha256_k[9]));
  ROUND(g, h, a, b, c, d, e, f, SET1(sha256_k[10]));
  ROUND(f, g, h, a, b, c, d, e, SET1(sha256_k[11]));
  ROUND(e, f, g, h, a, b, c, d, SET1(sha256_k[12]));
  ROUND(d, e, f, g, h, a, b, c, SET1(sha256_k[13]));
  ROUND(c, d, e, f, g, h, a, b, SET1(sha256_k[14]));
  ROUND(b, c, d, e, f, g, h, a, SET1(sha256_k[15] + 256));

  w0 = ADD(w0, s0(w1));
  ROUND(a, b, c, d, e, f, g, h, WK(16, w0));
  w1 = ADD(ADD(w1, s0(w2)), SET1(0x00a00000u)); /* s1(256) */
  ROUND(h, a, b, c, d, e, f, g, WK(17, w1));
  w2 = ADD(ADD(w2, s0(w3)), s1(w0));
  ROUND(g, h, a, b, c, d, e, f, WK(18, w2));
  w3 = ADD(ADD(w3, s0(w4)), s1(w1));
  ROUND(f, g, h, a, b, c, d, e, WK(19, w3));
  w4 = ADD(ADD(w4, s0(w5)), s1(w2));
  ROUND(e, f, g, h, a, b, c, d, WK(20, w4));
  w5 = ADD(ADD(w5, s0(w6)), s1(w3));
  ROUND(d, e, f, g, h, a, b, c, WK(21, w5));
  w6 = ADD(ADD(w6, s0(w7)), ADD(s1(w4), SET1(256)));
  ROUND(c, d, e, f, g, h, a, b, WK(22, w6));
  w7 = ADD(ADD(w7, SET1(0x11002000u)), ADD(s1(w5), w0)); /* s0(0x80000000) */
  ROUND(b, c, d, e, f, g, h, a, WK(23, w7));
  w8 = ADD(ADD(s1(w6), w1), SET1(0x80000000u));
  ROUND(a, b, c, d, e, f, g, h, WK(24, w8));
  w9 = ADD(s1(w7), w2);
  ROUND(h, a, b, c, d, e, f, g, WK(25, w9));
  w10 = ADD(s1(w8), w3);
  ROUND(g, h, a, b, c, d, e, f, WK(26, w10));
  w11 = ADD(s1(w9), w4);
  ROUND(f, g, h, a, b, c, d, e, WK(27, w11));
  w12 = ADD(s1(w10), w5);
  ROUND(e, f, g, h, a, b, c, d, WK(28, w12));
  w13 = ADD(s1(w11), w6);
  ROUND(d, e, f, g, h, a, b, c, WK(29, w13));
  w14 = ADD(ADD(s1(w12), w7), SET1(0x00400022u)); /* s0(256) */
  ROUND(c, d, e, f, g, h, a, b, WK(30, w14));
  w15 = ADD(ADD(s1(w13), w8), ADD(s0(w0), SET1(256)));
  ROUND(b, c, d, e, f, g, h, a, WK(31, w15));

#define NEXT(w, w1_, w9_, w14_) w = ADD(ADD(w, s0(w1_)), ADD(w9_, s1(w14_)))
#define ROUNDS16(i)                                                                      \
  do {                                                                                   \
    NEXT(w0, w1, w9, w14);   ROUND(a, b, c, d, e, f, g, h, WK(i, w0));                    \
    NEXT(w1, w2, w10, w15);  ROUND(h, a, b, c, d, e, f, g, WK(i + 1, w1));                \
    NEXT(w2, w3, w11, w0);   ROUND(g, h, a, b, c, d, e, f, WK(i + 2, w2));                \
    NEXT(w3, w4, w12, w1);   ROUND(f, g, h, a, b, c, d, e, WK(i + 3, w3));                \
    NEXT(w4, w5, w13, w2);   ROUND(e, f, g, h, a, b, c, d, WK(i + 4, w4));                \
    NEXT(w5, w6, w14, w3);   ROUND(d, e, f, g, h, a, b, c, WK(i + 5, w5));                \
    NEXT(w6, w7, w15, w4);   ROUND(c, d, e, f, g, h, a, b, WK(i + 6, w6));                \
    NEXT(w7, w8, w0, w5);    ROUND(b, c, d, e, f, g, h, a, WK(i + 7, w7));                \
    NEXT(w8, w9, w1, w6);    ROUND(a, b, c, d, e, f, g, h, WK(i + 8, w8));                \
    if (i == 48) break;                                                                  \
    NEXT(w9, w10, w2, w7);   ROUND(h, a, b, c, d, e, f, g, WK(i + 9, w9));                \
    NEXT(w10, w11, w3, w8);  ROUND(g, h, a, b, c, d, e, f, WK(i + 10, w10));              \
    NEXT(w11, w12, w4, w9);  ROUND(f, g, h, a, b, c, d, e, WK(i + 11, w11));              \
    NEXT(w12, w13, w5, w10); ROUND(e, f, g, h, a, b, c, d, WK(i + 12, w12));              \
    NEXT(w13, w14, w6, w11); ROUND(d, e, f, g, h, a, b, c, WK(i + 13, w13));              \
    NEXT(w14, w15, w7, w12); ROUND(c, d, e, f, g, h, a, b, WK(i + 14, w14));              \
    NEXT(w15, w0, w8, w13);  ROUND(b, c, d, e, f, g, h, a, WK(i + 15, w15));              \
  } while (0)
  ROUNDS16(32);
  ROUNDS16(48);
  /* The last state word is what e was after round 60: rounds 61..63 are not needed, and of 57..60 only e. */
  NEXT(w9, w10, w2, w7);
  ROUND_E(c, d, e, f, g, WK(57, w9));
  NEXT(w10, w11, w3, w8);
  ROUND_E(b, c, d, e, f, WK(58, w10));
  NEXT(w11, w12, w4, w9);
  ROUND_E(a, b, c, d, e, WK(59, w11));
  NEXT(w12, w13, w5, w10);
  ROUND_E(h, a, b, c, d, WK(60, w12));
  return h;
#undef ROUNDS16
#undef NEXT
#undef WK
}

uint32_t KERNEL(const sha256d_job *job, uint32_t start, uint32_t count, sha256d_hit *hits, uint32_t *done) {
  uint32_t found = 0;
  V wk[46];
  const V last = SET1(sha256_iv[7]);
  for (uint32_t i = 0; i < count; i += LANES) {
    const V nonce = BSWAP(NONCES(start + i));
    KERNEL_NAME(schedule)(job, nonce, wk);
    for (uint32_t v = 0; v < job->version_count; v++) {
      const sha256d_version *version = &job->version[v];
      /* Before round 4: only a and e hold the nonce. */
      V a = ADD(SET1(version->round4[0]), nonce), b = SET1(version->round4[1]), c = SET1(version->round4[2]);
      V d = SET1(version->round4[3]), e = ADD(SET1(version->round4[4]), nonce), f = SET1(version->round4[5]);
      V g = SET1(version->round4[6]), h = SET1(version->round4[7]);
#define PADDING(i) SET1(sha256_k[i])
#define NONCED(i) wk[i - 18]
      ROUND(a, b, c, d, e, f, g, h, SET1(sha256_k[4] + 0x80000000u));
      ROUND(h, a, b, c, d, e, f, g, PADDING(5));
      ROUND(g, h, a, b, c, d, e, f, PADDING(6));
      ROUND(f, g, h, a, b, c, d, e, PADDING(7));
      ROUND(e, f, g, h, a, b, c, d, PADDING(8));
      ROUND(d, e, f, g, h, a, b, c, PADDING(9));
      ROUND(c, d, e, f, g, h, a, b, PADDING(10));
      ROUND(b, c, d, e, f, g, h, a, PADDING(11));
      ROUND(a, b, c, d, e, f, g, h, PADDING(12));
      ROUND(h, a, b, c, d, e, f, g, PADDING(13));
      ROUND(g, h, a, b, c, d, e, f, PADDING(14));
      ROUND(f, g, h, a, b, c, d, e, SET1(sha256_k[15] + 640));
      ROUND(e, f, g, h, a, b, c, d, SET1(sha256_k[16] + job->w16));
      ROUND(d, e, f, g, h, a, b, c, SET1(sha256_k[17] + job->w17));
      ROUND(c, d, e, f, g, h, a, b, NONCED(18));
      ROUND(b, c, d, e, f, g, h, a, NONCED(19));
      ROUNDS8(NONCED, 20);
      ROUNDS8(NONCED, 28);
      ROUNDS8(NONCED, 36);
      ROUNDS8(NONCED, 44);
      ROUNDS8(NONCED, 52);
      ROUND(a, b, c, d, e, f, g, h, NONCED(60));
      ROUND(h, a, b, c, d, e, f, g, NONCED(61));
      ROUND(g, h, a, b, c, d, e, f, NONCED(62));
      ROUND(f, g, h, a, b, c, d, e, NONCED(63));
#undef PADDING
#undef NONCED
      const V digest[8] = {
          ADD(e, SET1(version->midstate[0])), ADD(f, SET1(version->midstate[1])),
          ADD(g, SET1(version->midstate[2])), ADD(h, SET1(version->midstate[3])),
          ADD(a, SET1(version->midstate[4])), ADD(b, SET1(version->midstate[5])),
          ADD(c, SET1(version->midstate[6])), ADD(d, SET1(version->midstate[7])),
      };
      uint32_t lanes = ZERO_LANES(ADD(KERNEL_NAME(second)(digest), last), job->reject_mask);
      for (uint32_t lane = 0; lanes != 0; lane++, lanes >>= 1) {
        if ((lanes & 1) == 0) continue;
        hits[found].nonce = start + i + lane;
        hits[found].version_index = v;
        found++;
      }
    }
    if (SHA256D_FULL(job, found)) {
      *done = i + LANES;
      return found;
    }
  }
  *done = count;
  return found;
}
