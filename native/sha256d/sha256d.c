#include "sha256d.h"

#if defined(__wasm__)
/* There is no C library; wasm.c has these two. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
#else
#include <string.h>
#endif

const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const uint32_t sha256_iv[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotr(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }
static uint32_t s0(uint32_t x) { return rotr(x, 7) ^ rotr(x, 18) ^ (x >> 3); }
static uint32_t s1(uint32_t x) { return rotr(x, 17) ^ rotr(x, 19) ^ (x >> 10); }

static uint32_t read_be(const uint8_t *p) {
  return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static void write_be(uint8_t *p, uint32_t x) {
  p[0] = (uint8_t)(x >> 24);
  p[1] = (uint8_t)(x >> 16);
  p[2] = (uint8_t)(x >> 8);
  p[3] = (uint8_t)x;
}
static void write_le(uint8_t *p, uint32_t x) {
  p[0] = (uint8_t)x;
  p[1] = (uint8_t)(x >> 8);
  p[2] = (uint8_t)(x >> 16);
  p[3] = (uint8_t)(x >> 24);
}

/* One round on state s = a..h, w being the schedule word. */
static void one_round(uint32_t *s, uint32_t k, uint32_t w) {
  uint32_t a = s[0], e = s[4];
  uint32_t t1 = s[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (s[6] ^ (e & (s[5] ^ s[6]))) + k + w;
  uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & s[1]) | (s[2] & (a | s[1])));
  s[7] = s[6];
  s[6] = s[5];
  s[5] = e;
  s[4] = s[3] + t1;
  s[3] = s[2];
  s[2] = s[1];
  s[1] = a;
  s[0] = t1 + t2;
}

/* FIPS 180-4 section 6.2.2. */
static void compress(uint32_t *state, const uint8_t *block) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++) w[i] = read_be(block + 4 * i);
  for (int i = 16; i < 64; i++) w[i] = s1(w[i - 2]) + w[i - 7] + s0(w[i - 15]) + w[i - 16];
  memcpy(s, state, sizeof s);
  for (int i = 0; i < 64; i++) one_round(s, sha256_k[i], w[i]);
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

void sha256(const uint8_t *data, size_t size, uint8_t *digest) {
  uint32_t state[8];
  uint8_t tail[128] = {0};
  size_t whole = size / 64, rest = size % 64, tail_size = rest < 56 ? 64 : 128;
  uint64_t bits = (uint64_t)size * 8;
  memcpy(state, sha256_iv, sizeof state);
  for (size_t i = 0; i < whole; i++) compress(state, data + 64 * i);
  if (rest != 0) memcpy(tail, data + 64 * whole, rest);
  tail[rest] = 0x80;
  write_be(tail + tail_size - 8, (uint32_t)(bits >> 32));
  write_be(tail + tail_size - 4, (uint32_t)bits);
  for (size_t i = 0; i < tail_size; i += 64) compress(state, tail + i);
  for (int i = 0; i < 8; i++) write_be(digest + 4 * i, state[i]);
}

void sha256d(const uint8_t *data, size_t size, uint8_t *digest) {
  uint8_t once[32];
  sha256(data, size, once);
  sha256(once, sizeof once, digest);
}

