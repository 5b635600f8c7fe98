/*
 * Double SHA-256 of Bitcoin block headers, for searching a nonce on a CPU.
 *
 * A header has 80 bytes: SHA-256 pads it to two blocks of 64. The first block (version, previous hash, the head of the
 * merkle root) does not hold the nonce, so its result, the midstate, is computed once. The second block holds the tail
 * of the merkle root, ntime, nBits and the nonce, and not the version: its message schedule is the same for every
 * version a miner may roll (BIP320), so one schedule serves several midstates.
 *
 * SHA-256 is FIPS 180-4; s0, s1, S0, S1 stand for its small and big sigmas. Words are native uint32_t of big-endian
 * message bytes.
 */
#ifndef ADIT_SHA256D_H
#define ADIT_SHA256D_H

#include <stddef.h>
#include <stdint.h>

/* Versions (midstates) one scan may hold. */
#define SHA256D_MAX_VERSIONS 16
/* Candidates one kernel call may give, and hits one scan may. */
#define SHA256D_MAX_CANDIDATES 512
#define SHA256D_MAX_HITS (2 * SHA256D_MAX_CANDIDATES)
/* No kernel looks at more nonces at once than this. */
#define SHA256D_MAX_LANES 16
/* Room that must be left before a kernel goes on to its next vector of nonces. */
#define SHA256D_FULL(job, found) \
  ((found) > SHA256D_MAX_CANDIDATES - SHA256D_MAX_LANES * (job)->version_count)

typedef struct {
  /* After the first block; added to the state at the end of the second. */
  uint32_t midstate[8];
  /* State before round 2 of the second block, which is the first that one double-round instruction can start with. */
  uint32_t round2[8];
  /* State before round 4, but that its a and e still lack the nonce word, which round 3 adds to both. */
  uint32_t round4[8];
} sha256d_version;

typedef struct {
  uint32_t version_count;
  sha256d_version version[SHA256D_MAX_VERSIONS];
  /* Second block: words 0..2 and what the schedule makes of them alone. */
  uint32_t w[3];
  uint32_t w16, w17;
  uint32_t w18_base; /* w18 = w18_base + s0(nonce word) */
  uint32_t w19_base; /* w19 = w19_base + nonce word */
  uint32_t w31_base; /* what w31 and w32 hold of w15, w16 and w17 */
  uint32_t w32_base;
  /* A hash can meet the target only if (last state word & reject_mask) == 0. */
  uint32_t reject_mask;
} sha256d_job;

typedef struct {
  uint32_t nonce;
  uint32_t version_index;
} sha256d_hit;

/*
 * Searches nonces start .. start + count - 1; count is a multiple of the kernel's lanes and start + count does not pass
 * 2^32. Writes those whose last word passes the mask (a superset of the solutions) and returns their number, at most
 * SHA256D_MAX_CANDIDATES. *done is how many nonces were looked at, less than count only when there was no room for more.
 */
typedef uint32_t (*sha256d_kernel_fn)(const sha256d_job *job, uint32_t start, uint32_t count, sha256d_hit *hits,
                                      uint32_t *done);

typedef struct {
  const char *name;
  uint32_t lanes;
  sha256d_kernel_fn run;
  /* Non-zero when this processor and operating system can run it. */
  int (*supported)(void);
  /* Set by sha256d_init. */
  int usable;
  double hashes_per_second;
} sha256d_kernel;

/* Not seen outside the add-on: then they are reached without a detour through the linker's table. */
#if defined(__GNUC__)
#define HIDDEN __attribute__((visibility("hidden")))
#else
#define HIDDEN
#endif
extern HIDDEN const uint32_t sha256_k[64];
extern HIDDEN const uint32_t sha256_iv[8];

/* SHA-256 of any data; digest is 32 bytes. */
void sha256(const uint8_t *data, size_t size, uint8_t *digest);
/* SHA-256 of SHA-256: Bitcoin's hash, internal byte order. */
void sha256d(const uint8_t *data, size_t size, uint8_t *digest);

/* All kernels compiled in, the plain one first. */
sha256d_kernel *sha256d_kernels(uint32_t *count);
/* Proves each supported kernel on known blocks. Called once; a kernel that fails is never used. */
void sha256d_verify(void);
/* The one to use: the plain one until another is set. */
sha256d_kernel *sha256d_best(void);
void sha256d_set_best(sha256d_kernel *kernel);

/*
 * Searches a header for hashes at or below a target.
 * header: 80 bytes, its version and nonce are replaced. target: 32 bytes, little-endian (as the hash stands).
 * versions: the header versions to try for each nonce. Nonces start .. start + count - 1, never past 2^32.
 * hits has room for SHA256D_MAX_HITS. Returns their number; each has been proved with the plain hash against the whole
 * target. *done is the number of nonces looked at, each with all versions; less than count only for want of room.
 */
uint32_t sha256d_scan(sha256d_kernel *kernel, const uint8_t *header, const uint8_t *target, const uint32_t *versions,
                      uint32_t version_count, uint32_t start, uint64_t count, sha256d_hit *hits, uint64_t *done);

#endif
