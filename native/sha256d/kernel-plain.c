/* Plain C, one nonce at a time: runs everywhere, and the yardstick of the others. */
#include "sha256d.h"

#define KERNEL sha256d_run_plain
#define KERNEL_NAME(part) plain_##part
#define LANES 1
typedef uint32_t V;
#define SET1(x) ((uint32_t)(x))
#define NONCES(n) (n)
#define BSWAP(v) (((v) >> 24) | (((v) >> 8) & 0xff00u) | (((v) << 8) & 0xff0000u) | ((v) << 24))
#define ADD(x, y) ((x) + (y))
#define XOR3(x, y, z) ((x) ^ (y) ^ (z))
#define ROTR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define SHR(x, n) ((x) >> (n))
#define CH(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
/* Its second half is the first of the round before: the compiler keeps it. */
#define MAJ(x, y, z) ((y) ^ (((x) ^ (y)) & ((y) ^ (z))))
#define ZERO_LANES(v, mask) (((v) & (mask)) == 0)
#include "lanes.h"