static void prepare(sha256d_job *job, const uint8_t *header, const uint8_t *target, const uint32_t *versions,
                    uint32_t version_count) {
  uint8_t block[64];
  uint32_t top = ((uint32_t)target[31] << 24) | ((uint32_t)target[30] << 16) | ((uint32_t)target[29] << 8) | target[28];
  uint32_t above = 0xffffffffu;

  for (int i = 0; i < 3; i++) job->w[i] = read_be(header + 64 + 4 * i);
  job->w16 = s0(job->w[1]) + job->w[0];
  job->w17 = s1(640) + s0(job->w[2]) + job->w[1];
  job->w18_base = s1(job->w16) + job->w[2];
  job->w19_base = s1(job->w17) + s0(0x80000000u);
  job->w31_base = s0(job->w16) + 640;
  job->w32_base = s0(job->w17) + job->w16;

  /* The last state word holds the hash's top four bytes reversed. Bits above the target's highest must be 0. */
  while (top != 0) {
    top >>= 1;
    above <<= 1;
  }
  if ((target[31] & 0x80) != 0) above = 0;
  job->reject_mask = (above >> 24) | ((above >> 8) & 0xff00u) | ((above << 8) & 0xff0000u) | (above << 24);

  job->version_count = version_count;
  memcpy(block, header, sizeof block);
  for (uint32_t i = 0; i < version_count; i++) {
    sha256d_version *version = &job->version[i];
    uint32_t s[8];
    write_le(block, versions[i]);
    memcpy(version->midstate, sha256_iv, sizeof version->midstate);
    compress(version->midstate, block);
    memcpy(s, version->midstate, sizeof s);
    one_round(s, sha256_k[0], job->w[0]);
    one_round(s, sha256_k[1], job->w[1]);
    memcpy(version->round2, s, sizeof s);
    one_round(s, sha256_k[2], job->w[2]);
    one_round(s, sha256_k[3], 0);
    memcpy(version->round4, s, sizeof s);
  }
}

/* True when the little-endian 256-bit number in hash is at or below target. */
static int meets(const uint8_t *hash, const uint8_t *target) {
  for (int i = 31; i >= 0; i--)
    if (hash[i] != target[i]) return hash[i] < target[i];
  return 1;
}

uint32_t sha256d_scan(sha256d_kernel *kernel, const uint8_t *header, const uint8_t *target, const uint32_t *versions,
                      uint32_t version_count, uint32_t start, uint64_t count, sha256d_hit *hits, uint64_t *done) {
  sha256d_job job;
  sha256d_hit candidates[SHA256D_MAX_CANDIDATES];
  uint8_t full[80], hash[32];
  uint32_t found = 0;
  uint64_t at = 0;
  sha256d_kernel *plain = sha256d_kernels(NULL);

  if (count > 0x100000000u - (uint64_t)start) count = 0x100000000u - (uint64_t)start;
  prepare(&job, header, target, versions, version_count);
  memcpy(full, header, sizeof full);
  while (at < count && found <= SHA256D_MAX_HITS - SHA256D_MAX_CANDIDATES) {
    uint64_t left = count - at;
    uint32_t slice = left > 0x1000000u ? 0x1000000u : (uint32_t)left, looked = 0;
    sha256d_kernel *with = slice < kernel->lanes ? plain : kernel;
    uint32_t passed = with->run(&job, start + (uint32_t)at, slice - slice % with->lanes, candidates, &looked);
    for (uint32_t i = 0; i < passed; i++) {
      write_le(full, versions[candidates[i].version_index]);
      write_le(full + 76, candidates[i].nonce);
      sha256d(full, sizeof full, hash);
      if (meets(hash, target)) hits[found++] = candidates[i];
    }
    at += looked;
  }
  *done = at;
  return found;
}

extern uint32_t sha256d_run_plain(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);
static int always(void) { return 1; }

#if defined(__x86_64__) || defined(_M_X64)
extern uint32_t sha256d_run_sse2(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);
extern uint32_t sha256d_run_avx2(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);
extern uint32_t sha256d_run_avx512(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);
extern uint32_t sha256d_run_shani(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
static void cpuid(uint32_t leaf, uint32_t *regs) { __cpuidex((int *)regs, (int)leaf, 0); }
static uint64_t xcr0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(uint32_t leaf, uint32_t *regs) {
  if (!__get_cpuid_count(leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3])) memset(regs, 0, 16);
}
static uint64_t xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}
#endif

