/* Advanced SIMD of 64-bit Arm, four nonces at a time: for processors without the crypto extensions (Raspberry Pi 3, 4). */
#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>

#include "sha256d.h"

#define KERNEL sha256d_run_neon
#define KERNEL_NAME(part) neon_##part
#define LANES 4
typedef uint32x4_t V;
static inline V count_up(uint32_t n) {
  const uint32_t steps[4] = {0, 1, 2, 3};
  return vaddq_u32(vdupq_n_u32(n), vld1q_u32(steps));
}
static inline uint32_t zero_lanes(V masked) {
  const uint32_t bits[4] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vceqzq_u32(masked), vld1q_u32(bits)));
}
#define SET1(x) vdupq_n_u32((uint32_t)(x))
#define NONCES(n) count_up(n)
#define BSWAP(v) vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u32(v)))
#define ADD(x, y) vaddq_u32(x, y)
#define XOR3(x, y, z) veorq_u32(veorq_u32(x, y), z)
/* Shift right and insert: a rotation in two instructions. */
#define ROTR(x, n) vsriq_n_u32(vshlq_n_u32(x, 32 - (n)), x, n)
#define SHR(x, n) vshrq_n_u32(x, n)
#define CH(x, y, z) vbslq_u32(x, y, z)
#define MAJ(x, y, z) vbslq_u32(veorq_u32(x, y), z, y)
#define ZERO_LANES(v, mask) zero_lanes(vandq_u32(v, SET1(mask)))
#include "lanes.h"
#endif