/* Which registers the operating system saves: an instruction set it does not know must not be used. */
static uint64_t saved_state(void) {
  uint32_t regs[4];
  cpuid(1, regs);
  return (regs[2] & (1u << 27)) != 0 ? xcr0() : 0;
}
static uint32_t leaf7_ebx(void) {
  uint32_t regs[4];
  cpuid(0, regs);
  if (regs[0] < 7) return 0;
  cpuid(7, regs);
  return regs[1];
}
static int has_avx2(void) { return (leaf7_ebx() & (1u << 5)) != 0 && (saved_state() & 0x06) == 0x06; }
static int has_avx512(void) { return (leaf7_ebx() & (1u << 16)) != 0 && (saved_state() & 0xe6) == 0xe6; }
static int has_shani(void) {
  uint32_t regs[4];
  cpuid(1, regs);
  return (leaf7_ebx() & (1u << 29)) != 0 && (regs[2] & (1u << 9)) != 0 && (regs[2] & (1u << 19)) != 0;
}
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
extern uint32_t sha256d_run_armv8(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);
extern uint32_t sha256d_run_neon(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);
#if defined(__linux__)
#include <sys/auxv.h>
static int has_arm_sha2(void) { return (getauxval(AT_HWCAP) & (1ul << 6)) != 0; /* HWCAP_SHA2 */ }
#elif defined(__APPLE__)
static int has_arm_sha2(void) { return 1; /* every Mac with an Arm processor */ }
#elif defined(_WIN32)
#include <windows.h>
static int has_arm_sha2(void) { return IsProcessorFeaturePresent(PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE) != 0; }
#else
static int has_arm_sha2(void) { return 0; }
#endif
#endif

#if defined(__wasm_simd128__)
extern uint32_t sha256d_run_simd128(const sha256d_job *, uint32_t, uint32_t, sha256d_hit *, uint32_t *);
#endif

static sha256d_kernel kernels[] = {
    {"plain", 1, sha256d_run_plain, always, 0, 0},
#if defined(__x86_64__) || defined(_M_X64)
    {"sse2", 4, sha256d_run_sse2, always, 0, 0},
    {"avx2", 8, sha256d_run_avx2, has_avx2, 0, 0},
    {"avx512", 16, sha256d_run_avx512, has_avx512, 0, 0},
    {"sha-ni", 2, sha256d_run_shani, has_shani, 0, 0},
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
    {"neon", 4, sha256d_run_neon, always, 0, 0},
    {"armv8-sha2", 2, sha256d_run_armv8, has_arm_sha2, 0, 0},
#endif
#if defined(__wasm_simd128__)
    {"simd128", 4, sha256d_run_simd128, always, 0, 0},
#endif
};
static sha256d_kernel *best = &kernels[0];

sha256d_kernel *sha256d_kernels(uint32_t *count) {
  if (count != NULL) *count = (uint32_t)(sizeof kernels / sizeof kernels[0]);
  return kernels;
}
sha256d_kernel *sha256d_best(void) { return best; }
void sha256d_set_best(sha256d_kernel *kernel) { best = kernel; }

/* Headers of mainnet blocks 0 and 125552. */
static const char *const KNOWN[] = {
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
    "0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000e320b6c2fffc8d750423db8b1eb942ae"
    "710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a42a14695",
};

static uint32_t hex_digit(char c) { return c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'a' + 10); }

/* A known block's nonce is found among its neighbours, in every lane, beside a version that is not its own. */
static int proves_itself(sha256d_kernel *kernel) {
  static const uint8_t target[32] = {[26] = 0xff, [27] = 0xff};
  for (size_t block = 0; block < sizeof KNOWN / sizeof KNOWN[0]; block++) {
    uint8_t header[80];
    uint32_t versions[3] = {0x20000000u, 1, 0x2fffe000u}, nonce;
    for (int i = 0; i < 80; i++)
      header[i] = (uint8_t)(hex_digit(KNOWN[block][2 * i]) << 4 | hex_digit(KNOWN[block][2 * i + 1]));
    nonce = header[76] | (uint32_t)header[77] << 8 | (uint32_t)header[78] << 16 | (uint32_t)header[79] << 24;
    for (uint32_t lane = 0; lane < kernel->lanes; lane++) {
      sha256d_hit hits[SHA256D_MAX_HITS];
      uint64_t done = 0;
      uint32_t found = sha256d_scan(kernel, header, target, versions, 3, nonce - lane - kernel->lanes,
                                    3 * kernel->lanes, hits, &done);
      if (found != 1 || hits[0].nonce != nonce || hits[0].version_index != 1 || done != 3 * kernel->lanes) return 0;
    }
  }
  return 1;
}

void sha256d_verify(void) {
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
    kernels[i].usable = kernels[i].supported() && proves_itself(&kernels[i]);
}
